package record

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"
	"unnas/internal/format"
)

// Log is a Recorder that emits a structured log record per event. Message and
// attributes are those of JSONLines, except that times are durations without the _ns,
// NaN and infinite numbers are omitted, and so are the configuration and the
// architecture parameters, which are not single values. Steps and progress have level
// Debug, warnings Warn and all others Info.
type Log struct{ logger *slog.Logger }

// NewLog returns a recorder that logs to l, or to slog.Default if l is nil.
func NewLog(l *slog.Logger) *Log {
	if l == nil {
		l = slog.Default()
	}
	return &Log{l}
}

// Record logs an event. It does not see errors of the logger's handler.
func (l *Log) Record(e Event) error {
	all, err := fields(e, true)
	if err != nil {
		return fmt.Errorf("record: log: %w", err)
	}
	level := slog.LevelInfo
	switch e.(type) {
	case Step, Progress:
		level = slog.LevelDebug
	case Warning:
		level = slog.LevelWarn
	}
	ctx := context.Background()
	if !l.logger.Enabled(ctx, level) {
		return nil
	}
	var attributes []slog.Attr
	for _, f := range all {
		switch v := f.value.(type) {
		case float64:
			if !format.Finite(v) {
				continue
			}
		case time.Duration:
			f.name = strings.TrimSuffix(f.name, "_ns")
		case int, int64, string, bool:
		default:
			continue
		}
		attributes = append(attributes, slog.Any(f.name, f.value))
	}
	l.logger.LogAttrs(ctx, level, e.event(), attributes...)
	return nil
}
