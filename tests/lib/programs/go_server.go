// Go net/http server of the live tests: /bytes/N gives N bytes; above 512 chunked with a trailer.
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
)

func main() {
	address, port, logPath := os.Args[1], os.Args[2], os.Args[3]
	log, err := os.OpenFile(logPath, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		panic(err)
	}
	handler := func(writer http.ResponseWriter, request *http.Request) {
		io.Copy(io.Discard, request.Body)
		sequence := request.Header.Get("X-Seq")
		if sequence == "" {
			sequence = "-"
		}
		size, _ := strconv.Atoi(strings.TrimPrefix(request.URL.Path, "/bytes/"))
		header := writer.Header()
		header.Set("X-Seq", sequence)
		header["X-Repeated"] = []string{"one", "two"}
		if size > 512 {
			header.Set("Trailer", "X-Checked")
			header.Set("X-Checked", strconv.Itoa(size))
		}
		writer.Write(bytes.Repeat([]byte("x"), size))
		_, remotePort, _ := net.SplitHostPort(request.RemoteAddr)
		fmt.Fprintf(log, "%s %s 200 %d\n", sequence, remotePort, os.Getpid())
	}
	listener, err := net.Listen("tcp", net.JoinHostPort(address, port))
	if err != nil {
		panic(err)
	}
	panic(http.Serve(listener, http.HandlerFunc(handler)))
}
