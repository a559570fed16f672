#!/usr/bin/env bash
# Installs from Debian 12 everything that building, testing and running sluice needs. Safe to run again: it does nothing
# when all is there. `install-deps.sh build` leaves out what only the tests use.
set -euo pipefail

build=(
  ca-certificates ccache clang-19 cmake git mold ninja-build pkg-config
  libabsl-dev libasio-dev libcli11-dev libisal-dev liblz4-dev libnuma-dev libprotobuf-dev
  libsnappy-dev libtomlplusplus-dev liburing-dev libyaml-cpp-dev libzstd-dev
  nlohmann-json3-dev protobuf-compiler zlib1g-dev
)
# For the consensus engine. Where there is a newer cargo, that one is used; the one of Debian's plain `cargo` package
# cannot read the index of crates any more.
command -v cargo >/dev/null || build+=(cargo-web rustc-web)
test=(
  clang-format-19 clang-tidy-19 libbenchmark-dev libclang-rt-19-dev libgmock-dev libgtest-dev
  curl e2fsprogs iproute2 iptables llvm-19 prometheus procps strace valgrind wamerican
)

wanted=("${build[@]}")
[ "${1:-all}" = build ] || wanted+=("${test[@]}")

missing=()
for package in "${wanted[@]}"; do
  dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0

as_root=()
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null || { echo "install-deps: needs root or sudo to install: ${missing[*]}" >&2; exit 1; }
  as_root=(sudo)
fi
echo "install-deps: installing ${missing[*]}" >&2
export DEBIAN_FRONTEND=noninteractive
apt=("${as_root[@]}" apt-get -qq -o DPkg::Lock::Timeout=300)
"${apt[@]}" update
"${apt[@]}" install -y --no-install-recommends "${missing[@]}" >/dev/null
