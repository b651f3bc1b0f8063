// Package pretexttest checks a user's tasks and sources of images: that they keep what
// the rest of the library relies on.
//
//	func TestMirror(t *testing.T) {
//		pretexttest.Run(t, Mirror{View: pretext.CIFAR10()})
//	}
//
// RunSource checks a source of images, and Run a task: that
//
//   - the name and the sizes are sensible and stay the same, and Validate accepts
//     the task;
//   - a sample has a finite number in every input, a label below Classes, or
//     pretext.Ignore, in every label, and a finite number, or pretext.IgnoreValue, in
//     every float target, for images of all sizes and colours, and depends on nothing
//     but image, mode and random stream: not on what lay in memory, on earlier
//     samples, or on other goroutines. Run the test with -race;
//   - in evaluation the stream draws nothing but what labels and targets say, and the
//     order of the inputs: samples of one image with equal labels and targets have the
//     same inputs. Only where neither says anything, since several inputs of an image
//     are compared with each other, may inputs be drawn;
//   - images are not written to;
//   - memory of a wrong size and images that are none give errors, not panics;
//   - Validate names the setting that it refuses, and samples can be made with all
//     that it accepts;
//   - head and loss can be built for batches of any size, and fit: where labels are
//     classes, one row of logits for each label, or a map for each map. The loss and
//     all gradients are finite, and the gradient reaches the network;
//   - a score is finite and has a name, and accuracies are from 0 to 1;
//   - labels of pretext.Ignore and targets of pretext.IgnoreValue count in neither loss
//     nor score. A loader fills the last batch with them.
//
// The settings that Validate is tried with are made from the task: each exported
// field of the struct, and of the structs, arrays and slices in it, is in turn
// zero, negative, not a number, an unknown word, or the other truth value.
package pretexttest
