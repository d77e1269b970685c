// Peer gateway tuned by hand: net/http, a request read into a small struct and an answer appended to a pooled buffer.
package main

import (
	"encoding/json"
	"flag"
	"io"
	"log"
	"net/http"
	"strconv"
	"sync"

	"callhistory.example/peers/legacy"
	"callhistory.example/peers/peerpb"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

const bodyLimit = 4096

// number is an integer that may come as a decimal string.
type number int32

func (n *number) UnmarshalJSON(text []byte) error {
	if len(text) > 1 && text[0] == '"' {
		text = text[1 : len(text)-1]
	}
	value, err := strconv.ParseInt(string(text), 10, 32)
	*n = number(value)
	return err
}

type request struct {
	VbotID      string  `json:"vbot_id"`
	ProjectCode string  `json:"project_code"`
	Phone       string  `json:"phone"`
	Page        *number `json:"page"`
	Size        *number `json:"size"`
}

type handler struct {
	calls   peerpb.CallHistoryClient
	buffers sync.Pool
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != legacy.Path {
		legacy.WriteError(w, http.StatusNotFound, "no such path")
		return
	}
	buffer := h.buffers.Get().(*[]byte)
	defer h.buffers.Put(buffer)
	body, err := readBody((*buffer)[:0], r.Body)
	*buffer = body
	if err != nil {
		legacy.WriteError(w, http.StatusRequestEntityTooLarge, "the body is too large")
		return
	}
	var in request
	if err := json.Unmarshal(body, &in); err != nil {
		legacy.WriteError(w, http.StatusBadRequest, "the body is not the JSON object that is expected")
		return
	}
	out, err := h.answer(r, &in, body[:0])
	if err != nil {
		state := status.Convert(err)
		legacy.WriteError(w, legacy.HTTPStatus(state.Code()), state.Message())
		return
	}
	*buffer = out
	header := w.Header()
	header["Content-Type"] = contentType
	header["Content-Length"] = []string{strconv.Itoa(len(out))}
	w.Write(out)
}

var contentType = []string{"application/json; charset=utf-8"}

// answer calls the service and appends the answer to out.
func (h *handler) answer(r *http.Request, in *request, out []byte) ([]byte, error) {
	ctx := metadata.AppendToOutgoingContext(r.Context(), "authorization", r.Header.Get("Authorization"))
	if in.Page == nil && in.Size == nil {
		got, err := h.calls.Count(ctx, &peerpb.CountRequest{VbotId: in.VbotID, ProjectCode: in.ProjectCode,
			Phone: in.Phone})
		if err != nil {
			return nil, err
		}
		out = append(out, `{"status":1,"error":0,"message":"success","data":`...)
		return append(strconv.AppendInt(out, int64(got.Data), 10), '}'), nil
	}
	got, err := h.calls.List(ctx, &peerpb.ListRequest{VbotId: in.VbotID, ProjectCode: in.ProjectCode, Phone: in.Phone,
		Page: (*int32)(in.Page), Size: (*int32)(in.Size)})
	if err != nil {
		return nil, err
	}
	return appendList(out, got.Data), nil
}

// readBody reads at most bodyLimit bytes into the buffer.
func readBody(buffer []byte, body io.Reader) ([]byte, error) {
	for {
		n, err := body.Read(buffer[len(buffer):cap(buffer)])
		buffer = buffer[:len(buffer)+n]
		if err == io.EOF {
			return buffer, nil
		}
		if err != nil {
			return buffer, err
		}
		if len(buffer) > bodyLimit {
			return buffer, http.ErrContentLength
		}
	}
}

func main() {
	listen := flag.String("listen", "", "host:port")
	service := flag.String("service", "", "address of the service")
	flag.Parse()
	client, err := grpc.NewClient(*service, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		log.Fatal(err)
	}
	h := &handler{calls: peerpb.NewCallHistoryClient(client)}
	h.buffers.New = func() any {
		buffer := make([]byte, 0, 2*bodyLimit)
		return &buffer
	}
	log.Fatal(http.ListenAndServe(*listen, h))
}
