#!/usr/bin/env bash
# mutation-check.sh [SEEDS] [NAME...]: proves that the simulation notices broken rules. Builds it with brokers whose rules
# can be broken at run time (base/mutation.h), then runs seeds of a cluster with each one broken until a seed shows it.
# Fails when a rule can be broken for SEEDS (300) seeds unnoticed, or when the run with none broken is not clean. Two rules
# at a time; a minute or two in all, for most rules are seen within ten seeds.
set -euo pipefail
cd "$(dirname "$0")/.."

seeds=${1:-300}
shift || true
control=${SLUICE_CONTROL_SEEDS:-30}
sim=build/release/bin/mutated_sim
[ -n "${SLUICE_NO_BUILD:-}" ] || scripts/build.sh release mutated_sim
logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT
started=$SECONDS

mutations=("$@")
[ ${#mutations[@]} -gt 0 ] || mapfile -t mutations < <("$sim" --mutations | grep -vx none)

# hunt NAME: with this rule broken; says how many seeds it took.
hunt() {
  local name=$1 begin=$SECONDS
  # A broken rule may also end the program by a CHECK: that is noticed, too.
  if "$sim" --mutation "$name" --brokers 3 --seeds "$seeds" --lines 0 > "$logs/$name" 2>&1; then
    echo "SURVIVED  $name: $seeds seeds in $((SECONDS - begin)) s"
    return 1
  fi
  local took
  took=$(grep -cE '^seed [0-9]+: (trace|$)' "$logs/$name" || true)
  local why
  why=$(grep -m1 -oE 'BROKEN: .*|CHECK failed.*|what a test waits for comes.*' "$logs/$name" || tail -1 "$logs/$name")
  echo "caught    $name: after $took seeds, $((SECONDS - begin)) s: ${why:0:150}"
}

if ! "$sim" --mutation none --brokers 3 --seeds "$control" --lines 20 > "$logs/none" 2>&1; then
  tail -40 "$logs/none"
  echo "mutation-check.sh: the simulation is not clean with no rule broken" >&2
  exit 1
fi
echo "clean     none: $control seeds in $((SECONDS - started)) s"

export -f hunt
export sim seeds logs
survivors=0
printf '%s\n' "${mutations[@]}" | xargs -P "${SLUICE_JOBS:-2}" -I{} bash -c 'hunt {}' | tee "$logs/outcome" || true
survivors=$(grep -c '^SURVIVED' "$logs/outcome" || true)
caught=$(grep -c '^caught' "$logs/outcome" || true)
echo "$caught of ${#mutations[@]} broken rules were caught, $survivors survived, in $((SECONDS - started)) s"
[ "$caught" -eq ${#mutations[@]} ]
