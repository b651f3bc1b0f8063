#!/usr/bin/env python3
"""Measures search steps of unnas and of PyTorch in turn, on the same cores.

    python3 internal/peer/compare.py [case ...]

Each program runs in a process of its own, so that its peak memory can be seen.
Rounds alternate between the programs, since the speed of a machine drifts; the
best round of each counts. It needs Go and a Python with torch; the variable
PEER_PYTHON names another Python than the one that runs this.
"""
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
PYTHON = os.environ.get("PEER_PYTHON", sys.executable)
ROUNDS = 3

# The name of the Go benchmark, and what measure.py is to do.
CASES = {
    "cifar/batch=16": ["--batch", "16"],
    "cifar/batch=64": ["--batch", "64"],
    "imagenet/batch=16": ["--batch", "16", "--size", "224", "--stem", "imagenet"],
}


def run(command):
    """Returns the output of a command and its peak memory in MiB."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=HERE)
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{command[0]} failed: {output}")
    return output, usage.ru_maxrss / 1024


def ours(binary, case):
    output, peak = run([binary, "-test.run", "^$", "-test.bench", f"Step/{case}$", "-test.benchtime", "3x"])
    return float(re.search(r"([\d.]+) ns/op", output).group(1)) / 1e9, peak


def theirs(options, layout):
    output, peak = run([PYTHON, "measure.py", "--repeats", "3", "--layout", layout, *options])
    return float(output.split()[1]), peak


def main():
    cases = sys.argv[1:] or list(CASES)
    with tempfile.TemporaryDirectory() as tmp:
        binary = os.path.join(tmp, "darts.test")
        subprocess.run(["go", "test", "-c", "-o", binary, "./darts"], cwd=ROOT, check=True)
        print("| step | unnas | PyTorch NCHW | PyTorch channels last | faster | unnas MiB | PyTorch MiB | smaller |")
        print("|---|---|---|---|---|---|---|---|")
        for case in cases:
            rounds = [(ours(binary, case), theirs(CASES[case], "nchw"), theirs(CASES[case], "nhwc")) for _ in range(ROUNDS)]
            best = [min(r[i] for r in rounds) for i in range(3)]
            (own, own_peak), rest = best[0], best[1:]
            fastest, least = min(t for t, _ in rest), min(p for _, p in rest)
            print(
                f"| {case} | {own:.3f} s | {rest[0][0]:.2f} s | {rest[1][0]:.2f} s | {fastest / own:.1f}× "
                f"| {own_peak:.0f} | {least:.0f} | {least / own_peak:.1f}× |",
                flush=True,
            )


main()
