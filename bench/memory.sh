#!/usr/bin/env bash
# memory.sh [DIR] [WHAT...]: whether a broker keeps to the memory it was given, and whether cold readers leave others alone.
# DIR is on the disk to measure (default: a temporary directory). WHAT is any of hostile, cold, lone, burst; all without.
# Makes control groups of its own, so wants root, and scripts/build.sh release sluiced sluice sluice_load
set -euo pipefail
cd "$(dirname "$0")/.."
bin=$PWD/build/release/bin
. scripts/broker.sh
base=${1:-/tmp}
shift || true
what=${*:-hostile cold lone burst}
dir=$(mktemp -d "$base/sluice-memory-bench.XXXXXX")
group=sluice-bench-$$
trap 'stop_broker; drop_group; rm -rf "$dir"' EXIT
trap 'exit 130' INT TERM
sluice() { "$bin/sluice" "$@"; }
field() { tr -d ' \n' | sed -n "s/.*\"$1\":\([0-9.]*\).*/\1/p"; }

# Control groups of version 2, or of version 1 where that has the memory controller.
if [ -f /sys/fs/cgroup/cgroup.controllers ]; then
  memory_group=/sys/fs/cgroup/$group
  limit_memory() { echo "$1" >"$memory_group/memory.max"; }
  oom_kills() { awk '$1 == "oom_kill" { print $2 }' "$memory_group/memory.events"; }
else
  memory_group=/sys/fs/cgroup/memory/$group
  limit_memory() { echo "$1" >"$memory_group/memory.limit_in_bytes"; }
  oom_kills() { awk '$1 == "oom_kill" { print $2 }' "$memory_group/memory.oom_control"; }
fi
io_group=/sys/fs/cgroup/blkio/$group

make_group() {
  mkdir -p "$memory_group"
  limit_memory "$1"
}
drop_group() { rmdir "$memory_group" "$io_group" 2>/dev/null || true; }
# inside COMMAND...: in the groups there are.
inside() {
  echo $BASHPID >"$memory_group/cgroup.procs"
  [ ! -d "$io_group" ] || echo $BASHPID >"$io_group/cgroup.procs"
  exec "$@"
}

# A group of 128 MB and a cap of 64 MB: 5,000 connections that announce 50 MB each and send a part, 200 that ask for all they
# can and read nothing, 50 producers at full speed, 500 partitions. Every record that was acknowledged is there.
hostile() {
  make_group 134217728
  broker_flags="--set memory.max=64MiB" start_broker "$dir" inside
  sluice -q topic create load -p 500
  sluice -q topic create bench -p 1
  sluice -o json bench produce bench --records 400000 --size 1000 --acks 1 >"$dir/filled"
  sluice -o json bench produce load --producers 50 --records "${RECORDS:-3000000}" --size 100 --acks all \
    >"$dir/produced" 2>"$dir/produced.err" &
  local producers=$! begin=$SECONDS
  "$bin/sluice_load" -b "$SLUICE_BROKERS" --pid "$broker" --topic bench hostile --seconds "${SECONDS_OF_PRESSURE:-30}"
  wait $producers || true
  local stored
  stored=$(sluice -o json offsets load | tr -d ' \n' | grep -o '"end":[0-9]*' | cut -d: -f2 | awk '{ n += $1 } END { print n + 0 }')
  echo "{\"bench\":\"producers beside them\",\"seconds\":$((SECONDS - begin)),\"acknowledged\":$(field records <"$dir/produced")," \
    "\"stored\":$stored,\"error\":\"$(tail -1 "$dir/produced.err" | tr -d '"')\",\"oom_kills\":$(oom_kills)," \
    "\"changes_of_pressure\":$(grep -c 'memory pressure' "$dir/broker.log")}"
  stop_broker
  drop_group
  rm -rf "$dir/data"
}

