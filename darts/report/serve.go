package report

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"
)

const (
	interval = time.Second      // shortest time between renderings
	patience = 10 * time.Second // timeout of requests and writes
	farewell = 5 * time.Second  // time for browsers to read the last update
	idle     = time.Minute      // timeout of idle connections
)

// Serve serves the page until Close, and returns its URL. An address without a host,
// such as ":6060", is reachable from this machine only; one with a host, such as
// "0.0.0.0:6060", from everywhere that can reach the host. Port 0 selects a free port.
//
// Serve answers requests for an IP address, for localhost, for the host of the address,
// and, if the address is unspecified, for the name of the machine. It refuses others,
// which may come from another site by DNS rebinding.
func (r *Report) Serve(address string) (url string, err error) {
	r.serving.Lock()
	defer r.serving.Unlock()
	if r.server != nil {
		return "", errors.New("report: the page is already served")
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return "", fmt.Errorf("report: %w; want a port such as :6060, or a host and a port", err)
	}
	if host == "" {
		host = "127.0.0.1"
	}
	l, err := net.Listen("tcp", net.JoinHostPort(host, port))
	if err != nil {
		return "", fmt.Errorf("report: %w; choose another port, or :0 for a free one", err)
	}
	server, served := &http.Server{
		Handler:           guard(r, hosts(host)),
		ReadHeaderTimeout: r.patience,
		WriteTimeout:      r.patience,
		IdleTimeout:       idle,
	}, make(chan error, 1)
	r.server, r.served = server, served
	go func() { served <- server.Serve(l) }()
	return "http://" + l.Addr().String() + "/", nil
}

// hosts returns the names of a server at a host.
func hosts(host string) []string {
	names := []string{host}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		if name, err := os.Hostname(); err == nil {
			names = append(names, name)
		}
	}
	return names
}

// guard refuses requests for hosts other than names.
func guard(h http.Handler, names []string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		host := q.Host
		if name, _, err := net.SplitHostPort(host); err == nil {
			host = name
		}
		host = strings.TrimSuffix(strings.ToLower(strings.Trim(host, "[]")), ".")
		_, err := netip.ParseAddr(host)
		is := func(name string) bool { return strings.EqualFold(strings.TrimSuffix(name, "."), host) }
		if err != nil && host != "localhost" && !strings.HasSuffix(host, ".localhost") && !slices.ContainsFunc(names, is) {
			http.Error(w, fmt.Sprintf("the page is not served at host %q; use the IP address of the machine, or serve it at this host", host), http.StatusForbidden)
			return
		}
		h.ServeHTTP(w, q)
	})
}

// stop stops the server of Serve, once browsers know that the run has ended.
func (r *Report) stop() error {
	r.serving.Lock()
	defer r.serving.Unlock()
	if r.server == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), r.farewell)
	defer cancel()
	if r.server.Shutdown(ctx) != nil { // some connections are still open
		_ = r.server.Close()
	}
	err := <-r.served
	r.server = nil
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("report: %w", err)
}

// ServeHTTP answers GET / with the page, and GET /events with server-sent events that
// update it: at most one per second, with the sections that may have changed, until the
// run has ended. All browsers share one rendering, at most a second old.
func (r *Report) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	h := w.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	if q.ContentLength != 0 { // the server reads the body of the request
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(r.patience))
	}
	switch {
	case q.URL.Path != "/" && q.URL.Path != "/events":
		http.NotFound(w, q)
	case q.Method != http.MethodGet && q.Method != http.MethodHead:
		h.Set("Allow", "GET, HEAD")
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
	case q.URL.Path == "/":
		page, err := r.look("page", &r.page)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		h.Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write(page.text) // fails if the browser has disconnected
	default:
		h.Set("Content-Type", "text/event-stream")
		if q.Method == http.MethodGet {
			r.stream(w, q.Context())
		}
	}
}

// stream sends updates until the run has ended or the browser has disconnected.
func (r *Report) stream(w http.ResponseWriter, ctx context.Context) {
	c := http.NewResponseController(w)
	for {
		update, err := r.look("sections", &r.update)
		if err != nil {
			return
		}
		message := eventStream(update)
		_ = c.SetWriteDeadline(time.Now().Add(r.patience)) // without deadlines the context ends the stream
		if _, err := w.Write(message); err != nil {
			return
		}
		if err := c.Flush(); err != nil || update.last {
			return
		}
		if !wait(ctx, time.After(time.Until(update.at.Add(r.interval)))) || !wait(ctx, update.changed) {
			return
		}
	}
}

// eventStream returns an update in the event stream format.
func eventStream(update rendered) []byte {
	var message bytes.Buffer
	for line := range bytes.Lines(update.text) {
		fmt.Fprintf(&message, "data: %s\n", bytes.TrimRight(line, "\r\n"))
	}
	message.WriteByte('\n')
	if update.last {
		message.WriteString("event: end\ndata: end\n\n")
	}
	return message.Bytes()
}

// rendered is a part of the page.
type rendered struct {
	text    []byte
	at      time.Time
	last    bool            // no update follows
	changed <-chan struct{} // closed when the run changes
}

// look returns a part of the page, at most an interval old. kept caches it until the
// run changes.
func (r *Report) look(part string, kept *rendered) (rendered, error) {
	r.rendering.Lock()
	defer r.rendering.Unlock()
	fresh := false
	if kept.changed != nil {
		select {
		case <-kept.changed:
			fresh = time.Since(kept.at) < r.interval
		default:
			fresh = true
		}
	}
	if !fresh {
		s, changed := r.state()
		var b bytes.Buffer
		if err := s.render(&b, part, true); err != nil {
			return rendered{}, err
		}
		*kept = rendered{b.Bytes(), time.Now(), s.closed, changed}
	}
	return *kept, nil
}

// wait waits for news, and reports whether it came before the context was done.
func wait[T any](ctx context.Context, news <-chan T) bool {
	select {
	case <-ctx.Done():
		return false
	case <-news:
		return true
	}
}
