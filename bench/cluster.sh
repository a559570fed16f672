#!/usr/bin/env bash
# cluster.sh [DIR] [WHAT...]: what a cluster of three brokers on this machine reaches, each figure beside the one that was
# asked for. DIR is on the disk to measure (default: a temporary directory). WHAT is any of forming, failover, cpu,
# latency, many; all without. ROUNDS sets the rounds of failover (50). Wants a quiet machine and
# scripts/build.sh release sluiced sluice sluice_cluster_load
set -euo pipefail
cd "$(dirname "$0")/.."
bin=$PWD/build/release/bin
rounds=${ROUNDS:-50}
base=${1:-/tmp}
shift || true
what=${*:-forming failover cpu latency many}
work=$(mktemp -d "$base/sluice-cluster-bench.XXXXXX")
dir=$work/none
trap 'stop_cluster; rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

start_cluster() {
  dir=$work/$1
  SLUICE_BROKERS=$(scripts/cluster.sh start "$dir" | tail -1)
  export SLUICE_BROKERS
}
stop_cluster() { [ ! -f "$dir/seeds" ] || scripts/cluster.sh stop "$dir"; }
sluice() { "$bin/sluice" "$@"; }
load() { "$bin/sluice_cluster_load" -b "$SLUICE_BROKERS" --script scripts/cluster.sh --dir "$dir" "$@"; }
pids() { cat "$dir"/*/pid; }
# CPU seconds of all brokers so far, in hundredths.
ticks() { for pid in $(pids); do awk '{ print $14 + $15 }' "/proc/$pid/stat"; done | awk '{ n += $1 } END { print n }'; }
field() { tr -d ' \n' | sed -n "s/.*\"$1\":\([0-9.]*\).*/\1/p"; }
# row WHAT REACHED ASKED
row() { printf '%-72s %-34s %s\n' "$@"; }
quantiles() { echo "p50 $(field p50_ms <"$work/result" | cut -d. -f1) p99 $(field p99_ms <"$work/result" | cut -d. -f1) max $(field max_ms <"$work/result" | cut -d. -f1) ms"; }

# What one bench left to be written is not to be paid by the next, and pages that were not used for a while cost more.
settle() {
  sync -f "$work"
  head -c 3000M /dev/zero >"$work/touched"
  rm "$work/touched"
}

forming() {
  local took=() begin round
  for round in $(seq 9); do
    begin=$(date +%s%N)
    start_cluster "forming-$round"
    sluice -q topic create first -p 1 -r 3 -c min.insync.replicas=2 --if-not-exists
    echo first | sluice -q produce first
    took+=($((($(date +%s%N) - begin) / 1000000)))
    stop_cluster
  done
  row "three brokers form from nothing and take a record with 3 replicas, 9 rounds" \
    "p50 $(printf '%s\n' "${took[@]}" | sort -n | sed -n 5p) max $(printf '%s\n' "${took[@]}" | sort -n | tail -1) ms" "< 3000 ms"
}

failover() {
  local verb
  start_cluster failover
  sluice -q topic create t -p 3 -r 3 -c min.insync.replicas=2
  for verb in kill-leader kill-controller restart-leader; do
    load --topic t --rounds "$rounds" $verb >"$work/result"
    case $verb in
      kill-leader) row "kill -9 of a leader, $rounds rounds: no acknowledgement for" "$(quantiles)" "p99 < 2000 ms" ;;
      kill-controller) row "kill -9 of the controller, $rounds rounds: no acknowledgement for" "$(quantiles)" "< 2000 ms" ;;
      restart-leader) row "graceful restart of a leader, $rounds rounds: no acknowledgement for" "$(quantiles)" "< 200 ms" ;;
    esac
    [ "$(field failed_records <"$work/result")" = 0 ] || row "records that failed for good" "$(field failed_records <"$work/result")" 0
  done
  stop_cluster
}

# produce FACTOR: what 1 GB of 1 KiB records costs all brokers, in hundredths of a second.
produce() {
  local topic=f$1-$RANDOM before
  sluice -q topic create "$topic" -p 3 -r "$1"
  settle
  before=$(ticks)
  sluice -o json bench produce "$topic" --records 1000000 --size 1024 --acks all >/dev/null
  # The followers and the disk get the rest.
  sync -f "$work"
  sleep 1
  echo $(($(ticks) - before))
  sluice -q topic delete "$topic" --yes
}

# Factors take turns, so that a drifting machine moves both.
cpu() {
  local one=0 three=0 round
  start_cluster cpu
  for round in 1 2 3; do
    one=$((one + $(produce 1)))
    three=$((three + $(produce 3)))
  done
  stop_cluster
  row "broker CPU seconds per GB, factor 1 and factor 3, acks all, 1 KiB records" \
    "$(awk -v a=$one -v b=$three 'BEGIN { printf "%.2f and %.2f: %.2f times", a / 307.2, b / 307.2, b / a }')" "<= 3.3 times"
}

latency() {
  local one three ping
  start_cluster latency
  sluice -q topic create one -p 1 -r 1
  sluice -q topic create three -p 1 -r 3 -c min.insync.replicas=2
  load --topic one latency >"$work/result"
  one=$(field p50_ms <"$work/result")
  load --topic three latency >"$work/result"
  three=$(field p50_ms <"$work/result")
  ping=$(field ping_pong_ms <"$work/result")
  stop_cluster
  row "produce latency p50, 500 records of 1 KiB a second: factor 1, factor 3, ping-pong" \
    "$(printf '%.3f, %.3f, %.3f ms' "$one" "$three" "$ping")" \
    "$(awk -v a="$one" -v p="$ping" 'BEGIN { printf "<= %.3f ms", a + 3 * p }')"
}

many() {
  local before pid
  start_cluster many
  sluice -q topic create t -p 3000 -r 3 -c min.insync.replicas=2
  # Wait out what the creation leaves to be done.
  sleep 20
  for pid in $(pids); do
    before=$(awk '{ print $14 + $15 }' "/proc/$pid/stat")
    sleep 20
    row "3,000 partitions at factor 3: idle CPU of a broker, resident" \
      "$(awk -v a="$before" '{ printf "%.1f %% of a core", ($14 + $15 - a) / 20 }' "/proc/$pid/stat"), $(awk '/VmRSS/ { printf "%.0f MB", $2 / 1e3 }' "/proc/$pid/status")" \
      "< 3 %, < 150 MB"
  done
  load --topic t --rounds 5 many >"$work/result"
  row "kill -9 of a broker with $(field leaders <"$work/result") leaders, 5 rounds: until all are led again" "$(quantiles)" "< 5000 ms"
  stop_cluster
}

row FIGURE REACHED ASKED
for each in $what; do
  case $each in
    forming | failover | cpu | latency | many) $each ;;
    *) echo "cluster.sh: '$each' is unknown; take forming, failover, cpu, latency or many" >&2; exit 2 ;;
  esac
done