# What the device gives in a second to who reads through it.
throttle_reads() {
  local device
  device=$(lsblk -no MAJ:MIN "$(df --output=source "$dir" | tail -1)" | head -1 | tr -d ' ')
  if [ -f /sys/fs/cgroup/cgroup.controllers ]; then
    echo "$device rbps=$1" >"$memory_group/io.max"
  else
    mkdir -p "$io_group"
    echo "$device $1" >"$io_group/blkio.throttle.read_bps_device"
  fi
}
# Looks at the broker's workers a hundred times a second and says, once it is ended, which share of the looks found one
# that waits for a device. (Delay accounting would count it, but adds seconds here for waits that end within moments.)
watch_workers() {
  local looks=0 waiting=0 line task
  local tasks=()
  for task in /proc/"$broker"/task/*; do
    [[ $(<"$task/comm") != worker-* ]] || tasks+=("$task/stat")
  done
  trap 'echo "{\"looks\":$looks,\"waiting\":$waiting}"; exit' TERM
  while :; do
    for task in "${tasks[@]}"; do
      read -r line <"$task"
      looks=$((looks + 1))
      [[ $line != *") D "* ]] || waiting=$((waiting + 1))
    done
    read -r -t 0.01 <>"$dir/never" || true
  done
}

# measure NAME: latencies of a producer of 20 MB/s and of a reader at its tail, for ten seconds.
measure() {
  local watcher looks waiting
  watch_workers >"$dir/workers" &
  watcher=$!
  sluice -o json bench latency tail --rate 500 --duration 10s --warm-up 0s >"$dir/tail" &
  local reader=$!
  sluice -o json bench produce hot --rate 20000 --records 200000 --size 1000 --acks 1 --linger 0 >"$dir/hot"
  wait $reader
  kill $watcher
  wait $watcher || true
  looks=$(field looks <"$dir/workers") waiting=$(field waiting <"$dir/workers")
  echo "{\"bench\":\"$1\",\"produce_p99_ms\":$(field p99 <"$dir/hot"),\"tail_p99_ms\":$(field p99 <"$dir/tail"),\"workers_waiting_permille\":$((waiting * 1000 / looks))}"
}

# A group of 512 MB, reads throttled to 50 MB/s, a scan of 2 GB of old records beside the others: pairs without and with it.
cold() {
  local isolated scan pair
  [ -p "$dir/never" ] || mkfifo "$dir/never"
  for isolated in true false; do
    make_group 536870912
    mkdir -p "$io_group"
    broker_flags="--set memory.max=64MiB --set cold_reads.isolated=$isolated" start_broker "$dir" inside
    sluice -q topic create old -p 1
    sluice -q topic create hot -p 1
    sluice -q topic create tail -p 1
    sluice -o json bench produce old --records 2000000 --size 1000 --acks 1 >"$dir/filled"
    sync -f "$dir"
    throttle_reads 52428800
    for pair in $(seq "${PAIRS:-5}"); do
      measure "beside nothing, isolated=$isolated, pair $pair"
      sluice -o json bench consume old >"$dir/scan" 2>&1 &
      scan=$!
      measure "beside a cold scan, isolated=$isolated, pair $pair"
      kill -INT $scan 2>/dev/null || true
      wait $scan || true
    done
    stop_broker
    drop_group
    rm -rf "$dir/data"
  done
}

# milliseconds COMMAND...: how long it took, in ms.
milliseconds() {
  local begin
  begin=$(date +%s%N)
  "$@" >/dev/null 2>&1
  echo $((($(date +%s%N) - begin) / 1000000))
}

# One reader of 1 GB that is not in memory, with nobody beside it, against a bare sequential read of the same files; reads
# throttled to 200 MB/s, so that the device is the limit.
lone() {
  make_group 4294967296
  mkdir -p "$io_group"
  broker_flags="--set memory.max=64MiB" start_broker "$dir" inside
  sluice -q topic create old -p 1
  sluice -o json bench produce old --records 1000000 --size 1000 --acks 1 >"$dir/filled"
  sync -f "$dir"
  throttle_reads 209715200
  local round bare ours segment
  segment=$(ls "$dir"/data/old-0/*.log | head -1)
  for round in $(seq "${PAIRS:-3}"); do
    echo 3 >/proc/sys/vm/drop_caches
    bare=$(milliseconds inside_of_it "$segment")
    echo 3 >/proc/sys/vm/drop_caches
    ours=$(milliseconds sluice bench consume old --records 1000000)
    echo "{\"bench\":\"a lone cold reader, round $round\",\"bare_ms\":$bare,\"reader_ms\":$ours,\"ratio_percent\":$((bare * 100 / ours))}"
  done
  stop_broker
  drop_group
  rm -rf "$dir/data"
}
# As inside(), and back.
inside_of_it() { (inside bash -c 'dd if="$1" of=/dev/null bs=1M' - "$1"); }

# What a broker keeps a minute after fifty producers at full speed (not idempotent: what is known of producers stays on
# purpose) and six readers.
burst() {
  broker_flags="--set memory.max=256MiB" start_broker "$dir"
  local before most=0 now producers
  anonymous() { awk '/^RssAnon/ { print $2 }' "/proc/$broker/status"; }
  sluice -q topic create load -p 100
  sluice -o json bench produce load --records 100000 --size 1000 --acks 1 >/dev/null
  sleep 60
  before=$(anonymous)
  sluice -o json bench produce load --producers 50 --records 1500000 --size 1000 --acks 1 >/dev/null &
  producers=$!
  for _ in 1 2 3 4 5 6; do sluice -q bench consume load --records 1000000 >/dev/null 2>&1 & done
  while kill -0 $producers 2>/dev/null; do
    now=$(anonymous)
    most=$((now > most ? now : most))
    sleep 0.1
  done
  wait $producers
  sleep 60
  now=$(anonymous)
  echo "{\"bench\":\"a minute after a burst\",\"before_kb\":$before,\"most_kb\":$most,\"after_kb\":$now}"
  stop_broker
  rm -rf "$dir/data"
}

for each in $what; do "$each"; done
