package pjrt

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"unsafe"
)

// An Element is a type of the elements of buffers.
type Element interface {
	float32 | int32 | uint8 | uint32 | uint64
}

// Types of elements, PJRT_Buffer_Type.
var elements = map[int32]string{1: "i1", 4: "i32", 5: "i64", 6: "ui8", 8: "ui32", 9: "ui64", 11: "f32", 12: "f64", 13: "bf16"}

// elementOf returns the PJRT_Buffer_Type of T.
func elementOf[T Element]() int32 {
	switch any(*new(T)).(type) {
	case int32:
		return 4
	case uint8:
		return 6
	case uint32:
		return 8
	case uint64:
		return 9
	}
	return 11 // float32
}

// A shape is the type of a buffer.
type shape struct {
	element int32
	dims    []int64
}

func (s shape) equal(o shape) bool { return s.element == o.element && slices.Equal(s.dims, o.dims) }

// size returns the number of elements, or less than 0 if a dimension is.
func (s shape) size() int {
	n := 1
	for _, d := range s.dims {
		if d < 0 {
			return -1
		}
		n *= int(d)
	}
	return n
}

// String returns the shape as StableHLO has it.
func (s shape) String() string {
	dims := strings.ReplaceAll(strings.Trim(fmt.Sprint(s.dims), "[]"), " ", "x")
	if dims != "" {
		dims += "x"
	}
	element, ok := elements[s.element]
	if !ok {
		element = fmt.Sprintf("type %d", s.element)
	}
	return "tensor<" + dims + element + ">"
}

// A Buffer is memory of a device. Its elements are in row-major order.
type Buffer struct {
	client *Client
	handle uintptr
	device int // index
	shape  shape
}

// buffer owns the handle.
func (c *Client) buffer(handle uintptr, device int, s shape) *Buffer {
	c.open.Add(1)
	return &Buffer{c, handle, device, s}
}

// Values of PJRT_HostBufferSemantics.
const untilTransferCompletes = 1

// ToDevice copies elements to the device of an index, into a buffer of a shape.
func ToDevice[T Element](c *Client, device int, elements []T, shape ...int) (*Buffer, error) {
	b, wait, err := StartToDevice(c, device, elements, shape...)
	if err != nil {
		return nil, err
	}
	if err := wait(); err != nil {
		b.Close()
		return nil, err
	}
	return b, nil
}

// StartToDevice is [ToDevice], except that it returns before the copy is complete. The buffer
// can be an argument of runs meanwhile. The caller must call wait once, and leave the elements
// as they are until it returns.
func StartToDevice[T Element](c *Client, device int, elements []T, dims ...int) (b *Buffer, wait func() error, err error) {
	if device < 0 || device >= len(c.devices) {
		return nil, nil, fmt.Errorf("pjrt: no device %d, the client has %d", device, len(c.devices))
	}
	s := shape{element: elementOf[T]()}
	for _, d := range dims {
		s.dims = append(s.dims, int64(d))
	}
	if s.size() != len(elements) {
		return nil, nil, fmt.Errorf("pjrt: %d elements for %s", len(elements), s)
	}
	a := &fromHostArgs{
		client: c.handle, data: data(elements), element: s.element, dims: data(s.dims), dimsN: uintptr(len(s.dims)),
		semantics: untilTransferCompletes, device: c.devices[device].handle,
	}
	if err := clientFromHost.call(c.plugin, a); err != nil {
		return nil, nil, err
	}
	return c.buffer(a.buffer, device, s), func() error {
		defer runtime.KeepAlive(a) // and with it the elements
		return c.plugin.wait(a.done)
	}, nil
}

// ToHost copies all elements of a buffer once they are computed.
func ToHost[T Element](b *Buffer, elements []T) error {
	if err := b.usable(); err != nil {
		return fmt.Errorf("pjrt: the buffer %w", err)
	}
	if b.shape.element != elementOf[T]() || b.shape.size() != len(elements) {
		return fmt.Errorf("pjrt: cannot copy %s to %d elements of type %T", b.shape, len(elements), *new(T))
	}
	order := make([]int64, len(b.shape.dims)) // of dimensions, fastest first
	for i := range order {
		order[i] = int64(len(order) - 1 - i)
	}
	layout := &layoutArgs{header: sized[layoutArgs]()}
	layout.tiled.header = header{size: unsafe.Sizeof(layout.tiled)}
	layout.tiled.minorToMajor, layout.tiled.minorToMajorN = data(order), uintptr(len(order))
	a := &toHostArgs{buffer: b.handle, layout: layout, data: data(elements), n: uintptr(len(elements)) * unsafe.Sizeof(*new(T))}
	if err := bufferToHost.call(b.client.plugin, a); err != nil {
		return err
	}
	err := b.client.plugin.wait(a.event)
	runtime.KeepAlive(a)
	return err
}

// Device returns the index of the device that has the buffer.
func (b *Buffer) Device() int { return b.device }

// Shape returns the dimensions.
func (b *Buffer) Shape() []int {
	var dims []int
	for _, d := range b.shape.dims {
		dims = append(dims, int(d))
	}
	return dims
}

// usable returns why the buffer cannot be read.
func (b *Buffer) usable() error {
	if b.handle == 0 {
		return errors.New("is closed")
	}
	a := &isArgs{handle: b.handle}
	if err := bufferIsDeleted.call(b.client.plugin, a); err != nil {
		return err
	}
	if a.is {
		return errors.New("was donated to a run and is gone")
	}
	return nil
}

// Close frees the buffer, also one that was donated. Runs that have been started keep its memory
// until they end.
func (b *Buffer) Close() {
	if b.handle == 0 {
		return
	}
	bufferDestroy.invoke(b.client.plugin, &handleArgs{handle: b.handle})
	b.handle = 0
	b.client.open.Add(-1)
}

// closeAll closes the buffers of all replicas.
func closeAll(buffers [][]*Buffer) {
	for _, list := range buffers {
		for _, b := range list {
			b.Close()
		}
	}
}
