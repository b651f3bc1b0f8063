package xla

import (
	"unnas/internal/dlopen"
	"unnas/internal/pjrt"
)

func init() { pjrt.Use(dlopen.Library{}) }
