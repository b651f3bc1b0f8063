package kernel

// EdgesForward weighs the rows of w[E·k], the edges of a cell, by the softmax of b
// over each of the groups into which they fall, one after the other: row e of
// y[E·(k+1)] is s·w[e] followed by s itself, with s the share of edge e. share[E]
// receives the shares.
func EdgesForward(w, b []float32, groups []int, k int, share, y []float32) {
	edges := len(b)
	need("w", w, edges*k)
	need("share", share, edges)
	need("y", y, edges*(k+1))
	from := 0
	for _, n := range groups {
		softmax(share[from:from+n], b[from:from+n])
		from += n
	}
	for e, s := range share {
		row := y[e*(k+1):][:k+1]
		for j, v := range w[e*k:][:k] {
			row[j] = s * v
		}
		row[k] = s
	}
}

// EdgesBackward computes gw and gb, the gradients of w and b, from that of the
// output y of EdgesForward; either may be nil.
func EdgesBackward(gy, w, y []float32, groups []int, k int, gw, gb []float32) {
	edges := len(y) / (k + 1)
	need("gy", gy, len(y))
	need("w", w, edges*k)
	needIf("gw", gw, edges*k)
	needIf("gb", gb, edges)
	if gw != nil {
		for e := range edges {
			s := y[e*(k+1)+k]
			for j := range k {
				gw[e*k+j] = s * gy[e*(k+1)+j]
			}
		}
	}
	if gb == nil {
		return
	}
	from := 0
	for _, n := range groups {
		var mean float64 // of the gradients of the shares
		for e := from; e < from+n; e++ {
			g := float64(gy[e*(k+1)+k])
			for j := range k {
				g += float64(float64(gy[e*(k+1)+j]) * float64(w[e*k+j]))
			}
			gb[e] = float32(g)
			mean += float64(float64(y[e*(k+1)+k]) * float64(gb[e])) // exactly gb of an edge that is alone
		}
		for e := from; e < from+n; e++ {
			gb[e] = float32(float64(y[e*(k+1)+k]) * (float64(gb[e]) - mean))
		}
		from += n
	}
}
