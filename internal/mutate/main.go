package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

// mutant is one break: in a file, a text that occurs once, and its replacement. tests
// are the packages whose tests must fail.
type mutant struct {
	file, from, to string
	tests          string
}

func (m mutant) String() string {
	line := func(s string) string { return strings.Join(strings.Fields(s), " ") }
	return fmt.Sprintf("%s: %q → %q", m.file, line(m.from), line(m.to))
}

// apply returns the file with the break.
func (m mutant) apply() ([]byte, error) {
	source, err := os.ReadFile(m.file)
	if err != nil {
		return nil, err
	}
	if n := bytes.Count(source, []byte(m.from)); n != 1 {
		return nil, fmt.Errorf("%s: the text occurs %d times, must occur once: %q", m.file, n, m.from)
	}
	return bytes.Replace(source, []byte(m.from), []byte(m.to), 1), nil
}

// verdict is the result for a mutant.
type verdict string

const (
	killed   verdict = "killed"
	survived verdict = "SURVIVED"
	absent   verdict = "absent" // its text is not in the file
	broken   verdict = "does not compile"
)

// try runs the tests of a mutant.
func (m mutant) try(ctx context.Context, dir string, short bool) (verdict, error) {
	source, err := m.apply()
	if err != nil {
		return absent, nil
	}
	work, err := os.MkdirTemp(dir, "")
	if err != nil {
		return "", err
	}
	path, err := filepath.Abs(m.file)
	if err != nil {
		return "", err
	}
	replaced, overlay := filepath.Join(work, filepath.Base(m.file)), filepath.Join(work, "overlay.json")
	text, err := json.Marshal(map[string]map[string]string{"Replace": {path: replaced}})
	if err != nil {
		return "", err
	}
	for name, content := range map[string][]byte{replaced: source, overlay: text} {
		if err := os.WriteFile(name, content, 0o644); err != nil {
			return "", err
		}
	}
	out, err := test(ctx, short, strings.Fields(m.tests), "-overlay", overlay)
	switch {
	case ctx.Err() != nil:
		return "", ctx.Err()
	case err == nil:
		return survived, nil
	case bytes.Contains(out, []byte("[build failed]")), bytes.Contains(out, []byte("[setup failed]")):
		return broken, nil
	}
	return killed, nil
}

// test runs the tests of packages, with additional flags of the go command.
func test(ctx context.Context, short bool, packages []string, flags ...string) ([]byte, error) {
	args := append([]string{"test", "-count=1", "-failfast", "-vet=off", "-timeout=5m"}, flags...)
	if short {
		args = append(args, "-short")
	}
	return exec.CommandContext(ctx, "go", append(args, packages...)...).CombinedOutput()
}

// sound returns an error unless the tests pass without a mutant: a failing test would
// kill all mutants.
func sound(ctx context.Context, chosen []mutant, short bool) error {
	var packages []string
	for _, m := range chosen {
		packages = append(packages, strings.Fields(m.tests)...)
	}
	slices.Sort(packages)
	if out, err := test(ctx, short, slices.Compact(packages)); err != nil {
		return fmt.Errorf("the tests fail without a mutant (%w):\n%s", err, out)
	}
	return nil
}

func main() {
	log.SetFlags(0)
	only := flag.String("run", "", "try the mutants that match this regular expression")
	jobs := flag.Int("jobs", 1, "mutants at a time")
	short := flag.Bool("short", false, "run short tests")
	flag.Parse()
	pattern, err := regexp.Compile(*only)
	if err != nil {
		log.Fatalf("mutate: -run: %v", err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	dir, err := os.MkdirTemp("", "mutate")
	if err != nil {
		log.Fatal(err)
	}
	chosen := slices.DeleteFunc(slices.Clone(mutants), func(m mutant) bool { return !pattern.MatchString(m.String()) })
	if len(chosen) == 0 {
		log.Fatalf("mutate: -run: no mutant matches %q", *only)
	}
	count, err := run(ctx, dir, chosen, *jobs, *short)
	if e := os.RemoveAll(dir); err == nil {
		err = e
	}
	if err != nil {
		log.Fatalf("mutate: %v", err)
	}
	fmt.Println(count)
	if count[survived]+count[absent]+count[broken] > 0 {
		os.Exit(1)
	}
}

// run tests mutants and counts the verdicts.
func run(ctx context.Context, dir string, chosen []mutant, jobs int, short bool) (map[verdict]int, error) {
	if err := sound(ctx, chosen, short); err != nil {
		return nil, err
	}
	var all sync.WaitGroup
	var mu sync.Mutex
	var failed error
	count := map[verdict]int{}
	slots := make(chan struct{}, max(1, jobs))
	for _, m := range chosen {
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			start := time.Now()
			v, err := m.try(ctx, dir, short)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				failed = err
				return
			}
			count[v]++
			fmt.Printf("%-8s %4.0f s  %s\n", v, time.Since(start).Seconds(), m)
		})
	}
	all.Wait()
	return count, failed
}
