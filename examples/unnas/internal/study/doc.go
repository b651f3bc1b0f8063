// Package study searches a space whose cells have known accuracies with many tasks,
// algorithms and seeds, and compares what they find.
package study
