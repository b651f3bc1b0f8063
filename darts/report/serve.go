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
	interval = time.Second      // between renderings, at least
	patience = 10 * time.Second // with a browser that does not ask or read
	farewell = 5 * time.Second  // that browsers have to read the last update
	idle     = time.Minute      // that a connection is kept without a request
)

// Serve shows the page to browsers until Close, and returns its address for them.
// An address without a host, such as ":6060", is for this machine alone; one with a
// host, such as "0.0.0.0:6060", is for whoever can reach that. Port 0 takes any
// that is free.
//
// Serve answers requests for an IP address, for localhost, for the host of the
// address, and, if that is all of the machine's, for the name of the machine.
// Others are refused: they may come from a page of another site, whose name was
// made to lead here.
func (r *Report) Serve(address string) (url string, err error) {
	r.serving.Lock()
	defer r.serving.Unlock()
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

// hosts returns the names that a server at a host has.
func hosts(host string) []string {
	names := []string{host}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		if name, err := os.Hostname(); err == nil {
			names = append(names, name)
		}
	}
	return names
}

// guard refuses requests for a host that is none of the names.
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
			http.Error(w, fmt.Sprintf("the page is not served at the name %q; open it at the IP address of its machine, or serve it at this name", host), http.StatusForbidden)
			return
		}
		h.ServeHTTP(w, q)
	})
}

// stop ends what Serve began, once the browsers know that the run has ended.
func (r *Report) stop() error {
	r.serving.Lock()
	defer r.serving.Unlock()
	if r.server == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), r.farewell)
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
// page that may have changed, until the run has ended. There is nothing else. All
// browsers get one rendering, which is at most a second old.
func (r *Report) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	h := w.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	if q.ContentLength != 0 { // the server reads it, though nothing else does
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
		_, _ = w.Write(page.text) // fails if the browser has left
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
		update, err := r.look("sections", &r.update)
		if err != nil {
			return
		}
		message := eventStream(update)
		_ = c.SetWriteDeadline(time.Now().Add(r.patience)) // where that cannot be set, the context ends the stream
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

// eventStream returns an update as a browser's EventSource reads it.
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
	last    bool            // nothing will follow
	changed <-chan struct{} // is closed when the run has changed since
}

// look returns a part of the page as it is, or was less than an interval ago. kept
// holds it until the run changes.
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

// wait waits for news, and reports whether it came before the end of the context.
func wait[T any](ctx context.Context, news <-chan T) bool {
	select {
	case <-ctx.Done():
		return false
	case <-news:
		return true
	}
}
