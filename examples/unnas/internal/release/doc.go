// Package release reads the configuration files of the authors' release of Are Labels
// Necessary for Neural Architecture Search? (Liu et al., 2020, arXiv 2003.12056):
// YAML, with pairs of KEY VALUE behind it that change what it says. It maps them to
// the searches and trainings of the library and names what it cannot honour.
package release
