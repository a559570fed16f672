#!/usr/bin/env bash
# simulate.sh SIM SEEDS [--seed FIRST] [ARGUMENTS OF sim...]: runs so many seeds in one process a core, each a range of them.
# What breaks is shown with its seed; the others go on. As long as you like: a million seeds of three brokers are about two
# days on two cores.
set -euo pipefail

sim=$1
seeds=$2
shift 2
first=1
if [ "${1:-}" = --seed ]; then
  first=$2
  shift 2
fi
jobs=${SLUICE_JOBS:-$(nproc)}
each=$(((seeds + jobs - 1) / jobs))
logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT
started=$SECONDS

pids=()
for ((job = 0; job < jobs; ++job)); do
  from=$((first + job * each))
  count=$((first + seeds - from < each ? first + seeds - from : each))
  [ "$count" -gt 0 ] || continue
  "$sim" --keep-going "$@" --seed "$from" --seeds "$count" > "$logs/$job" 2>&1 &
  pids+=($!)
done
code=0
for pid in "${pids[@]}"; do wait "$pid" || code=1; done
# A process that ended by a CHECK ends behind the seed that it was at.
if [ $code -ne 0 ]; then
  for log in "$logs"/*; do
    grep -qE '^0 of [0-9]+ seeds broke' "$log" || grep -vE '^seed [0-9]+: trace' "$log" || true
  done
fi
echo "$seeds seeds from $first, ${*:-}: $((SECONDS - started)) s on $jobs cores"
exit $code
