package pretexttest

import (
	"fmt"
	"math"
	"reflect"
	"strings"

	"unnas/pretext"
)

// settings tries the task with each of its fields changed.
func (c *checker) settings() {
	original := reflect.ValueOf(c.task)
	pointer := original.Kind() == reflect.Pointer
	if pointer {
		original = original.Elem()
	}
	if original.Kind() != reflect.Struct {
		return
	}
	changed := reflect.New(original.Type())
	changed.Elem().Set(original)
	walk(changed.Elem(), "", func(name, value string) {
		task := changed.Interface()
		if !pointer {
			task = changed.Elem().Interface()
		}
		where := fmt.Sprintf("with %s = %s: ", name, value)
		c.guard(where, func() {
			if err := try(task.(pretext.Task), name, c); err != nil {
				c.fault("%s%w", where, err)
			}
		})
	})
}

// try checks a task that may be invalid.
func try(task pretext.Task, field string, c *checker) error {
	img := c.images[0]
	err := task.Validate()
	if err == nil {
		if err := task.Sample(task.Spec().NewSample(), img, true, stream(1)); err != nil {
			return fmt.Errorf("Validate accepts it, but not Sample: %w", err)
		}
		return nil
	}
	if name := field[strings.LastIndex(field, ".")+1:]; !strings.Contains(strings.ToLower(err.Error()), strings.ToLower(name)) {
		return fmt.Errorf("the error of Validate does not name %s: %w", name, err)
	}
	// It may fail, but not panic.
	_ = task.Sample(c.spec.NewSample(), img, true, stream(1))
	return nil
}

// walk sets each field in v to other values, one at a time, and calls f after each with the
// name of the field and the value.
func walk(v reflect.Value, name string, f func(name, value string)) {
	set := func(values ...any) {
		before := reflect.New(v.Type()).Elem()
		before.Set(v)
		for _, value := range values {
			v.Set(reflect.ValueOf(value).Convert(v.Type()))
			if !reflect.DeepEqual(v.Interface(), before.Interface()) {
				f(name, fmt.Sprint(value))
			}
		}
		v.Set(before)
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if field := v.Type().Field(i); field.IsExported() {
				walk(v.Field(i), strings.TrimPrefix(name+"."+field.Name, "."), f)
			}
		}
	case reflect.Slice:
		before := reflect.New(v.Type()).Elem()
		before.Set(v)
		v.SetZero()
		if before.Len() > 0 {
			f(name, "nothing")
		}
		// A clone, since the caller's task shares its elements.
		v.Set(reflect.AppendSlice(reflect.MakeSlice(v.Type(), 0, before.Len()), before))
		for i := range v.Len() {
			walk(v.Index(i), name, f)
		}
		v.Set(before)
	case reflect.Array:
		for i := range v.Len() {
			walk(v.Index(i), name, f)
		}
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		set(0, -1)
	case reflect.Float32, reflect.Float64:
		set(-1.0, math.NaN())
	case reflect.String:
		set("no such word")
	case reflect.Bool:
		set(!v.Bool())
	}
}
