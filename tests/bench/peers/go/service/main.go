// Peer service: grpc-go over go-redis. A call is a protobuf value under its id; a number's calls are a sorted set of ids.
package main

import (
	"context"
	"errors"
	"flag"
	"log"
	"net"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"callhistory.example/peers/legacy"
	"callhistory.example/peers/peerpb"

	"github.com/redis/go-redis/v9"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

type server struct {
	peerpb.UnimplementedCallHistoryServer
	redis  *redis.Client
	tokens *tokens
}

func (s *server) tenant(ctx context.Context, project, vbot string) (string, error) {
	values := metadata.ValueFromIncomingContext(ctx, "authorization")
	if len(values) == 0 || !strings.HasPrefix(values[0], "Bearer ") {
		return "", status.Error(codes.Unauthenticated, "credentials are missing")
	}
	token, err := s.tokens.find(ctx, values[0][len("Bearer "):])
	if errors.Is(err, redis.Nil) {
		return "", status.Error(codes.Unauthenticated, "the token is not valid")
	}
	if err != nil {
		return "", status.Error(codes.Unavailable, "the store is away")
	}
	if err := check("project_code", project, 64); err != nil {
		return "", err
	}
	if err := check("vbot_id", vbot, 64); err != nil {
		return "", err
	}
	tenant := legacy.TenantKey(project, vbot)
	if !token.opens(tenant) {
		return "", status.Error(codes.PermissionDenied, "the token does not open this account")
	}
	return tenant, nil
}

func check(field, value string, limit int) error {
	if value == "" || len(value) > limit {
		return status.Errorf(codes.InvalidArgument, "%s is missing or too long", field)
	}
	for i := 0; i < len(value); i++ {
		if value[i] < 0x20 || value[i] == 0x7f {
			return status.Errorf(codes.InvalidArgument, "%s has a control character", field)
		}
	}
	return nil
}

func (s *server) List(ctx context.Context, request *peerpb.ListRequest) (*peerpb.ListResponse, error) {
	tenant, err := s.tenant(ctx, request.ProjectCode, request.VbotId)
	if err != nil {
		return nil, err
	}
	if err := check("phone", request.Phone, 32); err != nil {
		return nil, err
	}
	if request.Page == nil || *request.Page < 1 {
		return nil, status.Error(codes.InvalidArgument, "page is missing or below 1")
	}
	if request.Size == nil || *request.Size < 1 || *request.Size > 1000 {
		return nil, status.Error(codes.InvalidArgument, "size is missing or not from 1 to 1000")
	}
	start := int64(*request.Page-1) * int64(*request.Size)
	key := legacy.CallsKey(tenant, legacy.Canonical(request.Phone))
	ids, err := s.redis.ZRevRange(ctx, key, start, start+int64(*request.Size)-1).Result()
	if err != nil {
		return nil, status.Error(codes.Unavailable, "the store is away")
	}
	response := &peerpb.ListResponse{Status: 1, Message: "success"}
	if len(ids) == 0 {
		return response, nil
	}
	for i, id := range ids {
		ids[i] = legacy.CallKey(tenant, id)
	}
	values, err := s.redis.MGet(ctx, ids...).Result()
	if err != nil {
		return nil, status.Error(codes.Unavailable, "the store is away")
	}
	response.Data = make([]*peerpb.Call, 0, len(values))
	for _, value := range values {
		text, ok := value.(string)
		if !ok {
			continue
		}
		call := &peerpb.Call{}
		if err := proto.Unmarshal([]byte(text), call); err != nil {
			return nil, status.Error(codes.Internal, "a record can't be understood")
		}
		response.Data = append(response.Data, call)
	}
	return response, nil
}

func (s *server) Count(ctx context.Context, request *peerpb.CountRequest) (*peerpb.CountResponse, error) {
	tenant, err := s.tenant(ctx, request.ProjectCode, request.VbotId)
	if err != nil {
		return nil, err
	}
	if err := check("phone", request.Phone, 32); err != nil {
		return nil, err
	}
	count, err := s.redis.ZCard(ctx, legacy.CallsKey(tenant, legacy.Canonical(request.Phone))).Result()
	if err != nil {
		return nil, status.Error(codes.Unavailable, "the store is away")
	}
	return &peerpb.CountResponse{Status: 1, Message: "success", Data: int32(count)}, nil
}

func main() {
	listen := flag.String("listen", "", "socket path")
	store := flag.String("redis", "", "socket path of Redis")
	flag.Parse()
	client := redis.NewClient(&redis.Options{Network: "unix", Addr: *store})
	listener, err := net.Listen("unix", *listen)
	if err != nil {
		log.Fatal(err)
	}
	serve := grpc.NewServer()
	peerpb.RegisterCallHistoryServer(serve, &server{redis: client, tokens: newTokens(client)})
	end := make(chan os.Signal, 1)
	signal.Notify(end, syscall.SIGTERM)
	go func() {
		<-end
		serve.Stop()
	}()
	if err := serve.Serve(listener); err != nil {
		log.Fatal(err)
	}
}
