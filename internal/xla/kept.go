package xla

import (
	"runtime"
	"unsafe"

	"unnas/internal/cpuexec"
	"unnas/internal/ir"
	"unnas/internal/pjrt"
	"unnas/internal/stablehlo"
)

// A vector is memory of the host of which devices keep a copy.
type vector struct {
	host  []float32
	copy  *held // on each device; without buffers if there is none, or an old one
	ahead bool  // the copy is newer than the host
}

// held is a buffer on the device of each replica. They are freed with their owner, which a
// program may drop.
type held struct{ buffers []*pjrt.Buffer }

func hold[T any](owner *T, buffers ...*pjrt.Buffer) *held {
	h := &held{buffers}
	runtime.AddCleanup(owner, (*held).drop, h)
	return h
}

// drop frees the buffers.
func (h *held) drop() {
	for _, b := range h.buffers {
		b.Close()
	}
	h.buffers = nil
}

// place returns where in the vector some memory is.
func (v *vector) place(memory []float32) (at int, ok bool) {
	if len(memory) == 0 {
		return 0, false
	}
	first, x := uintptr(unsafe.Pointer(&v.host[0])), uintptr(unsafe.Pointer(&memory[0]))
	return int(x-first) / 4, x >= first && x+4*uintptr(len(memory)) <= first+4*uintptr(len(v.host))
}

// fetch copies the newest values to the host.
func (d *Device) fetch(v *vector) error {
	if !v.ahead {
		return nil
	}
	v.ahead = false
	d.down += 4 * int64(len(v.host))
	return pjrt.ToHost(v.copy.buffers[0], v.host)
}

// Keep keeps vectors on the devices from run to run: what programs read and write in their
// memory does not travel. The host calls Host before it reads or writes there.
func (d *Device) Keep(memory ...[]float32) {
	for _, m := range memory {
		if v, _ := d.find(m); v == nil && len(m) > 0 {
			v = &vector{host: m}
			v.copy = hold(v)
			d.kept = append(d.kept, v)
		}
	}
}

// find returns the vector that has some memory, and where; nil if none has.
func (d *Device) find(memory []float32) (v *vector, at int) {
	if d == nil {
		return nil, 0
	}
	for _, v := range d.kept {
		if at, ok := v.place(memory); ok {
			return v, at
		}
	}
	return nil, 0
}

// Host hands vectors that are kept to the host, those that have some memory, or all: their
// memory has the newest values, which the host may change, and the next run takes them
// from there.
func (d *Device) Host(memory ...[]float32) error {
	if d == nil {
		return nil
	}
	list := d.kept
	if memory != nil {
		list = nil
		for _, m := range memory {
			if v, _ := d.find(m); v != nil {
				list = append(list, v)
			}
		}
	}
	for _, v := range list {
		if err := d.fetch(v); err != nil {
			return err
		}
		v.copy.drop()
	}
	return nil
}

// KeptBytes returns the memory of each device that vectors take.
func (d *Device) KeptBytes() (bytes int64) {
	for _, v := range d.kept {
		bytes += 4 * int64(len(v.host))
	}
	return bytes
}

// Moved returns the numbers of bytes that have gone to the device and come from it.
func (d *Device) Moved() (up, down int64) { return d.up, d.down }

// A route is a program that makes vectors of the elements of a joint one: of vectors that
// are kept, and of one that is not. It may make the kept vectors anew, in their memory.
type route struct {
	from    []*vector
	exec    *pjrt.Executable
	indices []*held // of elements that are gathered
}

// fewRuns is the most ranges of elements of which a route makes a vector by slices; it
// gathers the elements of more.
const fewRuns = 32

// runs returns the ranges of consecutive elements that an index names.
func runs(index []int32) (ranges [][2]int) {
	for _, at := range index {
		if k := len(ranges) - 1; k >= 0 && ranges[k][1] == int(at) {
			ranges[k][1]++
		} else {
			ranges = append(ranges, [2]int{int(at), int(at) + 1})
		}
	}
	return ranges
}

