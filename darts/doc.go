// Package darts searches cells and trains networks of them.
//
// [Search] trains a supernet, in which every edge of every cell mixes all
// candidate operations with weights of its own, the alphas. The weights of the
// operations learn from one part of the images and the alphas from the other, in
// turn, so that the alphas favour what generalises:
//
//	min over α of L_val(w*(α), α), with w*(α) = argmin over w of L_train(w, α)
//
// to first order: each step treats the other parameters as given (Liu et al.,
// 2019, arXiv 1806.09055, section 2.3). [Algorithms] learn in other ways, and programs add their own. What the
// network learns meanwhile is a [pretext.Task], with labels or without (Liu et
// al., 2020, arXiv 2003.12056).
//
//	src, err := dataset.OpenCIFAR10(ctx, "cifar-10-batches-bin", dataset.Train, dataset.Options{})
//	...
//	task := pretext.Rotation{Transform: pretext.CIFAR10Transform()}
//	result, err := darts.Search(ctx, src, task, darts.DARTS(), darts.Runtime{})
//	fmt.Println(result.Genotype)
//
// [Train] trains a network of cells that were found, or any other
// [cell.Architecture], and makes a [Model] of it, which predicts, evaluates and gives
// features. The run directory of a training is a model, too:
//
//	c := darts.Training(result.Genotype)
//	trained, err := darts.Train(ctx, src, val, task, c, darts.Runtime{Dir: dir})
//	...
//	model, err := darts.LoadModel("runs/first") // or trained.Model()
//	...
//	classes, err := model.Predict(ctx, img)
//
// [TrainConfig].Init starts a training from the weights of another, to fine-tune them.
//
// Images come from a [Source], hyperparameters from a [SearchConfig] or a
// [TrainConfig], which are data; a [Runtime] has what belongs to the machine. Begin
// with a preset and change what you like: [DARTS], [PCDARTS] or [Training]; package
// preset has those of the UnNAS paper.
//
// The package itself prints nothing. A run calls a [record.Recorder] with events:
// [record.Printer] prints them, [record.JSONLines] writes them for programs,
// [record.Log] hands them to log/slog, [record.TensorBoard] writes curves and
// histograms. A [record.Warning] says once when skip connections win, as searches that
// collapse show.
//
// # Runs on disk
//
// A run with a [RunDir] can be stopped at any time, by its context or by force, and
// resumes from its last checkpoint in a search or a training with the same
// hyperparameters and directory. Its result is kept there too: cells, pictures of them,
// weights.
//
//	dir, err := darts.OpenRunDir("runs/first") // created, if it is not there
//	...
//	defer dir.Close()
//	result, err := darts.Search(ctx, src, task, c, darts.Runtime{Dir: dir})
//
// A training keeps the weights of its best epoch besides. A run directory is locked, so
// that no two runs write to it.
//
// # Equal seeds
//
// Runs are reproducible to the bit: what is drawn depends on the seed and on what
// it is drawn for, and no sum depends on the number of cores or of loader
// workers.
//
// Differs from the authors' release: the halves of the data do not depend on
// the order of directories, and the norm at which the weights' gradient is
// clipped is that of the weights alone, without the gradient of the alphas.
package darts
