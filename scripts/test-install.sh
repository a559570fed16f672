#!/usr/bin/env bash
# test-install.sh [BUILD]: installs the client from a build directory (build/release, built first) into a temporary
# prefix, builds the example against that alone, with clang and, where there is one, with g++, and runs it against a
# broker.
set -euo pipefail
cd "$(dirname "$0")/.."

build=${1:-}
if [ -z "$build" ]; then
  scripts/build.sh release sluiced sluice sluice_client
  build=build/release
fi

dir=$(mktemp -d)
broker=
stop() {
  [ -n "$broker" ] && kill "$broker" 2>/dev/null && wait "$broker" 2>/dev/null
  rm -rf "$dir"
}
trap stop EXIT
trap 'exit 130' INT TERM

cmake --install "$build" --component client --prefix "$dir/prefix" >/dev/null
# The example must not find the source tree.
cp -r client/examples/hello "$dir/hello"

"$build/bin/sluiced" --data "$dir/data" --listen 127.0.0.1:0 --admin 127.0.0.1:0 2>"$dir/broker.log" &
broker=$!
for _ in $(seq 200); do
  grep -q 'event=ready' "$dir/broker.log" && break
  kill -0 "$broker" 2>/dev/null || { cat "$dir/broker.log" >&2; exit 1; }
  sleep 0.05
done
address=$(sed -n 's/.*event=ready .*listen=\([^ ]*\).*/\1/p' "$dir/broker.log")
[ -n "$address" ] || { echo "test-install: the broker did not get ready:" >&2; cat "$dir/broker.log" >&2; exit 1; }

# quietly COMMAND...: what it printed is shown only when it fails.
quietly() {
  "$@" >"$dir/said" 2>&1 || { cat "$dir/said" >&2; return 1; }
}

for compiler in clang++-19 g++; do
  command -v "$compiler" >/dev/null || continue
  quietly cmake -S "$dir/hello" -B "$dir/build-$compiler" -G Ninja -DCMAKE_CXX_COMPILER="$compiler" \
    -DCMAKE_PREFIX_PATH="$dir/prefix"
  quietly cmake --build "$dir/build-$compiler"
  said=$("$dir/build-$compiler/hello" "$address")
  for name in world moon stars; do
    grep -q ": hello $name\$" <<<"$said" || { echo "test-install: 'hello $name' is missing from: $said" >&2; exit 1; }
  done
  echo "the example builds with $compiler against the installed client, and works"
done
