#!/usr/bin/env bash
# test.sh [quick]: installs, builds and runs every test, the quick ones first; `quick` stops after those. SLUICE_LONG=1
# makes the randomised and kill -9 tests as long as before a release, and runs more of them under TSan.
set -euo pipefail
cd "$(dirname "$0")/.."

only=${1:-all}
case "$only" in
  all | quick) ;;
  *) echo "test.sh: '$only' is unknown; take nothing or quick" >&2; exit 2 ;;
esac

scripts/install-deps.sh
started=$SECONDS
passed=()
failed=()
skipped=()

logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT

# step NAME COMMAND...: runs it, notes how it ended and how long it took. 77 is "cannot run here".
step() {
  local name=$1 begin=$SECONDS code=0
  shift
  echo "=== $name"
  "$@" 2>&1 | tee "$logs/$name" || code=$?
  local took="$name ($((SECONDS - begin)) s)"
  case $code in
    0) passed+=("$took") ;;
    77) skipped+=("$name") ;;
    *) failed+=("$took"); echo "=== $name FAILED with $code" >&2; why "$logs/$name" >> "$logs/.why" ;;
  esac
}

# why LOG: the lines of it that say what failed, for the end of a long output.
why() {
  echo "--- $(basename "$1")"
  grep -E -A8 'Failure$|^FAILED:|ERROR: |CHECK failed|error:' "$1" | head -60 || true
  tail -15 "$1"
}

# run PRESET CTEST_ARGUMENTS...: the tests of a build.
run() {
  local preset=$1
  shift
  ctest --test-dir "build/$preset" --output-on-failure "$@"
}

# Programs with threads of their own; the rest is single-threaded or simulated. The layers on top take the longest to
# build and stand on the same primitives.
threaded="io_test storage_test"
fuzz_seconds=${SLUICE_FUZZ_SECONDS:-60}
seeds=200
seeds_of_5=100
if [ -n "${SLUICE_LONG:-}" ]; then
  threaded="base_test io_test storage_test client_test broker_test"
  # Not SLUICE_SEEDS: a broker would take that for its seeds.
  seeds=1000
  seeds_of_5=500
  export SLUICE_KILL_ROUNDS=50 SLUICE_CRASH_STATES=150000 SLUICE_MODEL_ROUNDS=5000
fi

# fuzz NAME [SECONDS]
fuzz() {
  local corpus
  corpus=$(mktemp -d)
  local code=0
  "build/fuzz/bin/$1_fuzz" -max_total_time="${2:-$fuzz_seconds}" -max_len=65536 -rss_limit_mb=2048 \
    -print_final_stats=0 -verbosity=0 -error_exitcode=1 "$corpus" "tests/fuzz/corpus/$1" || code=$?
  rm -rf "$corpus"
  return $code
}

step format scripts/check-format.sh
step "asan: build" scripts/build.sh asan
step "asan: unit tests" run asan -L quick -j2
# What the crash tests say they visited; ctest shows it only of failures.
grep -hE 'states checked' build/asan/Testing/Temporary/LastTest.log || true
if [ "$only" = all ]; then
  step "release: build" scripts/build.sh release sluiced sluice sim mutated_sim cluster_test faults_test sluice_load sluice_cluster_load sluice_micro
  step "clang-tidy" scripts/check-tidy.sh
  step "release: simulated clusters of 3" scripts/simulate.sh build/release/bin/sim "$seeds" --brokers 3
  step "release: simulated clusters of 5" \
    scripts/simulate.sh build/release/bin/sim "$seeds_of_5" --brokers 5
  step "release: broken rules are noticed" env SLUICE_NO_BUILD=1 scripts/mutation-check.sh
  step "release: real processes" run release -L cluster -j1
  step "release: faults on hosts and disks of their own" scripts/test-faults.sh ${SLUICE_LONG:+long}
  step "release: instructions of a produce and a fetch" bench/ratchet.sh
  step "tsan: build" scripts/build.sh tsan $threaded
  step "tsan: threaded tests" run tsan -R "^(${threaded// /|})\$" -j1
  step "fuzz: build" scripts/build.sh fuzz record_fuzz native_fuzz
  step "fuzz: record batches" fuzz record
  step "fuzz: native frames" fuzz native $((fuzz_seconds / 2))
  step "install: the client as a package" scripts/test-install.sh
  step "power cut" scripts/test-power-cut.sh
  # It compiles everything once more.
  if [ -n "${SLUICE_LONG:-}" ]; then
    step "docker" scripts/test-docker.sh
  fi
fi

echo
[ ! -s "$logs/.why" ] || cat "$logs/.why"
for line in "${passed[@]}"; do echo "ok       $line"; done
for line in "${skipped[@]}"; do echo "skipped  $line"; done
for line in "${failed[@]}"; do echo "FAILED   $line"; done
echo "${#passed[@]} passed, ${#failed[@]} failed, ${#skipped[@]} skipped in $((SECONDS - started)) s"
[ ${#failed[@]} -eq 0 ]
