#!/usr/bin/env bash
# test-power-cut.sh [ROUNDS]: produces with a flush on every acknowledgement onto an ext4 of its own, cuts its power in
# the middle (the ext4 shutdown ioctl without a log flush: what is not on the disk is gone), mounts it again and
# compares: every acknowledged record must be there. Needs root and loop devices; exits with 77 without.
set -euo pipefail
cd "$(dirname "$0")/.."

rounds=${1:-3}
[ "$(id -u)" -eq 0 ] || { echo "test-power-cut: needs root to mount a file system" >&2; exit 77; }
for tool in mkfs.ext4 losetup perl; do
  command -v "$tool" >/dev/null || { echo "test-power-cut: there is no $tool here" >&2; exit 77; }
done
scripts/build.sh release
bin=$PWD/build/release/bin
export PATH="$bin:$PATH"
. scripts/broker.sh

dir=$(mktemp -d)
feeder=
clean_up() {
  for process in $feeder $broker; do kill -9 "$process" 2>/dev/null || true; done
  wait 2>/dev/null || true
  mountpoint -q "$dir/disk" && umount "$dir/disk"
  rm -rf "$dir"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

mkdir "$dir/disk"
truncate -s 400M "$dir/image"
mkfs.ext4 -q "$dir/image"
mount -o loop "$dir/image" "$dir/disk" 2>/dev/null ||
  { echo "test-power-cut: cannot mount a loop device here" >&2; exit 77; }
# Only the data lie on the disk that fails, not the broker's log of what happened.
mkdir "$dir/disk/data"
sync -f "$dir/disk"
ln -s "$dir/disk/data" "$dir/data"

# One run of `sluice produce` a batch of lines: it is acknowledged as a whole when the exit code says so.
feed() {
  local round=$1 i
  for i in $(seq 100000); do
    seq -f "$round-$i-%g" 1 50 >"$dir/batch"
    sluice produce t "$dir/batch" -q -X delivery.timeout.ms=1000 -X max.block.ms=1000 2>/dev/null || return 0
    cat "$dir/batch" >>"$dir/acknowledged"
  done
}

: >"$dir/acknowledged"
start_broker "$dir"
sluice topic create t -p 1 -c flush=every
for round in $(seq "$rounds"); do
  before=$(wc -l <"$dir/acknowledged")
  feed "$round" &
  feeder=$!
  while [ $(($(wc -l <"$dir/acknowledged") - before)) -lt $((1000 + round * 350)) ]; do
    kill -0 "$feeder" 2>/dev/null || { echo "test-power-cut: producing ended by itself" >&2; cat "$dir/broker.log" >&2; exit 1; }
    sleep 0.02
  done
  # EXT4_IOC_SHUTDOWN with EXT4_GOING_FLAGS_NOLOGFLUSH.
  perl -e 'open(my $d, "<", $ARGV[0]) or die; my $flag = pack("L", 2); ioctl($d, 0x8004587d, $flag) or die "shutdown: $!"' "$dir/disk"
  wait "$feeder" || true
  feeder=
  kill -9 "$broker" 2>/dev/null || true
  wait "$broker" 2>/dev/null || true
  broker=
  umount "$dir/disk"
  mount -o loop "$dir/image" "$dir/disk"
  start_broker "$dir"
  sluice consume t --until end | LC_ALL=C sort -u >"$dir/stored"
  LC_ALL=C sort -u "$dir/acknowledged" >"$dir/wanted"
  lost=$(LC_ALL=C comm -23 "$dir/wanted" "$dir/stored" | wc -l)
  [ "$lost" -eq 0 ] || { echo "test-power-cut: round $round lost $lost acknowledged records" >&2; exit 1; }
  echo "round $round: $(wc -l <"$dir/wanted") acknowledged records, all there"
done
kill "$broker"
wait "$broker"
broker=
sluice log dump "$dir/disk/data" --verify -q
