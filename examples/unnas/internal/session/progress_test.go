package session_test

import (
	"bytes"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"unnas/examples/unnas/internal/session"
)

// TestProgress prints nothing in the first two seconds, and then now and again.
func TestProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		p := session.NewProgress(&out, "listing", "classes")
		for done := range 16 {
			p.Update(done, 21)
			time.Sleep(time.Second)
		}
		p.Close()
		assert.Equal(t, "listing  2/21    19 s left      1 classes/s\nlisting 12/21     9 s left      1 classes/s\n", out.String())
	})
}

// broken is an output that fails.
type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("closed") }

func TestProgressOfABrokenOutput(t *testing.T) {
	synctest.Test(t, func(*testing.T) {
		p := session.NewProgress(broken{}, "listing", "classes")
		time.Sleep(3 * time.Second)
		p.Update(1, 2)
		p.Close()
	})
}
