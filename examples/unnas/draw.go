package main

// parts are the values of -part.
var parts = []string{"both", "normal", "reduce"}
