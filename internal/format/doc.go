// Package format formats numbers for people: with units, and without needless digits.
package format
