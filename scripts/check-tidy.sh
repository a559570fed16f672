#!/usr/bin/env bash
# check-tidy.sh [all | FILE...]: clang-tidy over sources of ours that are no tests, as build/release (built first)
# compiles them: those that the last 10 commits touched, all of them (ten minutes on two cores), or the files named.
set -euo pipefail
cd "$(dirname "$0")/.."

ours() { grep -E '\.cc$' | grep -vE '_test\.cc$|^(tests|bench|client/examples)/' | sort -u; }
case "${1:-}" in
  '') mapfile -t files < <(git log -10 --no-merges --name-only --format= --diff-filter=d | ours | xargs -r ls -d 2>/dev/null) ;;
  all) mapfile -t files < <(git ls-files | ours) ;;
  *) files=("$@") ;;
esac
[ ${#files[@]} -gt 0 ] || exit 0
printf '%s\n' "${files[@]}" |
  xargs -P "$(nproc)" -n 4 clang-tidy-19 -p build/release --quiet 2>/dev/null
