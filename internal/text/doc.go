// Package text reads the text files that other programs write.
package text
