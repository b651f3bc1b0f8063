// Package session runs a search or a training for the terminal: it opens the run
// directory, records what happens there, prints progress or JSON lines, serves the page
// of the run, and shows the result or how to resume.
package session
