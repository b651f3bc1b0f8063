package mpi

import (
	"encoding/binary"
	"math"
	"math/bits"
	"os"
	"runtime"
)

// A mask is a set of up to 1024 cores of a host.
type mask [16]uint64

func (m mask) count() int {
	n := 0
	for _, w := range m {
		n += bits.OnesCount64(w)
	}
	return n
}

func (m mask) overlaps(o mask) bool {
	for i := range m {
		if m[i]&o[i] != 0 {
			return true
		}
	}
	return false
}

// firstCores returns the mask of cores 0 to n-1.
func firstCores(n int) (m mask) {
	for i := range min(n, 64*len(m)) {
		m[i/64] |= 1 << (i % 64)
	}
	return m
}

// A place is where a rank runs.
type place struct {
	host  string
	cores mask
}

// hostBytes is the length of a host's name at which it is cut.
const hostBytes = 256

// placeFloats is the length of an encoded place.
const placeFloats = (hostBytes + 8*len(mask{})) / 4

// encode returns a place as values that a Comm carries.
func (p place) encode() []float32 {
	data := make([]byte, 4*placeFloats)
	copy(data[:hostBytes], p.host)
	for i, w := range p.cores {
		binary.LittleEndian.PutUint64(data[hostBytes+8*i:], w)
	}
	floats := make([]float32, placeFloats)
	for i := range floats {
		floats[i] = math.Float32frombits(binary.LittleEndian.Uint32(data[4*i:]))
	}
	return floats
}

// decode is the inverse of encode. Names keep the zeros after them.
func decode(floats []float32) (p place) {
	data := make([]byte, 0, 4*placeFloats)
	for _, f := range floats {
		data = binary.LittleEndian.AppendUint32(data, math.Float32bits(f))
	}
	p.host = string(data[:hostBytes])
	for i := range p.cores {
		p.cores[i] = binary.LittleEndian.Uint64(data[hostBytes+8*i:])
	}
	return p
}

// share returns how many cores a rank uses: its part of those in its mask. If procs is lower
// than their number, it is the quota of the control group that all ranks of the host are in.
func share(places []place, rank, procs int) int {
	own := places[rank]
	ranks, rivals := 0, 0 // on the host, and for its cores, with the rank itself
	for i, p := range places {
		if p.host != own.host {
			continue
		}
		ranks++
		if i == rank || p.cores.overlaps(own.cores) {
			rivals++
		}
	}
	n := own.cores.count()
	cores := n / rivals
	if procs < n {
		cores = min(cores, procs/ranks)
	}
	return max(1, cores)
}

// settle sets GOMAXPROCS, as ranks of one host share its cores.
func (c *Comm) settle() error {
	if c.library == nil {
		return nil
	}
	all := make([]float32, c.size*placeFloats)
	if err := c.AllGather(all, place{c.host, affinity()}.encode()); err != nil {
		return err
	}
	places := make([]place, c.size)
	for i := range places {
		places[i] = decode(all[i*placeFloats : (i+1)*placeFloats])
	}
	cores := share(places, c.rank, runtime.GOMAXPROCS(0))
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(cores)
	}
	return nil
}
