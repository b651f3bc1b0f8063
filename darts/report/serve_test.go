package report_test

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	stdhtml "html"
	"io"
	"net"
	"net/http"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"unnas/darts/report"
	"unnas/pretext"
)

// serve serves a report until the test ends, and returns the address for dialling.
func serve(t *testing.T, r *report.Report, address string) string {
	t.Helper()
	url, err := r.Serve(address)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, r.Close()) })
	return strings.TrimSuffix(strings.TrimPrefix(url, "http://"), "/")
}

// ask sends a request as it is, and returns the status.
func ask(t *testing.T, address, request string) int {
	t.Helper()
	c, err := net.Dial("tcp", address)
	require.NoError(t, err)
	defer c.Close()
	require.NoError(t, c.SetDeadline(time.Now().Add(10*time.Second)))
	_, err = io.WriteString(c, request)
	require.NoError(t, err)
	a, err := http.ReadResponse(bufio.NewReader(c), nil)
	require.NoError(t, err)
	_ = a.Body.Close() // the connection goes with it
	return a.StatusCode
}

// TestServesItsOwnNamesOnly: a name that another site's page was loaded from, and
// that then leads here, does not open the page.
func TestServesItsOwnNamesOnly(t *testing.T) {
	machine, err := os.Hostname()
	require.NoError(t, err)
	own, everywhere, named := report.New(""), report.New(""), report.New("")
	for name, c := range map[string]struct {
		address string
		yes, no []string
	}{
		"this machine alone": {serve(t, own, ":0"), []string{"127.0.0.1", "127.0.0.1:6060", "[::1]:6060", "::1", "localhost", "LOCALHOST:1", "localhost.", "run.localhost", "192.0.2.7"},
			[]string{"attacker.example", "attacker.example:6060", "localhost.attacker.example", "127.0.0.1.attacker.example", "notlocalhost", "", "[attacker.example]"}},
		"all of it": {serve(t, everywhere, "0.0.0.0:0"), []string{"127.0.0.1", "localhost", "0.0.0.0", strings.ToUpper(machine) + ":80"}, []string{"attacker.example", machine + ".attacker.example"}},
		"a name":    {serve(t, named, "localhost:0"), []string{"localhost", "127.0.0.1"}, []string{"attacker.example"}},
	} {
		for _, path := range []string{"/", "/events"} {
			for _, host := range c.yes {
				assert.Equal(t, 200, ask(t, c.address, "HEAD "+path+" HTTP/1.1\r\nHost: "+host+"\r\n\r\n"), "%s: %s at %s", name, path, host)
			}
			for _, host := range c.no {
				assert.Equal(t, http.StatusForbidden, ask(t, c.address, "GET "+path+" HTTP/1.1\r\nHost: "+host+"\r\n\r\n"), "%s: %s at %s", name, path, host)
			}
		}
	}
	assert.Equal(t, http.StatusForbidden, ask(t, serve(t, report.New(""), ":0"), "GET / HTTP/1.0\r\n\r\n"), "no name")
}

// TestPolicy: browsers run the page's own script, by its hash, and no other.
func TestPolicy(t *testing.T) {
	r := report.New("")
	a, err := http.Get("http://" + serve(t, r, ":0") + "/")
	require.NoError(t, err)
	page, err := io.ReadAll(a.Body)
	require.NoError(t, errors.Join(err, a.Body.Close()))
	script := regexp.MustCompile(`(?s)<script>(.*)</script>`).FindSubmatch(page)
	require.NotNil(t, script)
	policy := regexp.MustCompile(`Content-Security-Policy" content="([^"]*)"`).FindSubmatch(page)
	require.NotNil(t, policy)
	sum := sha256.Sum256(script[1])
	assert.Contains(t, stdhtml.UnescapeString(string(policy[1])), "script-src 'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+"';")
	assert.NotContains(t, string(policy[1]), "script-src 'unsafe-inline'")
	assert.NotContains(t, html(t, r), "script-src", "a page without script allows none")
}

// filled returns a report with a large page.
func filled(t *testing.T) *report.Report {
	r := report.New("")
	s := start()
	s.Epochs = 60
	feed(t, r, s)
	for n := range s.Epochs {
		feed(t, r, step(n+1, 1), step(n+1, 2), epoch(n+1))
	}
	return r
}

// TestDeafBrowsers: who asks and does not read, or does not end what it asks, is
// left.
func TestDeafBrowsers(t *testing.T) {
	const ask, host = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", " HTTP/1.1\r\nHost: localhost\r\n"
	for name, c := range map[string]struct{ first, more string }{
		"page":                  {ask, strings.Repeat(ask, 100)},
		"stream":                {"GET /events" + host + "\r\n", "x"},
		"slow line":             {"GET /", "x"},
		"slow body":             {"POST /" + host + "Content-Length: 200000\r\n\r\n", "x"},
		"slow body of a stream": {"GET /events" + host + "Transfer-Encoding: chunked\r\n\r\n", "1\r\nx\r\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := filled(t)
			r.SetTimes(0, 100*time.Millisecond, time.Second)
			conn, err := net.Dial("tcp", serve(t, r, ":0"))
			require.NoError(t, err)
			defer conn.Close()
			require.NoError(t, conn.(*net.TCPConn).SetReadBuffer(4096))
			_, err = io.WriteString(conn, c.first)
			for end := time.Now().Add(10 * time.Second); err == nil || errors.Is(err, os.ErrDeadlineExceeded); time.Sleep(5 * time.Millisecond) {
				require.True(t, time.Now().Before(end), "the server holds on")
				if name == "stream" {
					feed(t, r, step(60, 3))
				}
				require.NoError(t, conn.SetWriteDeadline(time.Now().Add(10*time.Millisecond)))
				_, err = io.WriteString(conn, c.more)
			}
		})
	}
}

