package pjrt

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"unsafe"
)

// A Plugin is a loaded plugin. Plugins stay loaded until the process ends.
type Plugin struct {
	path    string
	api     *table // of the plugin's memory
	version string
}

// opened holds the plugins by their path without links: a plugin is initialized once.
var opened struct {
	sync.Mutex
	plugins map[string]*Plugin
}

// Open loads a plugin. A plugin that is loaded already is returned again.
func Open(path string) (*Plugin, error) {
	real, err := filepath.EvalSymlinks(path)
	if err == nil {
		real, err = filepath.Abs(real)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("pjrt: no plugin %s: %w", path, fs.ErrNotExist)
	} else if err != nil {
		return nil, fmt.Errorf("pjrt: %w", err)
	}
	if info, err := os.Stat(real); err != nil || !info.Mode().IsRegular() {
		return nil, fmt.Errorf("pjrt: %s is not a file, want the shared library of a plugin", path)
	}
	opened.Lock()
	defer opened.Unlock()
	if p := opened.plugins[real]; p != nil {
		return p, nil
	}
	api, err := open(real)
	if err != nil {
		return nil, fmt.Errorf("pjrt: %w", err)
	}
	if err := check(api); err != nil {
		return nil, fmt.Errorf("pjrt: %s %w", path, err)
	}
	p := &Plugin{path: real, api: api}
	if err := pluginInitialize.call(p, &header{}); err != nil {
		return nil, fmt.Errorf("%w (%s)", err, path)
	}
	p.version = fmt.Sprintf("PJRT %d.%d", api.version.major, api.version.minor)
	for _, a := range p.attributes() {
		p.version += ", " + a
	}
	if opened.plugins == nil {
		opened.plugins = map[string]*Plugin{}
	}
	opened.plugins[real] = p
	return p, nil
}

// check returns what is wrong with the table of a plugin.
func check(api *table) error {
	if api == nil {
		return errors.New("is not a PJRT plugin: GetPjrtApi returns NULL")
	}
	has := fmt.Sprintf("has version %d.%d of the PJRT C API", api.version.major, api.version.minor)
	if api.version.major != majorVersion {
		return fmt.Errorf("%s, want major version %d", has, majorVersion)
	}
	if api.size < unsafe.Sizeof(table{}) {
		return fmt.Errorf("%s, want %d.%d or later: install a newer plugin", has, majorVersion, minorVersion)
	}
	return nil
}

// attributes returns the versions that a plugin names, such as of StableHLO.
func (p *Plugin) attributes() []string {
	a := &attributesArgs{}
	if pluginAttributes.call(p, a) != nil {
		return nil // not all plugins have some
	}
	var list []string
	for _, v := range goSlice[namedValue](a.list, a.n) {
		name := goString(uintptr(v.name), v.nameN)
		switch {
		case name == "xla_version" && v.kind == int64Value:
			list = append(list, fmt.Sprintf("XLA %d", int64(v.value)))
		case name == "stablehlo_current_version" && v.kind == int64sValue:
			dotted := strings.Trim(strings.ReplaceAll(fmt.Sprint(goSlice[int64](uintptr(v.value), v.n)), " ", "."), "[]")
			list = append(list, "StableHLO "+dotted)
		}
	}
	return list
}

// Path returns the path of the plugin without symbolic links.
func (p *Plugin) Path() string { return p.path }

// Version returns the versions of the C API, and of XLA and StableHLO as far as the plugin
// names them.
func (p *Plugin) Version() string { return p.version }
