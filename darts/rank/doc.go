// Package rank says how well a task ranks architectures: the analysis of the
// sample-based experiments of Liu et al. (2020, arXiv 2003.12056, section 4), in
// which architectures are trained on a pretext task and, apart from that, with
// labels.
//
// A [Table] has a row for each architecture and a column for each measure, such as
// the accuracy in a task. It is read from a CSV file, one's own or that of a
// benchmark (NAS-Bench-201, TransNAS-Bench-101, …), and several are joined by
// architecture. Two columns give rank correlations ([Spearman], [KendallTau]) with
// intervals of confidence ([Bootstrap]), and the curve of a [RandomSearch] that
// chooses by the pretext task. A [Figure] draws them as the paper does.
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
// It lies in the folder of package darts, whose results it judges, but stands on
// the lowest floor of the public packages: it knows neither networks nor Gorgonia,
// so programs that only read tables do not link them.
//
// There are no p-values: their usual approximation leans on samples that are large
// and free of ties. An interval says more.
package rank
