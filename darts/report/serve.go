package report

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"
)

const (
	interval = time.Second      // between updates of a page, at least
	patience = 10 * time.Second // with a browser that does not read
	farewell = 5 * time.Second  // that browsers have to read the last update
)

// Serve shows the page to browsers until Close, and returns its address for them.
// An address without a host, such as ":6060", is for this machine alone; one with a
// host, such as "0.0.0.0:6060", is for whoever can reach that. Port 0 takes any
// that is free.
func (r *Report) Serve(address string) (url string, err error) {
	if r.server != nil {
		return "", errors.New("report: the page is served already")
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return "", fmt.Errorf("report: %w; give a port such as :6060, or a host and a port", err)
	}
	if host == "" {
		host = "127.0.0.1"
	}
	l, err := net.Listen("tcp", net.JoinHostPort(host, port))
	if err != nil {
		return "", fmt.Errorf("report: %w; choose another port, or :0 for any that is free", err)
	}
	r.server = &http.Server{Handler: r, ReadHeaderTimeout: patience}
	r.served = make(chan error, 1)
	go func() { r.served <- r.server.Serve(l) }()
	return "http://" + l.Addr().String() + "/", nil
}

// stop ends what Serve began, once the browsers know that the run has ended.
func (r *Report) stop() error {
	if r.server == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), farewell)
	defer cancel()
	if r.server.Shutdown(ctx) != nil { // some do not listen
		_ = r.server.Close()
	}
	err := <-r.served
	r.server = nil
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("report: %w", err)
}

// ServeHTTP answers GET of / with the page, and of /events with server-sent events
// that keep it up to date: at most one a second, each with the sections of the
// page that may have changed, until the run has ended. There is nothing else.
func (r *Report) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	h := w.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	switch {
	case q.URL.Path != "/" && q.URL.Path != "/events":
		http.NotFound(w, q)
	case q.Method != http.MethodGet && q.Method != http.MethodHead:
		h.Set("Allow", "GET, HEAD")
		http.Error(w, "the page can be read, no more", http.StatusMethodNotAllowed)
	case q.URL.Path == "/":
		s, _ := r.look()
		h.Set("Content-Type", "text/html; charset=utf-8")
		_ = s.render(w, "page", true) // fails if the browser has left
	default:
		h.Set("Content-Type", "text/event-stream")
		if q.Method == http.MethodGet {
			r.stream(w, q.Context())
		}
	}
}

// stream sends updates until the run has ended or the browser has left.
func (r *Report) stream(w http.ResponseWriter, ctx context.Context) {
	c := http.NewResponseController(w)
	for {
		s, changed := r.look()
		var page, message bytes.Buffer
		if err := s.render(&page, "sections", true); err != nil {
			return
		}
		for line := range bytes.Lines(page.Bytes()) {
			fmt.Fprintf(&message, "data: %s\n", bytes.TrimRight(line, "\r\n"))
		}
		message.WriteByte('\n')
		if s.closed {
			message.WriteString("event: end\ndata: end\n\n")
		}
		_ = c.SetWriteDeadline(time.Now().Add(patience)) // where that cannot be set, the context ends the stream
		if _, err := w.Write(message.Bytes()); err != nil {
			return
		}
		if err := c.Flush(); err != nil || s.closed {
			return
		}
		if !wait(ctx, time.After(interval)) || !wait(ctx, changed) {
			return
		}
	}
}

// wait waits for news, and reports whether it came before the end of the context.
func wait[T any](ctx context.Context, news <-chan T) bool {
	select {
	case <-ctx.Done():
		return false
	case <-news:
		return true
	}
}
