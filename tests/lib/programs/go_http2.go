// Go server of the live tests that speaks HTTP/2 in clear, by prior knowledge and by upgrade:
// /bytes/N gives N bytes. Its log has one line for each request: method, path, status, bytes of the
// request's body, bytes of the response's.
package main

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/h2c"
)

func main() {
	address, port, logPath := os.Args[1], os.Args[2], os.Args[3]
	log, err := os.OpenFile(logPath, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		panic(err)
	}
	handler := http.HandlerFunc(func(writer http.ResponseWriter, request *http.Request) {
		received, _ := io.Copy(io.Discard, request.Body)
		size, _ := strconv.Atoi(strings.TrimPrefix(request.URL.Path, "/bytes/"))
		fmt.Fprintf(log, "%s|%s|200|%d|%d\n", request.Method, request.URL.Path, received, size)
		if request.Method != "HEAD" {
			writer.Write(bytes.Repeat([]byte("x"), size))
		}
	})
	listener, err := net.Listen("tcp", net.JoinHostPort(address, port))
	if err != nil {
		panic(err)
	}
	panic(http.Serve(listener, h2c.NewHandler(handler, &http2.Server{})))
}
