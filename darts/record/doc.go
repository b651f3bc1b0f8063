// Package record has the events of searches and trainings, and recorders that receive them.
//
// A run calls a [Recorder] with one [Event] at a time: [Start], [Step], [Progress],
// [Epoch], [Warning] and [Done]. [Printer] prints them for people, [JSONLines] writes
// them for programs, [Log] logs them with log/slog, and [TensorBoard] writes curves and
// histograms. [Func] turns a function into a recorder. [Recorders] passes events to
// several recorders, and [Optional] to some that may fail.
//
// A run directory has its events in a file named [File], which [Read] reads:
//
//	for e, err := range record.Read(file) {
//		if err != nil {
//			return err
//		}
//		if epoch, ok := e.(record.Epoch); ok {
//			fmt.Println(epoch.Epoch, epoch.ValScore)
//		}
//	}
package record
