// The interop scenario in Go (grpc-go): one line per step, exit status 1 at the first that fails.
package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	v1 "callhistory.internal/api/callhistory/v1"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	reflectionv1 "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

const calls = 25

var (
	number = os.Getenv("CALLHISTORY_NUMBER")
	tenant = struct{ project, vbot string }{os.Getenv("CALLHISTORY_PROJECT_CODE"), os.Getenv("CALLHISTORY_VBOT_ID")}
	driver = bufio.NewReader(os.Stdin)
	base   context.Context // ends, whatever happens
)

func check(good bool, format string, arguments ...any) {
	if !good {
		fmt.Printf("failed: "+format+"\n", arguments...)
		os.Exit(1)
	}
}

func step(name, format string, arguments ...any) {
	fmt.Printf("%s: %s\n", name, fmt.Sprintf(format, arguments...))
}

// ask has the driver do something to Redis, and returns when it is done.
func ask(what string) {
	fmt.Println("> " + what)
	_, err := driver.ReadString('\n')
	check(err == nil, "the driver went away: %v", err)
}

// as is a context with the credentials that the variable holds.
func as(variable string) context.Context {
	if variable == "" {
		return base
	}
	return metadata.AppendToOutgoingContext(base, "authorization", "Bearer "+os.Getenv(variable))
}

func reader() context.Context { return as("CALLHISTORY_READER") }
func writer() context.Context { return as("CALLHISTORY_WRITER") }

func id(i int) string { return fmt.Sprintf("%s/%d", number, i) }

func makeCall(i int) *v1.Call {
	return &v1.Call{
		Id:          id(i),
		StartTime:   timestamppb.New(time.Unix(1760000000+int64(i), 0)),
		Direction:   v1.CallDirection_CALL_DIRECTION_INBOUND,
		Disposition: v1.Disposition_DISPOSITION_ANSWERED,
		Hotline:     "19001234",
		OptionalTalkSeconds: &v1.Call_TalkSeconds{TalkSeconds: uint32(i)},
		Callers:     []*v1.Party{{Phone: number, Charge: &v1.Money{Amount: 6.1}}},
		Callees:     []*v1.Party{{Phone: "201", MemberNo: "201", OptionalStartOffsetMs: &v1.Party_StartOffsetMs{StartOffsetMs: 1500}}},
		Recordings:  []string{"https://recordings.example.vn/" + id(i)},
	}
}

// failure checks an error's code and ErrorInfo, and returns its details by their type.
func failure(err error, code codes.Code) (info *errdetails.ErrorInfo, bad *errdetails.BadRequest, retry *errdetails.RetryInfo) {
	s, _ := status.FromError(err)
	check(s.Code() == code, "%v wanted, not %v: %s", code, s.Code(), s.Message())
	for _, detail := range s.Details() {
		switch d := detail.(type) {
		case *errdetails.ErrorInfo:
			info = d
		case *errdetails.BadRequest:
			bad = d
		case *errdetails.RetryInfo:
			retry = d
		}
	}
	check(info != nil && info.Domain == "callhistory.v1" && info.Reason != "", "%v: no ErrorInfo, but %v", code, s.Details())
	return
}

