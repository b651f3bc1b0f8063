package nearest

// Longest is how many letters of a name are compared.
const Longest = 80

// Of returns the name that is most like another, the first of several, or "" if none
// shares half of its letters.
func Of(name string, among []string) string {
	name = name[:min(len(name), Longest)]
	best, least := "", len(name)/2+1
	for _, a := range among {
		if d := Distance(name, a); d < least {
			best, least = a, d
		}
	}
	return best
}

// Distance returns how many letters have to be inserted, removed or replaced to
// make a to b (Levenshtein, 1966).
func Distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			above := row[j+1]
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			row[j+1], diagonal = min(cost, above+1, row[j]+1), above
		}
	}
	return row[len(b)]
}
