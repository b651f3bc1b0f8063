package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"unnas/darts"
	"unnas/darts/dataset"
	"unnas/examples/unnas/internal/release"
	"unnas/examples/unnas/internal/session"
	"unnas/pretext"
)

// configurationFlags are those that go with -cfg; keys say the rest.
const configurationFlags = "cfg data index jpeg memory recompute auto-batch http quiet json"

func configurationCommand() *command {
	return &command{
		name: configuration, args: "[KEY VALUE ...]", most: -1,
		summary: "run a configuration file of the authors' release",
		flags:   configurationFlags,
		ranks:   true,
		run:     runConfiguration,
	}
}

// runConfiguration runs a configuration file of the authors' release.
func runConfiguration(ctx context.Context, c *call) error {
	if c.cfg == "" {
		return usagef("-cfg is missing: give the file of the configuration, such as -cfg imagenet/rot.yaml; see unnas help cfg")
	}
	for name := range c.given {
		if !slices.Contains(configurationCommand().flagNames(), name) {
			return usagef("-%s does not go with -cfg, which has keys for it; give KEY VALUE behind the flags, see unnas help cfg", name)
		}
	}
	config, err := release.Read(c.cfg, c.args)
	if errors.Is(err, fs.ErrNotExist) {
		return usagef("-cfg: %w; give a YAML file of the authors' release, see unnas help cfg", err)
	}
	if err != nil {
		return usageError{err}
	}
	searches := config.Searches()
	if c.command.name == configuration && !searches && config.Test.Weights != "" {
		return c.evaluateConfigured(ctx, config)
	}
	if name := c.command.name; name == "search" && !searches || name == "train" && searches {
		return usageError{config.Fault("MODEL.TYPE", "is %s, which unnas %s does not run; unnas -cfg FILE runs searches and trainings", config.Model.Type, name)}
	}
	c.Seed, c.Runtime.Workers = config.Seed(), config.Workers()
	c.Out, c.Resume = config.Dir()
	if err := c.checkOut(c.Path("unnas")); err != nil {
		return err
	}
	s := session.Session{
		Name: "unnas", Options: c.Options,
		Begin: func(d *darts.RunDir) error { return d.WriteFile(release.File, config.Dump) },
		Again: func(dir string) string { return "OUT_DIR " + dir },
	}
	if searches {
		return c.searchConfigured(ctx, config, s)
	}
	return c.trainConfigured(ctx, config, s)
}

func (c *call) searchConfigured(ctx context.Context, config *release.Config, s session.Session) error {
	hyper, err := config.Search()
	if err != nil {
		return usageError{err}
	}
	config.Notes(c.notes)
	decoder, err := c.Decoder()
	if err != nil {
		return err
	}
	src, err := c.openConfigured(ctx, config, dataset.Train, decoder)
	if err != nil {
		return err
	}
	err = session.Search{Session: s, Source: src, Task: config.Task(), Config: hyper, Trained: sizeTrained}.Run(ctx, c.out)
	noteUnreadable(src, c.notes)
	return err
}

func (c *call) trainConfigured(ctx context.Context, config *release.Config, s session.Session) error {
	hyper, err := config.Training()
	if err != nil {
		return usageError{err}
	}
	config.Notes(c.notes)
	decoder, err := c.Decoder()
	if err != nil {
		return err
	}
	src, err := c.openConfigured(ctx, config, dataset.Train, decoder)
	if err != nil {
		return err
	}
	val, err := c.openConfigured(ctx, config, dataset.Val, decoder)
	if err != nil {
		return err
	}
	return session.Training{Session: s, Source: src, Val: val, Task: config.Task(), Config: hyper}.Run(ctx, c.out)
}

// evaluateConfigured tests the network of a training with TEST.WEIGHTS.
func (c *call) evaluateConfigured(ctx context.Context, config *release.Config) error {
	path := config.Test.Weights
	hyper, err := config.Training()
	if err != nil {
		return usageError{err}
	}
	model := &darts.Model{Architecture: hyper.Network, Task: config.Task()}
	if model.Params, err = darts.NewParams(hyper.Network, model.Task, 0); err != nil {
		return err
	}
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		path = filepath.Join(path, modelFile)
	}
	if err := model.Params.ReadFile(path); err != nil {
		return config.Fault("TEST.WEIGHTS", "is %s: %w", config.Test.Weights, err)
	}
	decoder, err := c.JPEG.Decoder("")
	if err != nil {
		return err
	}
	val, err := c.openConfigured(ctx, config, dataset.Val, decoder)
	if err != nil {
		return err
	}
	c.Runtime.Workers = config.Workers()
	return c.evaluate(ctx, model, val)
}

func (c *call) openConfigured(ctx context.Context, config *release.Config, split dataset.Split, decoder *pretext.Decoder) (labelled, error) {
	return session.List(c.notes, dataset.Options{Decoder: decoder, Index: c.index}, func(o dataset.Options) (labelled, error) {
		src, err := config.Open(ctx, c.data, split, o)
		if d, ok := src.(*dataset.ImageNet22K); ok && d.RebuildReason() != nil {
			fmt.Fprintln(c.notes, "the images were listed:", d.RebuildReason())
		}
		return src, err
	})
}