func reading(history v1.CallHistoryServiceClient, ingest v1.CallIngestServiceClient) {
	record := &v1.RecordCallsRequest{ProjectCode: tenant.project, VbotId: tenant.vbot}
	for i := range calls {
		record.Calls = append(record.Calls, makeCall(i))
	}
	for _, outcome := range []v1.RecordCallResult_Outcome{v1.RecordCallResult_OUTCOME_RECORDED, v1.RecordCallResult_OUTCOME_UNCHANGED} {
		answer, err := ingest.RecordCalls(writer(), record)
		check(err == nil && len(answer.Results) == calls, "RecordCalls: %v", err)
		for i, result := range answer.Results {
			check(result.Outcome == outcome && result.Id == id(i), "call %d: %v", i, result)
		}
	}
	step("record", "%d recorded, then unchanged", calls)

	count, err := history.CountCalls(reader(), &v1.CountCallsRequest{ProjectCode: tenant.project, VbotId: tenant.vbot, Phone: "+84 " + number[1:]})
	check(err == nil && count.Count == calls, "CountCalls: %v %v", count, err)
	step("count", "%d", count.Count)

	list := func(request *v1.ListCallsRequest) *v1.ListCallsResponse {
		request.ProjectCode, request.VbotId, request.Phone = tenant.project, tenant.vbot, number
		answer, err := history.ListCalls(reader(), request)
		check(err == nil, "ListCalls: %v", err)
		return answer
	}
	var seen []string
	var pages []int
	for page := int32(1); page <= 4; page++ {
		answer := list(&v1.ListCallsRequest{PageSize: 10, Page: page})
		pages = append(pages, len(answer.Calls))
		for _, call := range answer.Calls {
			seen = append(seen, call.Id)
		}
	}
	var newestFirst []string
	for i := calls - 1; i >= 0; i-- {
		newestFirst = append(newestFirst, id(i))
	}
	check(slices.Equal(pages, []int{10, 10, 5, 0}) && slices.Equal(seen, newestFirst), "by offset: %v", pages)
	step("offset", "pages of 10, 10, 5 and 0, newest first")

	seen, token, turns := nil, "", 0
	for {
		answer := list(&v1.ListCallsRequest{PageSize: 7, PageToken: token})
		for _, call := range answer.Calls {
			seen = append(seen, call.Id)
		}
		turns++
		token = answer.NextPageToken
		if token == "" || turns > calls {
			break
		}
	}
	check(slices.Equal(seen, newestFirst), "by token: %v", seen)
	step("token", "%d calls on %d pages, to the end", len(seen), turns)

	stream, err := history.ExportCalls(reader(), &v1.ExportCallsRequest{ProjectCode: tenant.project, VbotId: tenant.vbot, Phone: number, PageSize: 7})
	check(err == nil, "ExportCalls: %v", err)
	seen = nil
	var messages []*v1.ExportCallsResponse
	for {
		message, err := stream.Recv()
		if err == io.EOF {
			break
		}
		check(err == nil, "ExportCalls: %v", err)
		messages = append(messages, message)
		for _, call := range message.Calls {
			seen = append(seen, call.Id)
		}
	}
	check(slices.Equal(seen, newestFirst) && messages[0].ChangeToken != "" && messages[1].ChangeToken == "", "ExportCalls: %v", seen)
	step("export", "%d calls in %d messages", len(seen), len(messages))

	one, err := history.GetCall(reader(), &v1.GetCallRequest{ProjectCode: tenant.project, VbotId: tenant.vbot, Id: id(3)})
	check(err == nil && proto.Equal(one.Call, makeCall(3)), "GetCall: %v %v", one, err)
	step("get", "the call as it was recorded")
}

func errors(history v1.CallHistoryServiceClient, ingest v1.CallIngestServiceClient) {
	count := &v1.CountCallsRequest{ProjectCode: tenant.project, VbotId: tenant.vbot, Phone: number}

	_, err := history.ListCalls(reader(), &v1.ListCallsRequest{ProjectCode: tenant.project, VbotId: tenant.vbot, PageSize: -1})
	_, bad, _ := failure(err, codes.InvalidArgument)
	check(bad != nil && bad.FieldViolations[0].Field == "page_size", "BadRequest: %v", bad)
	step("bad-request", "%s", bad.FieldViolations[0].Field)

	_, err = history.CountCalls(as(""), count)
	info, _, _ := failure(err, codes.Unauthenticated)
	step("unauthenticated", "%s", info.Reason)

	_, err = ingest.RecordCalls(reader(), &v1.RecordCallsRequest{ProjectCode: tenant.project, VbotId: tenant.vbot, Calls: []*v1.Call{makeCall(0)}})
	info, _, _ = failure(err, codes.PermissionDenied)
	step("permission-denied", "%s", info.Reason)

	_, err = history.GetCall(reader(), &v1.GetCallRequest{ProjectCode: tenant.project, VbotId: tenant.vbot, Id: "none"})
	info, _, _ = failure(err, codes.NotFound)
	step("not-found", "%s", info.Reason)

	err = nil
	for range 100 {
		if _, err = history.CountCalls(as("CALLHISTORY_LIMITED"), count); err != nil {
			break
		}
	}
	info, _, retry := failure(err, codes.ResourceExhausted)
	check(retry != nil && retry.RetryDelay.AsDuration() > 0, "RetryInfo: %v", retry)
	step("retry-info", "%s, with a delay", info.Reason)
}

