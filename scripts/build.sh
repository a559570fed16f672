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
[ "$preset" = release ] && [ ${#targets[@]} -eq 0 ] && targets=(sluiced sluice)

tests=ON
if [ "${targets[*]}" = "sluiced sluice" ]; then
  scripts/install-deps.sh build
  # Once a build directory has tests it keeps them: going back would only build things again.
  grep -qs '^SLUICE_TESTS:BOOL=ON' "build/$preset/CMakeCache.txt" || tests=OFF
else
  scripts/install-deps.sh
fi
# Checkouts in different places share the compiler cache.
export CCACHE_BASEDIR=$PWD CCACHE_NOHASHDIR=1
cmake --preset "$preset" -DSLUICE_TESTS=$tests >/dev/null
cmake --build "build/$preset" ${targets[@]:+--target "${targets[@]}"}
