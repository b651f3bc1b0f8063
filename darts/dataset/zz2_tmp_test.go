package dataset_test

import (
	"context"
	"os"
	"testing"

	"unnas/darts/dataset"
)

func TestTmpDump(t *testing.T) {
	d, _ := dataset.NewScenes(3200, 32, 32, 1)
	f, _ := os.Create("/tmp/scenes32.bin")
	for i := range 3200 {
		img, _ := d.Load(context.Background(), i)
		f.Write([]byte{byte(img.Label)})
		f.Write(img.Pix)
		f.Write(img.Mask)
	}
	f.Close()
}
