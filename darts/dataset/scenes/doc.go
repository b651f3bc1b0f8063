// Package scenes draws a data set that needs no files: small street and country
// scenes with classes and masks, for first steps, examples and tests.
//
//	images, err := scenes.New(512, 32, 32, 1)
package scenes