// route compiles a route. rest is the length of the vector that is not kept, 0 for none. If
// it renews the kept vectors, these are the first that it makes.
func (d *Device) route(from []*vector, renews bool, rest int, indices ...[]int32) (*route, error) {
	b, r := stablehlo.New(), &route{from: from}
	var operands, results []value
	donated := map[int]int{}
	for i, v := range from {
		operands = append(operands, b.Arg(stablehlo.F32, len(v.host)))
		if renews {
			donated[i] = i
		}
	}
	if rest > 0 {
		operands = append(operands, b.Arg(stablehlo.F32, rest))
	}
	all := b.Concat(0, operands...)
	for _, index := range indices {
		if ranges := runs(index); len(ranges) <= fewRuns {
			var parts []value
			for _, r := range ranges {
				parts = append(parts, b.Range(all, 0, r[0], r[1]))
			}
			results = append(results, b.Concat(0, parts...))
			continue
		}
		h := hold(r)
		r.indices = append(r.indices, h)
		for _, number := range d.devices() {
			buffer, err := pjrt.ToDevice(d.Client, number, index, len(index))
			if err != nil {
				return nil, err
			}
			h.buffers = append(h.buffers, buffer)
		}
		results = append(results, b.Gather(all, b.Arg(stablehlo.I32, len(index))))
	}
	var err error
	if r.exec, err = compile(d.Client, b.Text("route", nil, donated, results...), d.compileOptions(d.Client), d.Cache); err != nil {
		return nil, err
	}
	runtime.AddCleanup(r, (*pjrt.Executable).Close, r.exec)
	return r, nil
}

// start starts a route. rest has the vector that is not kept of each replica; nil for none.
func (r *route) start(s *stream, rest []*pjrt.Buffer) ([][]*pjrt.Buffer, error) {
	args := make([][]*pjrt.Buffer, len(s.plan.devices))
	for _, v := range r.from {
		if v.copy.buffers == nil {
			for _, device := range s.plan.devices {
				b, err := s.up(device, cpuexec.Array{F: v.host})
				if err != nil {
					v.copy.drop()
					return nil, err
				}
				v.copy.buffers = append(v.copy.buffers, s.release(b))
			}
		}
	}
	for k := range args {
		for _, v := range r.from {
			args[k] = append(args[k], v.copy.buffers[k])
		}
		if rest != nil {
			args[k] = append(args[k], rest[k])
		}
		for _, index := range r.indices {
			args[k] = append(args[k], index.buffers[k])
		}
	}
	return s.start(r.exec, args)
}

// A layout says where elements are in the joint vector of a route.
type layout struct {
	vectors []*vector
	starts  map[*vector]int
	size    int // of the vectors; those of the one that is not kept follow
}

// add adds a vector, once.
func (l *layout) add(v *vector) {
	if l.starts == nil {
		l.starts = map[*vector]int{}
	}
	if _, ok := l.starts[v]; !ok {
		l.vectors, l.starts[v] = append(l.vectors, v), l.size
		l.size += len(v.host)
	}
}

// count writes consecutive numbers.
func count(to []int32, from int) {
	for i := range to {
		to[i] = int32(from + i)
	}
}

// source is where an input of a program is kept.
type source struct {
	vector *vector // nil if it is not kept
	at     int
}

