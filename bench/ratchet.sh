#!/usr/bin/env bash
# ratchet.sh [BIN]: counts the broker's instructions for one 16 KiB produce and one 1 MiB fetch under callgrind and fails
# when either is more than 5 % above what bench/ratchet.txt allows. A count that fell is to be written there.
set -euo pipefail
cd "$(dirname "$0")/.."
bin=${1:-$PWD/build/release/bin}
. scripts/broker.sh
dir=$(mktemp -d)
trap 'stop_broker; rm -rf "$dir"' EXIT
# Valgrind 3.19 does not read clang 19's debug information; the symbols are enough.
sluiced=$dir/sluiced
strip -g -o "$sluiced" "$bin/sluiced"

# count PRODUCES FETCHES: instructions of a broker's whole life with that work in it.
count() {
  rm -rf "$dir/data"
  broker_flags="--set disk.backend=threads --set workers=1" start_broker "$dir" \
    valgrind --tool=callgrind --callgrind-out-file="$dir/callgrind.out" >"$dir/valgrind.log"
  "$bin/sluice" -q topic create ratchet -p 1 >/dev/null
  "$bin/sluice_load" -b "$SLUICE_BROKERS" --topic ratchet drive --produces "$1" --fetches "$2" >/dev/null
  stop_broker
  sed -n 's/^totals: //p' "$dir/callgrind.out"
}

allowed() { awk -v what="$1" '$1 == what { print $2 }' bench/ratchet.txt; }
# within WHAT COUNT: at most 5 % above what is allowed.
within() { [ "$2" -le $(($(allowed "$1") * 21 / 20)) ]; }

# A reader that is slow to be scheduled leaves more to be sent in parts and woken for: noise only adds, so the least of
# three counts.
failed=1
for _ in 1 2 3; do
  few=$(count 500 0)
  more=$(count 1500 0)
  fetched=$(count 500 500)
  produce=$(((more - few) / 1000))
  fetch=$(((fetched - few) / 500))
  echo "produce: $produce instructions, $(allowed produce) allowed"
  echo "fetch: $fetch instructions, $(allowed fetch) allowed"
  within produce "$produce" && within fetch "$fetch" && failed=0 && break
done
exit $failed
