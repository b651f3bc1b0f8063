package sweep

import "os"

// SetHost makes the sweep one of another machine.
func (s *Sweep) SetHost(name string) { s.host = name }

// SetLock replaces what locks files.
func (s *Sweep) SetLock(lock func(*os.File) error) { s.lock = lock }
