#!/usr/bin/env bash
# test-faults.sh [long [ROUNDS]]: three brokers in network namespaces, each on an ext4 of its own, are killed, paused, cut
# off, filled up and lose their power under a load whose history is checked (tests/cluster/faults). Without an argument a
# minute and a half; `long` lets faults last 30 seconds and comes back to each ROUNDS times (5). GTEST_FILTER chooses some
# of them. Needs root; exits with 77 without.
set -euo pipefail
cd "$(dirname "$0")/.."

[ "$(id -u)" -eq 0 ] || { echo "test-faults: needs root for network namespaces and loop devices; nothing was tested" >&2; exit 77; }
case "${1:-}" in
  "") ;;
  long) export FAULT_ROUNDS=${2:-5} ;;
  *) echo "test-faults: '$1' is unknown; take nothing or long" >&2; exit 2 ;;
esac
for tool in ip iptables mkfs.ext4 fallocate; do
  command -v "$tool" >/dev/null || { echo "test-faults: there is no $tool here; run scripts/install-deps.sh" >&2; exit 1; }
done

scripts/build.sh release sluiced sluice faults_test
exec build/release/bin/faults_test --gtest_brief=1
