// Package onnxpb writes models in the format of ONNX, the Open Neural Network Exchange
// (onnx.ai): protocol buffers, with the field numbers of onnx.proto. Package graph
// lowers kernels to it.
package onnxpb
