#!/usr/bin/env bash
# run.sh [DIR]: every figure of docs/performance.md, one JSON object a line. DIR is on the disk to measure (default: a
# temporary directory). Wants a quiet machine and build/release with everything: scripts/build.sh release all
set -euo pipefail
cd "$(dirname "$0")/.."
bin=$PWD/build/release/bin
. scripts/broker.sh
dir=$(mktemp -d "${1:-/tmp}/sluice-bench.XXXXXX")
trap 'stop_broker; rm -rf "$dir"' EXIT
load() { "$bin/sluice_load" -b "$SLUICE_BROKERS" --dir "$dir" --pid "$broker" "$@"; }
alone() { "$bin/sluice_load" --dir "$dir" --sluiced "$bin/sluiced" "$@"; }
ticks() { awk '{ print $14 + $15 }' "/proc/$broker/stat"; }
# end_to_end NAME COMMAND...: runs it and adds what it cost the broker.
end_to_end() {
  local name=$1 before after
  shift
  before=$(ticks)
  "$@" >"$dir/result"
  after=$(ticks)
  tr -d '\n' <"$dir/result" | awk -v name="$name" -v seconds="$(((after - before)))" '{
    gsub(/  +/, " ")
    match($0, /"bytes": [0-9]+/)
    gb = substr($0, RSTART + 9, RLENGTH - 9) / 1e9
    printf "{\"bench\":\"%s\",\"broker_cpu_seconds_per_gb\":%.2f,\"result\":%s}\n", name, seconds / 100 / gb, $0 }'
}

# What one bench left to be written is not to be paid by the next. And a virtual machine's host gives a page that was not
# used for a while only when it is touched, which costs three times the write: the pages are touched before.
settle() {
  sync -f "$dir"
  head -c 1500M /dev/zero >"$dir/touched"
  rm "$dir/touched"
}

settle
alone append
settle
alone recovery
settle
alone --rounds 9 start
alone --connections 10000 idle
strip -o "$dir/stripped" "$bin/sluiced"
echo "{\"bench\":\"size of sluiced, stripped\",\"bytes\":$(stat -c %s "$dir/stripped")}"

start_broker "$dir"
sluice=("$bin/sluice" -o json)
for topic in ingest fetch echo e2e1 latency; do "$bin/sluice" -q topic create "$topic" -p 1; done
"$bin/sluice" -q topic create e2e4 -p 4
"$bin/sluice" -q topic create synced -p 1 -c flush=every
"$bin/sluice" -q topic create synced8 -p 8 -c flush=every

settle
for partitions in 1 4; do
  end_to_end "produce, one producer, 100-byte records, 16 KiB batches, partitions: $partitions" \
    "${sluice[@]}" bench produce "e2e$partitions" --records 5000000 --size 100 --acks 1
  end_to_end "consume, partitions: $partitions" "${sluice[@]}" bench consume "e2e$partitions"
  settle
done
settle
end_to_end "latency, 10,000 records a second of 1 KiB, acks 1, linger 0" \
  "${sluice[@]}" bench latency latency --rate 10000 --size 1024 --duration 10
settle
end_to_end "produce with flush=every, 8 producers, 1 KiB" \
  "${sluice[@]}" bench produce synced8 --records 1000000 --size 1024 --producers 8 --acks all
settle
load --topic ingest ingest
settle
load --topic fetch fetch
settle
load --topic echo echo --connections 1
load --topic echo echo --connections 100
load --topic synced sync

# The floor serves its hundred connections with one thread. With a thread more than there are cores beside the client, the
# slowest of a hundred are those whose worker was not scheduled.
stop_broker
echo '{"with":"workers=1, as many threads as the floor has"}'
broker_flags="--set workers=1" start_broker "$dir"
load --topic echo echo --connections 100
end_to_end "latency, 10,000 records a second of 1 KiB, acks 1, linger 0" \
  "${sluice[@]}" bench latency latency --rate 10000 --size 1024 --duration 10
