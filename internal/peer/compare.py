#!/usr/bin/env python3
"""Measures unnas and PyTorch in turn, on the same cores, doing the same.

    python3 internal/peer/compare.py [--bfloat16] [--without VARIANT] [--rounds N] [--repeats N] [case ...]

A case is a pattern for the names of the Go benchmarks, such as Step/cifar or
Infer. Each program runs in a process of its own, so that its peak memory can be
seen; it repeats what it does and takes the mean. Rounds alternate between the
programs, since the speed of a machine drifts; the median round of each counts,
and the best of each is compared, too. --bfloat16 compares Precision: BFloat16
with autocast. Both sides must have the same number of parameters. It needs Go, a Python
with torch (the variable PEER_PYTHON names another one than that which runs this)
and, for torch.compile, a C++ compiler.
"""
import argparse
import datetime
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
PYTHON = os.environ.get("PEER_PYTHON", sys.executable)
VARIANTS = {
    "NCHW": [],
    "channels last": ["--layout", "nhwc"],
    "compiled": ["--layout", "nhwc", "--compile", "default"],
    "max-autotune": ["--layout", "nhwc", "--compile", "max-autotune"],
    "oneDNN graph": ["--graph"],
}


def takes(case, options):
    """Reports whether a variant of PyTorch can do a case."""
    if "--graph" in options:
        return case.startswith("Infer/")
    # Supernets have thousands of operations, for which compilers need more than five minutes.
    return "--compile" not in options or not case.startswith("Step/")


# How often a case of a Go benchmark is repeated in a round, and where that is.
REPEATS = {"Step": 3, "Train": 3, "Infer": 10, "Op": 100}
PACKAGES = {"Step": "darts", "Train": "darts", "Infer": "darts", "Op": "ops"}


class Failure(Exception):
    pass


def run(command):
    """Returns the output of a command and its peak memory in MiB."""
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        process = subprocess.Popen(
            command, stdout=out, stderr=err, cwd=HERE, start_new_session=True,
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"})
        try:
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        finally:
            try:
                os.killpg(process.pid, signal.SIGKILL)  # what it has left running
            except ProcessLookupError:
                pass
        out.seek(0)
        err.seek(0)
        output = out.read()
        if process.returncode:
            lines = (output + err.read()).strip().splitlines() or ["no output"]
            raise Failure(f"exit status {process.returncode}: {lines[-1]}")
        return output, usage.ru_maxrss / 1024


def text(*command):
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()


def ours(binary, case, repeats, precision):
    """Returns seconds, peak memory and the number of parameters."""
    os.environ["UNNAS_BENCH_PRECISION"] = precision
    pattern = "/".join(f"^{part}$" for part in f"Benchmark{case}".split("/"))
    output, peak = run([binary, "-test.run", "^$", "-test.bench", pattern, "-test.benchtime", f"{repeats}x"])
    value = {unit: float(v) for v, unit in re.findall(r"([\d.]+) (ns/op|params)", output)}
    return value["ns/op"] / 1e9, peak, int(value["params"])


def theirs(case, repeats, options):
    output, peak = run([PYTHON, "measure.py", "--repeats", str(repeats), *options, case])
    result = json.loads(output.splitlines()[-1])
    return result["seconds"], peak, result["params"]


def compare(case, binary, rounds, repeats, bfloat16):
    """Returns the row of a case: per program the medians of time and memory, and the least time, None for one that fails."""
    programs = {"unnas": lambda: ours(binary, case, repeats, "bfloat16" if bfloat16 else "float32")}
    for name, options in VARIANTS.items():
        if takes(case, options):
            options = options + ["--bfloat16"] * bfloat16
            programs[name] = lambda options=options: theirs(case, repeats, options)
    results = {name: [] for name in programs}
    for _ in range(rounds):
        for name, measure in list(programs.items()):
            try:
                results[name].append(measure())
            except Failure as failure:
                print(f"{case}, {name}: {failure}", file=sys.stderr, flush=True)
                del programs[name]
    if len({params for all in results.values() for _, _, params in all}) > 1:
        counts = {name: all[0][2] for name, all in results.items() if all}
        sys.exit(f"{case}: not the same network; the numbers of parameters are {counts}")
    return {
        name: (*(statistics.median(column) for column in list(zip(*results[name]))[:2]), min(results[name])[0]) if name in programs else None
        for name in ["unnas", *VARIANTS]
    }


def duration(seconds):
    return f"{1e3 * seconds:.3g} ms" if seconds < 1 else f"{seconds:.3g} s"


def processor():
    found = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    return found.group(1) if found else "unknown"


def main():
    p = argparse.ArgumentParser()
    p.add_argument("cases", nargs="*", default=[""])
    p.add_argument("--bfloat16", action="store_true")
    p.add_argument("--without", action="append", default=[], choices=VARIANTS, help="a variant of PyTorch to leave out")
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--repeats", type=int)
    a = p.parse_args()
    output, imported = run([PYTHON, "measure.py", "--list"])
    peer = json.loads(output)
    cases = [c for c in peer["cases"] if any(re.search(pattern, c) for pattern in a.cases)]
    if not cases:
        sys.exit(f"no case matches {a.cases}; there are {peer['cases']}")
    for name in a.without:
        del VARIANTS[name]
    cores = len(os.sched_getaffinity(0))
    print(f"- {datetime.date.today()}, {processor()}, {cores} cores, as many threads, load before {os.getloadavg()[0]:.1f}")
    print(f"- unnas {text('git', 'describe', '--always', '--dirty')}, {text('go', 'env', 'GOVERSION')}")
    print(f"- PyTorch {peer['torch']}, which takes {imported:.0f} MiB to be imported")
    print(f"- {'bfloat16' if a.bfloat16 else 'float32'}, median of {a.rounds} rounds; faster and smaller: beside the best of PyTorch; best: least times beside each other")
    print()
    print(f"| case | unnas | {' | '.join(VARIANTS)} | faster | best | unnas MiB | PyTorch MiB | smaller |")
    print("|---" * (len(VARIANTS) + 7) + "|", flush=True)
    with tempfile.TemporaryDirectory() as tmp:
        for package in {PACKAGES[c.split("/")[0]] for c in cases}:
            subprocess.run(["go", "test", "-c", "-o", f"{tmp}/{package}", f"./{package}"], cwd=ROOT, check=True)
        for case in cases:
            kind = case.split("/")[0]
            row = compare(case, f"{tmp}/{PACKAGES[kind]}", a.rounds, a.repeats or REPEATS[kind], a.bfloat16)
            own, *rest = row.values()
            times = " | ".join(duration(r[0]) if r else "–" for r in row.values())
            rest = [r for r in rest if r]
            if not own or not rest:
                print(f"| {case} | {times} | | | | | |", flush=True)
                continue
            fastest, least, best = min(r[0] for r in rest), min(r[1] for r in rest), min(r[2] for r in rest)
            print(
                f"| {case} | {times} | {fastest / own[0]:.1f}× | {best / own[2]:.1f}× | {own[1]:.0f} | {least:.0f} | {least / own[1]:.1f}× |",
                flush=True,
            )


main()
