// Package ranking trains sampled architectures on several tasks and compares how the
// tasks rank them (Liu et al., 2020, arXiv 2003.12056, section 4): on one machine, on
// several that share a folder, or as an array job.
package ranking
