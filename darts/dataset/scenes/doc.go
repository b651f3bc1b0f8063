// Package scenes draws a data set: small street and country scenes with classes and
// masks, for quick starts, examples and tests. It needs no files.
//
//	images, err := scenes.New(512, 32, 32, 1)
package scenes
