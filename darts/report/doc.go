// Package report shows a run as a web page: its hyperparameters, cells, curves of
// losses and scores, the evolution of the architecture parameters, samples of its task,
// and warnings.
//
// The page is a single file without external resources. A [Report] is a record.Recorder
// that writes report.html in the run directory and serves the page during the run:
//
//	page := report.New(dir.Path())
//	page.SetSamples(ctx, src, task)
//	url, err := page.Serve(":6060")
//	…
//	result, err := darts.Search(ctx, src, task, c, darts.Runtime{Dir: dir, Recorder: page})
//	err = errors.Join(err, page.Close())
//
// [Write] writes the page of a run directory from its metrics.jsonl. It then lacks
// speed, memory and samples.
//
// A page shows the name of the run directory, not its path, and nothing else about the
// machine than speed and memory. Curves of more than a thousand steps, and heat maps of
// more than three hundred epochs, are thinned out evenly.
package report
