#!/usr/bin/env bash
# check-tidy.sh [FILE...]: clang-tidy over the files, or over every source of ours that is no test, as build/release
# (built first) compiles them.
set -euo pipefail
cd "$(dirname "$0")/.."

files=("$@")
if [ ${#files[@]} -eq 0 ]; then
  mapfile -t files < <(git ls-files -- '*.cc' | grep -vE '_test\.cc$|^(tests|bench|client/examples)/')
fi
printf '%s\n' "${files[@]}" |
  xargs -P "$(nproc)" -n 4 clang-tidy-19 -p build/release --quiet 2>/dev/null
