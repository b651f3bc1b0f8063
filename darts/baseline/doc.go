// Package baseline has the searches that every search of architectures is compared with:
// [Random] search, regularised [Evolution] and successive [Halving].
//
// They are pure functions of what they are given: how to draw an architecture, how to change
// one, and how to score several at once. [Genotypes] draws and changes those of a
// cell.Space. A score may be looked up (package cell/benchmark), or come from trainings, which
// darts/sweep runs on many machines and resumes:
//
//	evaluate := func(ctx context.Context, round int, archs []cell.Genotype, epochs int) ([]float64, error) {
//		dir := filepath.Join("runs/evolution", strconv.Itoa(round))
//		return sweep.Map(ctx, dir, archs, sweep.Options{}, func(ctx context.Context, g cell.Genotype, dir string) (float64, error) {
//			return train(ctx, g, epochs, dir)
//		})
//	}
//
// A search that is started again draws the same architectures, and finds the scores of those
// that sweep has done.
package baseline
