// Package program holds what the example programs share: how they begin and end,
// their flags, the folder of a run, and a search or a training with its outcome
// shown.
//
//	func main() { program.Main("quickstart", run) }
//
//	func run(ctx context.Context, args []string, out, help io.Writer) error {
//		f := program.NewFlags("quickstart", usage)
//		width := f.Int("width", 8, "channels of the first cell")
//		if err := f.Parse(args, help); err != nil {
//			return err
//		}
//		...
//		return program.Search{Session: program.Session{Name: "quickstart", Options: f.Options}, Source: src, Task: task, Config: c}.Run(ctx, out)
//	}
package program
