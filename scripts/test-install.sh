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

bin=$build/bin
. scripts/broker.sh
dir=$(mktemp -d)
trap 'stop_broker; rm -rf "$dir"' EXIT
trap 'exit 130' INT TERM

cmake --install "$build" --component client --prefix "$dir/prefix" >/dev/null
# The example must not find the source tree.
cp -r client/examples/hello "$dir/hello"

start_broker "$dir"

# quietly COMMAND...: what it printed is shown only when it fails.
quietly() {
  "$@" >"$dir/said" 2>&1 || { cat "$dir/said" >&2; return 1; }
}

for compiler in clang++-19 g++; do
  command -v "$compiler" >/dev/null || continue
  quietly cmake -S "$dir/hello" -B "$dir/build-$compiler" -G Ninja -DCMAKE_CXX_COMPILER="$compiler" \
    -DCMAKE_PREFIX_PATH="$dir/prefix"
  quietly cmake --build "$dir/build-$compiler"
  said=$("$dir/build-$compiler/hello" "$SLUICE_BROKERS")
  for name in world moon stars; do
    grep -q ": hello $name\$" <<<"$said" || { echo "test-install: 'hello $name' is missing from: $said" >&2; exit 1; }
  done
  echo "the example builds with $compiler against the installed client, and works"
done
