// Package pretexttest tests implementations of pretext.Task and pretext.Source.
//
//	func TestMirror(t *testing.T) {
//		pretexttest.Run(t, Mirror{Transform: pretext.CIFAR10Transform()})
//	}
//
// RunSource tests a source, and Run a task:
//
//   - name and sizes are valid and constant, and Validate accepts the task;
//   - a sample has a finite number in every input, a label below Classes, or
//     pretext.IgnoreIndex, in every label, and a finite number, or pretext.IgnoreValue, in
//     every float target, for images of all sizes and colours. It depends only on image,
//     mode and random stream: not on previous contents of the memory, earlier samples, or
//     other goroutines. Run the test with -race;
//   - in evaluation the stream only draws labels, targets and the order of the inputs:
//     samples of one image with equal labels and targets have equal inputs. Inputs may be
//     random only if labels and targets are constant, for tasks that compare the inputs of
//     an image with each other;
//   - images are not modified;
//   - memory of a wrong size and invalid images give errors, not panics;
//   - an error of Validate names the field, and samples can be made with all fields that it
//     accepts;
//   - head and loss can be built for batches of any size, and fit: for classes, one row of
//     logits per label, or a map of logits per label map. The loss and all gradients are
//     finite, and the gradient reaches the network;
//   - a score is finite and has a name, and accuracies are from 0 to 1;
//   - labels of pretext.IgnoreIndex and targets of pretext.IgnoreValue count in neither loss
//     nor score; data loaders pad the last batch with them;
//   - a pretext.CropTask draws the same numbers for a crop as for a sample, writes the same
//     labels and targets, and makes inputs and labels of the sizes of Spec. What a device
//     computes is not checked.
//
// The fields for Validate are derived from the task: each exported field of the struct, and
// of the structs, arrays and slices in it, is in turn zero, negative, not a number, an
// unknown word, or negated.
package pretexttest
