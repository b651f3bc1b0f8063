#!/usr/bin/env bash
# Checks and measures a device in less than nine minutes, beside PyTorch, and writes a table.
#
#     internal/xla/device_test.sh build FOLDER           where Go is
#     internal/xla/device_test.sh run FOLDER [OPTION...] where the device is, in the same tree
#
# It compares operators and small networks with the CPU and with golden cases, times steps of
# a search and of a training, and searches real images for a hundred steps. FOLDER gets
# table.md and a log of each part. What does not fit into the time is left out, and said.
#
#     -device NAME    cuda, tpu or the path of a plugin [cuda]
#     -python PATH    a Python with PyTorch [python3]
#     -data DIR       images to search, a folder or CIFAR-10 [built-in scenes]
#     -cases "CASE…"  of internal/peer/measure.py ["Step/cifar/batch=64 Train/cifar/batch=96"]
#     -steps N        of each measurement [20]
#     -search "FLAG…" more flags of the search, such as "-cells 2 -width 4"
#     -operators RE   of the tests of operators, such as /ReLU [all]
#     -seconds N      for everything [520]
set -uo pipefail

cd "$(dirname "$0")/../.."
[ $# -ge 2 ] || { sed -n '2,/^set/s/^# \{0,1\}//p' "$0" | sed '$d' >&2; exit 2; }
command=$1
mkdir -p "$2"
folder=$(cd "$2" && pwd)
shift 2

if [ "$command" = build ]; then
	for package in internal/xla internal/golden ops darts; do
		go test -c -ldflags='-s -w' -o "$folder/$(basename $package).test" "./$package" || exit
	done
	go build -ldflags='-s -w' -o "$folder/unnas" ./examples/unnas || exit
	cd "$folder" && tar czf programs.tar.gz --remove-files ./*.test unnas # small enough to travel
	exit
fi
tar xzf "$folder/programs.tar.gz" -C "$folder" || exit

device=cuda python=python3 data='' cases='Step/cifar/batch=64 Train/cifar/batch=96' steps=20 search='' operators='' seconds=520
while [ $# -ge 2 ]; do
	case $1 in
	-device | -python | -data | -cases | -steps | -search | -operators | -seconds) declare "${1#-}=$2" && shift 2 ;;
	*) break ;;
	esac
done
[ $# -eq 0 ] || { echo "device_test.sh: $1 is no option, or has no value" >&2; exit 2; }

export UNNAS_TEST_DEVICE=$device UNNAS_BENCH_DEVICE=$device XDG_CACHE_HOME=$folder/cache PYTHONUNBUFFERED=1
[ -e "$device" ] || [ "$device" = cuda ] || [ "$device" = tpu ] || echo "device_test.sh: no file $device" >&2
torch=cpu
[ "$device" = cuda ] && torch=cuda
table=$folder/table.md
: >"$table"
say() { echo "$*" | tee -a "$table"; }

# part NAME COMMAND… runs a command in the time that is left, with its output in a log.
part() {
	local log=$folder/$1.log left=$((seconds - SECONDS))
	shift
	[ $left -gt 5 ] || { echo "no time was left" >"$log" && return 1; }
	timeout -k 5 $left "$@" >"$log" 2>&1
}

# verdict NAME PACKAGE PATTERN runs tests and adds a row.
verdict() {
	local begin=$SECONDS result=failed
	(cd "$2" && part "$1" "$folder/$(basename "$2").test" -test.v -test.run "$3") && result=passed
	grep -q '^--- SKIP\|^no time' "$folder/$1.log" && result='not run'
	say "| $1 | $result | $(grep -c -- '--- PASS' "$folder/$1.log") passed, $(grep -c -- '--- FAIL' "$folder/$1.log") failed, $((SECONDS - begin)) s |"
}

# row CASE WHO MILLISECONDS MIB adds a row of the second table.
row() { say "| $1 | $2 | ${3:--} | ${4:--} |"; }

# bench CASE STEPS times a case of the library.
bench() {
	local pattern="^Benchmark${1//\//\$/^}\$"
	(cd darts && part "unnas ${1//\//-}" "$folder/darts.test" -test.run '^$' -test.bench "$pattern" -test.benchtime "$2x")
}

say "# $(date -u +%F), $device"
say
"$folder/unnas" devices >"$folder/devices.log" 2>&1
nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader 2>/dev/null | tee -a "$table"
say
say '| check | result | |'
say '|---|---|---|'
# XLA compiles the programs that are timed while the checks run.
for c in $cases; do bench "$c" 1 & done
verdict operators internal/xla "TestOperators$operators"
verdict compositions ops 'TestCompositionsOnDevice'
verdict golden internal/golden 'TestGoldenOnDevice'
wait

say
say '| case | | ms a step | MiB of the device |'
say '|---|---|---|---|'
for c in $cases; do
	bench "$c" "$steps"
	read -r ms mib < <(awk '/ns\/op/ { for (i = 2; i <= NF; i++) { if ($i == "ns/op") t = $(i-1) / 1e6; if ($i == "device-MiB") m = $(i-1) } printf "%.2f %.0f\n", t, m }' "$folder/unnas ${c//\//-}.log")
	row "$c" unnas "${ms:-}" "${mib:-}"
	ms='' mib=''
	for variant in 'eager:' 'AMP:--bfloat16' 'CUDA graph:--cuda-graph' 'torch.compile:--compile default --limit 100'; do
		name=${variant%%:*}
		[ "$name" = 'CUDA graph' ] && [ $torch = cpu ] && continue
		[ "$name" = torch.compile ] && [[ $c == Step/* ]] && continue # takes too long
		# shellcheck disable=SC2086
		part "$name ${c//\//-}" "$python" internal/peer/measure.py --device $torch --layout nhwc --repeats "$steps" ${variant#*:} "$c"
		read -r ms mib < <("$python" -c 'import json, sys; r = json.loads(open(sys.argv[1]).read().splitlines()[-1]); print("%.2f" % (1e3 * r["seconds"]), "%.0f" % (r["bytes"] / 2**20) if "bytes" in r else "")' "$folder/$name ${c//\//-}.log" 2>/dev/null)
		row "$c" "PyTorch, $name" "${ms:-}" "${mib:-}"
		ms='' mib=''
	done
done

rm -rf "$folder/search"
begin=$SECONDS
# shellcheck disable=SC2086
part search "$folder/unnas" search -task classification -device "$device" -subset 12800 -batch 64 -epochs 1 -out "$folder/search" ${data:+-data "$data"} $search
say
say "A search of one epoch ($((SECONDS - begin)) s, of which XLA compiled a part): $(grep '"epoch"' "$folder/search/metrics.jsonl" 2>/dev/null | tail -n 1 | cut -c 1-200 || true)"
say
say "All of it took $SECONDS s."
