#!/usr/bin/env bash
# quickstart.sh: installs what is needed, builds the release, starts a broker on a temporary directory, sends it a keyed
# word list of more than 100,000 lines over 4 partitions, reads it back, compares every record byte for byte, and stops
# the broker. Leaves nothing behind but the build and the installed packages.
set -euo pipefail
cd "$(dirname "$0")/.."

# A word list in utf-8 with more than 100,000 lines.
words=/usr/share/dict/american-english
if [ ! -r "$words" ]; then
  as_root=()
  [ "$(id -u)" -eq 0 ] || as_root=(sudo)
  "${as_root[@]}" apt-get -qq -o DPkg::Lock::Timeout=300 update
  DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get -qq -o DPkg::Lock::Timeout=300 install -y \
    --no-install-recommends wamerican >/dev/null
fi
scripts/build.sh release
bin=$PWD/build/release/bin
export PATH="$bin:$PATH"
. scripts/broker.sh

dir=$(mktemp -d)
trap 'stop_broker; rm -rf "$dir"' EXIT
trap 'exit 130' INT TERM
start_broker "$dir"
echo "broker $broker is ready on $SLUICE_BROKERS"

# The key is the line's number, so that every record is told from every other.
awk '{ print NR ":" $0 }' "$words" >"$dir/sent"
lines=$(wc -l <"$dir/sent")
[ "$lines" -ge 100000 ] || { echo "quickstart: $words has only $lines lines" >&2; exit 1; }

sluice topic create words -p 4
sluice produce words -K: "$dir/sent"

started=$(date +%s%N)
sluice consume words --from beginning --until end -f '%k:%s\n' >"$dir/received"
took=$(($(date +%s%N) - started))
awk -v n="$lines" -v ns="$took" 'BEGIN { printf "%d records read back in %.2f s (%.1f M records/s, start of the program included)\n", n, ns / 1e9, n / ns * 1e3 }'
sluice offsets words

# Within a partition the order is kept; between partitions there is none, so compare in the order of the keys.
LC_ALL=C sort -t: -k1,1n "$dir/received" >"$dir/sorted"
cmp "$dir/sent" "$dir/sorted"
echo "all $lines records came back, byte for byte"

kill "$broker"
wait "$broker"
broker=
sluice log dump "$dir/data" --verify -q
echo "the broker stopped, and its files are sound"