// arrange finds the inputs that are kept now, and where the others go in the memory from
// which they go up.
func (e *Executable) arrange() error {
	same := e.sources != nil
	sources := make([]source, len(e.now))
	for i, s := range e.plan.inputs {
		if s.at >= 0 && s.value.Type == ir.Float32 {
			sources[i].vector, sources[i].at = e.plan.on.find(e.now[i].F)
		}
		same = same && sources[i] == e.sources[i]
	}
	if same {
		return nil
	}
	var l layout
	for _, s := range sources {
		if s.vector != nil {
			l.add(s.vector)
		}
	}
	index := make([]int32, e.plan.floats)
	e.places = make([]int, len(sources))
	rest := 0
	for i, s := range e.plan.inputs {
		if e.places[i] = s.at; s.at < 0 || s.value.Type != ir.Float32 {
			continue
		}
		n := s.value.Shape.Size()
		if from := sources[i]; from.vector != nil {
			count(index[s.at:s.at+n], l.starts[from.vector]+from.at)
		} else if l.vectors != nil {
			e.places[i] = rest
			count(index[s.at:s.at+n], l.size+rest)
			rest += n
		}
	}
	e.sources, e.assembly, e.takes = sources, nil, [2]*take{}
	if l.vectors == nil {
		rest = e.plan.floats
	}
	for _, r := range e.replicas {
		r.floats = make([]float32, rest)
	}
	if l.vectors == nil {
		return nil
	}
	var err error
	e.assembly, err = e.plan.on.route(l.vectors, false, rest, index)
	return err
}

// A take puts results of a program into vectors that are kept; the others go to the host.
type take struct {
	route *route
	to    []*vector
	spans []span // of the results that go to the host
	host  []float32
}

// take returns the take of the run under way, nil if nothing is kept.
func (e *Executable) take() (*take, error) {
	number := 0
	if e.update {
		number = 1
	}
	if t := e.takes[number]; t != nil || e.plan.on == nil {
		return t, nil
	}
	type part struct {
		span
		source
	}
	var parts []part
	t := &take{}
	add := func(v *ir.Value, memory []float32) {
		s := span{v, e.plan.places[v]}
		if to, at := e.plan.on.find(memory); to != nil {
			parts = append(parts, part{s, source{to, at}})
		} else {
			t.spans = append(t.spans, s)
		}
	}
	for i, v := range e.plan.program.Results {
		if v.Source != ir.External {
			add(v, e.results[i].copy)
		}
	}
	if e.update {
		for _, s := range e.states {
			add(s.out, e.now[s.in].F)
		}
	}
	if parts == nil {
		return nil, nil
	}
	var l layout
	for _, p := range parts {
		l.add(p.vector)
	}
	indices := make([][]int32, len(l.vectors), len(l.vectors)+1)
	of := map[*vector][]int32{}
	for i, v := range l.vectors {
		indices[i] = make([]int32, len(v.host))
		count(indices[i], l.starts[v])
		of[v] = indices[i]
	}
	for _, p := range parts {
		count(of[p.vector][p.source.at:][:p.value.Shape.Size()], l.size+p.span.at)
	}
	var others []int32
	for _, s := range t.spans {
		n := len(others)
		others = append(others, make([]int32, s.value.Shape.Size())...)
		count(others[n:], l.size+s.at)
	}
	if t.to, t.host = l.vectors, make([]float32, len(others)); others != nil {
		indices = append(indices, others)
	}
	var err error
	if t.route, err = e.plan.on.route(l.vectors, true, e.plan.size, indices...); err != nil {
		return nil, err
	}
	e.takes[number] = t
	return t, nil
}

// run starts a take of what the replicas have computed, and waits for it.
func (t *take) run(s *stream, computed []*pjrt.Buffer, replicas []*replica) error {
	made, err := t.route.start(s, computed)
	if err != nil {
		return err
	}
	for k, r := range replicas {
		if len(t.host) == 0 {
			break
		}
		if err := s.down(made[k][len(t.to)], t.host); err != nil {
			return err
		}
		rest := t.host
		for _, p := range t.spans {
			n := copy(r.out[p.at:p.at+p.value.Shape.Size()], rest)
			rest = rest[n:]
		}
	}
	if err := s.wait(); err != nil {
		return err
	}
	for i, v := range t.to {
		v.copy.drop()
		for k := range replicas {
			v.copy.buffers = append(v.copy.buffers, s.release(made[k][i]))
		}
		v.ahead = true
	}
	return nil
}