// TestStreamOutlastsPatience: one who reads is kept, however long nothing happens.
func TestStreamOutlastsPatience(t *testing.T) {
	t.Parallel()
	const patience = 300 * time.Millisecond // in which a busy machine connects
	r := report.New("")
	r.SetTimes(0, patience, time.Second)
	s := follow(t.Context(), t, "http://"+serve(t, r, ":0")+"/")
	s.next(t)
	time.Sleep(patience * 3 / 2)
	feed(t, r, start())
	_, data := s.next(t)
	assert.Contains(t, data, "running")
}

// TestOneRendering gives many browsers what was made once.
func TestOneRendering(t *testing.T) {
	r := filled(t)
	r.SetTimes(time.Hour, 10*time.Second, 10*time.Millisecond)
	address := serve(t, r, ":0")
	get := func() string {
		a, err := http.Get("http://" + address + "/")
		require.NoError(t, err)
		page, err := io.ReadAll(a.Body)
		require.NoError(t, errors.Join(err, a.Body.Close()))
		return string(page)
	}
	first := get()
	streams := make([]string, 8)
	for i := range streams {
		_, streams[i] = follow(t.Context(), t, "http://"+address+"/").next(t)
		feed(t, r, step(60, i)) // news, but of the same second
	}
	assert.Equal(t, first, get())
	for _, s := range streams {
		assert.Equal(t, streams[0], s)
	}
}

// TestManyAtOnce calls all methods at a time.
func TestManyAtOnce(t *testing.T) {
	r := report.New(t.TempDir())
	r.SetTimes(time.Millisecond, time.Second, 20*time.Millisecond)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for n := range 3 {
				r.SetSamples(t.Context(), broken{}, pretext.JigsawCIFAR10())
				assert.NoError(t, errors.Join(r.Record(start()), r.Record(step(1, n)), r.Record(epoch(1)), r.WriteHTML(io.Discard)))
				url, err := r.Serve(":0")
				if err == nil {
					ctx, leave := context.WithTimeout(t.Context(), 20*time.Millisecond)
					defer leave()
					q, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"events", nil)
					if !assert.NoError(t, err) {
						return
					}
					if a, err := http.DefaultClient.Do(q); err == nil { // another may have closed it
						_, _ = io.Copy(io.Discard, a.Body)
						_ = a.Body.Close()
					}
				}
				assert.NoError(t, r.Close())
			}
		})
	}
	all.Wait()
	assert.NoError(t, r.Close())
}

// hostile is a source, and a task, that panics.
type hostile struct {
	pretext.Rotation
	load bool
}

func (h hostile) Len() int { return 3 }
func (h hostile) Load(context.Context, int) (*pretext.Image, error) {
	if h.load {
		panic("a bug of the source")
	}
	return &pretext.Image{Width: 40, Height: 40, Pix: make([]uint8, 40*40*3)}, nil
}

func (h hostile) ClassName(int32) string { panic("a bug of the task") }

// TestPanicsOfSamples do not end the run: they are the page's alone.
func TestPanicsOfSamples(t *testing.T) {
	for _, h := range []hostile{{load: true}, {}} {
		h.Rotation = pretext.Rotation{Transform: pretext.ScenesTransform(32)}
		r := report.New("")
		r.SetSamples(t.Context(), h, h)
		feed(t, r, start())
		assert.Contains(t, html(t, r), "no sample of image", fmt.Sprint(h.load))
		r.SetSamples(t.Context(), nil, h)
		r.SetSamples(t.Context(), h, nil)
		feed(t, r, start())
		assert.NotContains(t, html(t, r), "no sample of image", "nil shows nothing")
	}
}
