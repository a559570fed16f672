#!/usr/bin/env bash
# build.sh [release|debug|asan|tsan|fuzz] [TARGET...]: installs what is missing, configures and builds; binaries are in
# build/<preset>/bin. Without targets, release builds only sluiced and sluice.
set -euo pipefail
cd "$(dirname "$0")/.."

preset=${1:-release}
case "$preset" in
  release | debug | asan | tsan | fuzz) ;;
  *) echo "build.sh: there is no preset '$preset'; take release, debug, asan, tsan or fuzz" >&2; exit 2 ;;
esac
shift || true
targets=("$@")
if [ "$preset" = release ] && [ ${#targets[@]} -eq 0 ]; then targets=(sluiced sluice); fi

if [ "$preset" = release ] && [ -z "${SLUICE_TESTS:-}" ]; then
  scripts/install-deps.sh build
  tests=OFF
  [ -f build/release/CMakeCache.txt ] && grep -q '^SLUICE_TESTS:BOOL=ON' build/release/CMakeCache.txt && tests=ON
else
  scripts/install-deps.sh
  tests=ON
fi
cmake --preset "$preset" -DSLUICE_TESTS=$tests >/dev/null
cmake --build "build/$preset" ${targets[@]:+--target "${targets[@]}"}
