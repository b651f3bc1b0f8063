// Package rank measures how well a task ranks architectures: the analysis of the
// sample-based experiments of Liu et al. (2020, arXiv 2003.12056, section 4), in which
// architectures are trained on a pretext task and, separately, with labels.
//
// A [Table] has a row per architecture and a column per measure, such as the accuracy
// in a task. It is read from a CSV file, also of benchmarks (NAS-Bench-201,
// TransNAS-Bench-101, …), and tables are joined by architecture. Two columns give rank
// correlations ([Spearman], [KendallTau]) with confidence intervals ([Bootstrap]), and
// the curve of a [RandomSearch] that selects by the pretext task. A [Figure] draws them
// as in the paper.
//
//	t, err := rank.Open("accuracies.csv", "arch")
//	…
//	jigsaw, err := t.Column("jigsaw")
//	…
//	object, err := t.Column("class_object")
//	…
//	rho, err := rank.Spearman(jigsaw, object)
//	…
//	err = rank.Figure{{rank.Scatter{Title: "jigsaw", X: jigsaw, Y: object}}}.Save("jigsaw.svg")
//
// The package imports neither networks nor Gorgonia, so programs that only read tables
// do not link them.
//
// There are no p-values: their usual approximation assumes large samples without ties.
// Confidence intervals are more informative.
package rank
