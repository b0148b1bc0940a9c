// tls_peer: HTTP over crypto/tls, both ends, for Go 1.15 and later.
//
//	tls_peer serve ADDRESS CERTIFICATE KEY LOG   net/http: HTTP/1.1 and HTTP/2
//	tls_peer raw ADDRESS CERTIFICATE KEY LOG     Conn.Read into the stack, which grows meanwhile
//	tls_peer ask URL COUNT WORKERS PROTOCOL SECRET FIRST   numbered requests
//
// Servers log one number a request, and press on the garbage collector all the time.
package main

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"io/ioutil"
	"log"
	"net/http"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

var kept [64][]byte

func press() {
	for i := 0; ; i++ {
		kept[i%len(kept)] = make([]byte, 32<<10)
		if i%8 == 0 {
			time.Sleep(time.Millisecond)
		}
	}
}

//go:noinline
func deep(depth int, then func()) byte {
	var frame [256]byte
	frame[depth%len(frame)] = byte(depth)
	if depth == 0 {
		then()
		return frame[0]
	}
	return deep(depth-1, then) + frame[depth%len(frame)]
}

type numbers struct {
	sync.Mutex
	file *bufio.Writer
}

func (n *numbers) add(number string) {
	n.Lock()
	fmt.Fprintln(n.file, number)
	check(n.file.Flush())
	n.Unlock()
}

func openLog(path string) *numbers {
	file, err := os.Create(path)
	check(err)
	return &numbers{file: bufio.NewWriter(file)}
}

func serve(address, certificate, key, path string) {
	requests := openLog(path)
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		number := r.URL.Query().Get("n")
		requests.add(number)
		io.Copy(ioutil.Discard, r.Body)
		w.Header().Set("X-Number", number)
		w.Header().Set("Set-Cookie", "session="+r.Header.Get("X-Api-Key")+"; Path=/")
		size, _ := strconv.Atoi(number)
		deep(size%200, func() { w.Write(bytes.Repeat([]byte("b"), size%3000)) })
	})
	server := &http.Server{Addr: address, Handler: handler,
		ErrorLog: log.New(ioutil.Discard, "", 0)}
	check(server.ListenAndServeTLS(certificate, key))
}

func answer(connection *tls.Conn, requests *numbers, depth int) {
	deep(depth, func() {
		var buffer [8192]byte
		filled := 0
		for {
			n, err := connection.Read(buffer[filled:])
			if err != nil {
				return
			}
			filled += n
			end := bytes.Index(buffer[:filled], []byte("\r\n\r\n"))
			if end < 0 {
				continue
			}
			head := string(buffer[:end])
			number := head[strings.Index(head, "n=")+2 : strings.Index(head, " HTTP/")]
			requests.add(number)
			filled = copy(buffer[:], buffer[end+4:filled])
			connection.Write([]byte("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Number: " + number +
				"\r\n\r\nok"))
		}
	})
	connection.Close()
}

func raw(address, certificate, key, path string) {
	pair, err := tls.LoadX509KeyPair(certificate, key)
	check(err)
	listener, err := tls.Listen("tcp", address, &tls.Config{Certificates: []tls.Certificate{pair}})
	check(err)
	requests := openLog(path)
	for depth := 0; ; depth++ {
		connection, err := listener.Accept()
		check(err)
		go answer(connection.(*tls.Conn), requests, depth%40)
	}
}

func ask(url string, count, workers int, protocol, secret string, first int) {
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
		ForceAttemptHTTP2: protocol == "2", MaxIdleConnsPerHost: workers}
	client := &http.Client{Transport: transport}
	var next, failed int64
	var group sync.WaitGroup
	for worker := 0; worker < workers; worker++ {
		group.Add(1)
		go func() {
			defer group.Done()
			for {
				number := atomic.AddInt64(&next, 1)
				if number > int64(count) {
					return
				}
				target := fmt.Sprintf("%s?n=%d", url, number+int64(first))
				request, err := http.NewRequest("GET", target, nil)
				check(err)
				request.Header.Set("X-Api-Key", secret)
				response, err := client.Do(request)
				if err != nil {
					atomic.AddInt64(&failed, 1)
					continue
				}
				io.Copy(ioutil.Discard, response.Body)
				response.Body.Close()
			}
		}()
	}
	group.Wait()
	fmt.Println("failed", failed)
}

func number(text string) int {
	value, err := strconv.Atoi(text)
	check(err)
	return value
}

func main() {
	debug.SetGCPercent(20)
	go press()
	a := os.Args
	switch {
	case len(a) == 6 && a[1] == "serve":
		serve(a[2], a[3], a[4], a[5])
	case len(a) == 6 && a[1] == "raw":
		raw(a[2], a[3], a[4], a[5])
	case len(a) == 8 && a[1] == "ask":
		ask(a[2], number(a[3]), number(a[4]), a[5], a[6], number(a[7]))
	default:
		fmt.Fprintln(os.Stderr, "usage: see the first lines of the source")
		os.Exit(2)
	}
}