func reflection(connection *grpc.ClientConn) {
	stream, err := reflectionv1.NewServerReflectionClient(connection).ServerReflectionInfo(as(""))
	check(err == nil, "reflection: %v", err)
	check(stream.Send(&reflectionv1.ServerReflectionRequest{
		MessageRequest: &reflectionv1.ServerReflectionRequest_ListServices{},
	}) == nil, "reflection: can't send")
	answer, err := stream.Recv()
	check(err == nil, "reflection: %v", err)
	var names []string
	for _, service := range answer.GetListServicesResponse().GetService() {
		names = append(names, service.Name)
	}
	for _, name := range []string{"callhistory.v1.CallHistoryService", "callhistory.v1.CallIngestService", "grpc.health.v1.Health",
		"grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection"} {
		check(slices.Contains(names, name), "%s is not among %v", name, names)
	}
	step("reflection-list", "%d services", len(names))

	check(stream.Send(&reflectionv1.ServerReflectionRequest{
		MessageRequest: &reflectionv1.ServerReflectionRequest_FileContainingSymbol{FileContainingSymbol: "callhistory.v1.CallHistoryService"},
	}) == nil && stream.CloseSend() == nil, "reflection: can't send")
	answer, err = stream.Recv()
	check(err == nil, "reflection: %v", err)
	var methods []string
	for _, packed := range answer.GetFileDescriptorResponse().GetFileDescriptorProto() {
		file := new(descriptorpb.FileDescriptorProto)
		check(proto.Unmarshal(packed, file) == nil, "reflection: no file")
		for _, service := range file.Service {
			for _, method := range service.Method {
				methods = append(methods, method.GetName())
			}
		}
	}
	check(slices.Contains(methods, "ListCalls") && slices.Contains(methods, "CountCalls"), "methods: %v", methods)
	_, err = stream.Recv()
	check(err == io.EOF, "reflection: %v after the last request", err)
	step("reflection-describe", "%s", strings.Join(methods, ", "))
}

func deadline(history v1.CallHistoryServiceClient) {
	ask("redis pause")
	ctx, cancel := context.WithTimeout(reader(), 300*time.Millisecond)
	defer cancel()
	_, err := history.CountCalls(ctx, &v1.CountCallsRequest{ProjectCode: tenant.project, VbotId: tenant.vbot, Phone: number})
	check(status.Code(err) == codes.DeadlineExceeded, "deadline: %v", err)
	ask("redis resume")
	step("deadline", "exceeded while Redis was silent")
}

func health(client healthv1.HealthClient) {
	for _, name := range []string{"", "callhistory.v1.CallHistoryService", "callhistory.v1.CallIngestService"} {
		answer, err := client.Check(as(""), &healthv1.HealthCheckRequest{Service: name})
		check(err == nil && answer.Status == healthv1.HealthCheckResponse_SERVING, "health of %q: %v %v", name, answer, err)
	}
	_, err := client.Check(as(""), &healthv1.HealthCheckRequest{Service: "none"})
	check(status.Code(err) == codes.NotFound, "health of none: %v", err)
	step("health-check", "SERVING")

	watch, err := client.Watch(as(""), &healthv1.HealthCheckRequest{Service: "callhistory.v1.CallHistoryService"})
	check(err == nil, "Watch: %v", err)
	next := func(wanted healthv1.HealthCheckResponse_ServingStatus) {
		answer, err := watch.Recv()
		check(err == nil && answer.Status == wanted, "Watch: %v wanted, not %v %v", wanted, answer, err)
	}
	next(healthv1.HealthCheckResponse_SERVING)
	ask("redis stop")
	next(healthv1.HealthCheckResponse_NOT_SERVING)
	ask("redis start")
	next(healthv1.HealthCheckResponse_SERVING)
	step("health-watch", "SERVING, NOT_SERVING without Redis, SERVING")
}

func main() {
	var cancel context.CancelFunc
	base, cancel = context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	connection, err := grpc.NewClient(os.Getenv("CALLHISTORY_SERVICE"), grpc.WithTransportCredentials(insecure.NewCredentials()))
	check(err == nil, "%v", err)
	defer connection.Close()
	history, ingest := v1.NewCallHistoryServiceClient(connection), v1.NewCallIngestServiceClient(connection)
	reading(history, ingest)
	errors(history, ingest)
	reflection(connection)
	deadline(history)
	health(healthv1.NewHealthClient(connection))
}
