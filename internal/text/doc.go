// Package text reads text files of other programs.
package text
