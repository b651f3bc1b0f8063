// Package onnx writes networks as models in the format of ONNX, the Open Neural
// Network Exchange (onnx.ai), which many programs run: ONNX Runtime, OpenCV,
// TensorRT, phones.
//
//	model, err := darts.LoadModel("runs/photos")
//	…
//	err = onnx.Save("photos.onnx", model)
//
// The metadata say how an image becomes the input, and what the classes are called. A
// Model may also be made of the nodes of any graph.
//
// A model is the network in evaluation: batch normalisations use the running
// statistics, nothing is dropped. It takes and gives float32. Feature maps, the
// images among them, are [N, channels, rows, columns] there, and not [N, rows,
// columns, channels]; the number N of images is free. Parameters and statistics
// carry their published names, those of a PyTorch state dict, in the published
// layouts. Equal parameters give equal bytes.
//
// # What is left out
//
// Supernets, since a model stands for a cell that was chosen; losses and
// gradients; kernels of one's own (ops.Kernel); of Gorgonia's operations all but
// the elementwise ones.
package onnx
