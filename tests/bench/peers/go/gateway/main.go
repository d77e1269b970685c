// Peer gateway by generator: grpc-gateway v2 with its default marshaler in front of the peer service.
package main

import (
	"bytes"
	"context"
	"flag"
	"io"
	"log"
	"net/http"

	"callhistory.example/peers/legacy"
	"callhistory.example/peers/peerpb"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
)

const bodyLimit = 4096

// split tells a count from a list: a generated mux routes by method and path alone.
func split(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != legacy.Path {
			legacy.WriteError(w, http.StatusNotFound, "no such path")
			return
		}
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, bodyLimit))
		if err != nil {
			legacy.WriteError(w, http.StatusRequestEntityTooLarge, "the body is too large")
			return
		}
		if !bytes.Contains(body, []byte(`"page"`)) && !bytes.Contains(body, []byte(`"size"`)) {
			r.URL.Path = "/api/crm/historycall/countAll"
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		next.ServeHTTP(w, r)
	})
}

func fail(_ context.Context, _ *runtime.ServeMux, _ runtime.Marshaler, w http.ResponseWriter, _ *http.Request, err error) {
	state := status.Convert(err)
	legacy.WriteError(w, legacy.HTTPStatus(state.Code()), state.Message())
}

func main() {
	listen := flag.String("listen", "", "host:port")
	service := flag.String("service", "", "address of the service")
	flag.Parse()
	mux := runtime.NewServeMux(runtime.WithErrorHandler(fail))
	options := []grpc.DialOption{grpc.WithTransportCredentials(insecure.NewCredentials())}
	if err := peerpb.RegisterCallHistoryHandlerFromEndpoint(context.Background(), mux, *service, options); err != nil {
		log.Fatal(err)
	}
	log.Fatal(http.ListenAndServe(*listen, split(mux)))
}
