package xla

// Prune is prune.
var Prune = prune
