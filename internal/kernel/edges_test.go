package kernel

import (
	"testing"

	"github.com/stretchr/testify/require"

	"unnas/internal/rng"
)

func TestEdges(t *testing.T) {
	for i, s := range []struct {
		groups []int
		k      int
	}{{[]int{1}, 1}, {[]int{2, 3, 4, 5}, 8}, {[]int{3, 1}, 5}} {
		edges := 0
		for _, n := range s.groups {
			edges += n
		}
		r := rng.New(6, "edges", i, 0)
		w, dw := weight(r, edges*s.k)
		b, db := weight(r, edges)
		gy, dgy := weight(r, edges*(s.k+1))
		y, share := Floats(edges*(s.k+1)), Floats(edges)
		EdgesForward(w, b, s.groups, s.k, share, y)

		var wantShare, wantGB []float64
		want, wantGW := make([]float64, len(y)), make([]float64, len(w))
		for _, n := range s.groups {
			from := len(wantShare)
			wantShare = append(wantShare, refSoftmax(db[from:from+n], 1, n)...)
			gShare := make([]float64, n)
			for e := from; e < from+n; e++ {
				for j := range s.k {
					at := e*(s.k+1) + j
					want[at] = wantShare[e] * dw[e*s.k+j]
					wantGW[e*s.k+j] = wantShare[e] * dgy[at]
					gShare[e-from] += dw[e*s.k+j] * dgy[at]
				}
				at := e*(s.k+1) + s.k
				want[at] = wantShare[e]
				gShare[e-from] += dgy[at]
			}
			wantGB = append(wantGB, refSoftmaxBackward(gShare, wantShare[from:], 1, n)...)
		}
		near(t, "y", want, y, 1e-6)
		near(t, "shares", wantShare, share, 1e-6)
		gw, gb := Floats(len(w)), Floats(edges)
		EdgesBackward(gy, w, y, s.groups, s.k, gw, gb)
		near(t, "gw", wantGW, gw, 1e-6)
		near(t, "gb", wantGB, gb, 2e-6)
		again := Floats(edges)
		EdgesBackward(gy, w, y, s.groups, s.k, nil, again)
		require.Equal(t, gb, again)
	}
}
