// Command draws prints the random numbers that searches and trainings draw, so that
// a reference in another language can use the same. Each line of standard input
// names a distribution, a seed, a purpose in quotes, an epoch, an index and how
// many numbers; the answer is a line of JSON.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"os"

	"unnas/internal/rng"
)

var distributions = map[string]func(*rand.Rand) float64{
	"uniform": rng.Float,
	"normal":  rng.Normal,
	"gumbel":  rng.Gumbel,
}

func main() {
	for {
		var kind, purpose string
		var seed uint64
		var epoch, index, n int
		_, err := fmt.Scanf("%s %d %q %d %d %d\n", &kind, &seed, &purpose, &epoch, &index, &n)
		if errors.Is(err, io.EOF) {
			return
		}
		draw := distributions[kind]
		if err != nil || draw == nil {
			log.Fatalf("draws: a line that is not \"uniform|normal|gumbel seed 'purpose' epoch index n\": %v", err)
		}
		r := rng.New(seed, purpose, epoch, index)
		numbers := make([]float64, n)
		for i := range numbers {
			numbers[i] = draw(r)
		}
		if err := json.NewEncoder(os.Stdout).Encode(numbers); err != nil {
			log.Fatal(err)
		}
	}
}
