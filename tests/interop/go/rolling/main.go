// Calls without a pause through rolling restarts (grpc-go): a client as it is by default, which has no retryPolicy.
// Prints each call that failed, and at the end how many there were.
package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	v1 "callhistory.internal/api/callhistory/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/resolver/manual"
)

const (
	workers  = 8 // per channel
	expected = 25
)

// connect opens a channel to all addresses, as a name with several addresses would. Without a policy it is pick_first.
func connect(options ...grpc.DialOption) *grpc.ClientConn {
	addresses := manual.NewBuilderWithScheme("rolling")
	state := resolver.State{}
	for _, address := range strings.Split(os.Getenv("CALLHISTORY_SERVICES"), ",") {
		state.Endpoints = append(state.Endpoints, resolver.Endpoint{Addresses: []resolver.Address{{Addr: address}}})
	}
	addresses.InitialState(state)
	connection, err := grpc.NewClient("rolling:///services", append(options, grpc.WithResolvers(addresses),
		grpc.WithTransportCredentials(insecure.NewCredentials()))...)
	if err != nil {
		panic(err)
	}
	return connection
}

func main() {
	calls, err := strconv.ParseInt(os.Getenv("CALLHISTORY_CALLS"), 10, 64)
	if err != nil {
		panic(err)
	}
	var started, answered, lost atomic.Int64
	var running sync.WaitGroup
	for _, connection := range []*grpc.ClientConn{
		connect(),
		connect(grpc.WithDefaultServiceConfig(`{"loadBalancingConfig": [{"round_robin": {}}]}`)),
	} {
		defer connection.Close()
		history := v1.NewCallHistoryServiceClient(connection)
		request := &v1.CountCallsRequest{Phone: os.Getenv("CALLHISTORY_NUMBER")}
		for range workers {
			running.Go(func() {
				for started.Add(1) <= calls {
					ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
					ctx = metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+os.Getenv("CALLHISTORY_READER"))
					answer, err := history.CountCalls(ctx, request)
					cancel()
					if err == nil && answer.Count == expected {
						answered.Add(1)
					} else {
						lost.Add(1)
						fmt.Println("lost:", answer, err)
					}
				}
			})
		}
	}
	running.Wait()
	fmt.Printf("%d answered, %d lost\n", answered.Load(), lost.Load())
}
