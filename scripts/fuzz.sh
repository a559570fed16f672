#!/bin/bash
# fuzz.sh TARGET SECONDS: runs one libFuzzer target of tests/fuzz (such as "record") for so long, starting from its committed
# corpus. New inputs are kept in build/fuzz/corpus/TARGET, what crashed in build/fuzz/crashes/TARGET; put the latter, fixed,
# into tests/fuzz/corpus/TARGET. Ends with 0 when nothing was found.
set -euo pipefail
cd "$(dirname "$0")/.."
if [ $# -ne 2 ] || ! [[ $2 =~ ^[1-9][0-9]*$ ]]; then
  echo "usage: fuzz.sh TARGET SECONDS; targets: $(cd tests/fuzz && ls ./*_fuzz.cc | sed 's|^./||; s|_fuzz.cc$||' | xargs)" >&2
  exit 2
fi
target=$1
seconds=$2
if [ ! -f "tests/fuzz/${target}_fuzz.cc" ]; then
  echo "fuzz.sh: there is no tests/fuzz/${target}_fuzz.cc" >&2
  exit 2
fi
build=${SLUICE_FUZZ_BUILD:-build/fuzz}
cmake --preset fuzz -B "$build" >/dev/null
cmake --build "$build" --target "${target}_fuzz"
mkdir -p "$build/corpus/$target" "$build/crashes/$target"
exec "$build/bin/${target}_fuzz" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=1024 -max_len=65536 \
  -print_final_stats=1 -artifact_prefix="$build/crashes/$target/" "$build/corpus/$target" "tests/fuzz/corpus/$target"
