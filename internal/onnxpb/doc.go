// Package onnxpb writes models in the format of ONNX, the Open Neural Network
// Exchange (onnx.ai): protocol buffers, by the field numbers of onnx.proto. It
// knows the format, and no network: package graph says what kernels become in it.
package onnxpb
