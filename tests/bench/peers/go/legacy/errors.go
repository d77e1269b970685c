package legacy

import (
	"net/http"
	"strconv"

	"google.golang.org/grpc/codes"
)

// Path is where lists and counts are served.
const Path = "/api/crm/historycall/getAll"

// HTTPStatus maps a gRPC status by the contract's table.
func HTTPStatus(code codes.Code) int {
	switch code {
	case codes.InvalidArgument:
		return http.StatusBadRequest
	case codes.Unauthenticated:
		return http.StatusUnauthorized
	case codes.PermissionDenied:
		return http.StatusForbidden
	case codes.NotFound:
		return http.StatusNotFound
	case codes.ResourceExhausted:
		return http.StatusTooManyRequests
	case codes.Unavailable:
		return http.StatusServiceUnavailable
	case codes.DeadlineExceeded:
		return http.StatusGatewayTimeout
	}
	return http.StatusInternalServerError
}

// WriteError answers with the contract's envelope of a failure.
func WriteError(w http.ResponseWriter, status int, message string) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	if status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", "Bearer")
	}
	w.WriteHeader(status)
	code := strconv.Itoa(status)
	w.Write([]byte(`{"status":0,"error":` + code + `,"message":` + strconv.Quote(message) + `}`))
}
