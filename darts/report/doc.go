// Package report shows a run as a page for browsers: its settings, the cells that
// it has found, curves of its losses and accuracies, how its alphas moved, samples
// of its task, and what deserved a warning.
//
// The page is one file that needs nothing else, neither other files nor a network.
// A [Report] is a record.Recorder that keeps it as report.html in the folder of the
// run, and shows it to browsers while the run goes on:
//
//	page := report.New(dir.Path())
//	page.Show(ctx, src, task)
//	url, err := page.Serve(":6060")
//	...
//	result, err := darts.Search(ctx, src, task, c, darts.Runtime{Dir: dir, Recorder: page})
//	err = errors.Join(err, page.Close())
//
// [Write] makes the page of a folder later, from what its metrics.jsonl tells. That
// says nothing about time and memory, and has no samples.
//
// A page shows the name of the folder, not where it is, and nothing of the machine
// but how fast it was and how much memory it took. Curves of more than a thousand
// steps, and alphas of more than three hundred epochs, are thinned out evenly.
package report
