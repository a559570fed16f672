#!/usr/bin/env bash
# test-fresh.sh: makes a bare Debian 12 (debootstrap, chroot) and runs the quick start in it, so that an install step
# that is missing shows. Needs root. The mirror and how to reach it are this machine's.
set -euo pipefail
cd "$(dirname "$0")/.."

[ "$(id -u)" -eq 0 ] || { echo "test-fresh: needs root for debootstrap and chroot" >&2; exit 77; }
if ! command -v debootstrap >/dev/null; then
  apt-get -qq -o DPkg::Lock::Timeout=300 update
  DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 install -y \
    --no-install-recommends debootstrap >/dev/null
fi

# The first archive that apt knows with Debian 12's main section.
mirror=$(apt-get indextargets --format '$(SITE) $(CODENAME) $(COMPONENT) $(CREATED_BY)' |
  awk '$2 == "bookworm" && $3 == "main" && $4 == "Packages" { print $1; exit }')
[ -n "$mirror" ] || { echo "test-fresh: apt knows no archive with bookworm main" >&2; exit 1; }

root=$(mktemp -d)
clean_up() {
  for mounted in dev/shm dev proc; do
    mountpoint -q "$root/$mounted" && umount "$root/$mounted"
  done
  # Never delete through a mount that did not go.
  if grep -q " $root/" /proc/mounts; then
    echo "test-fresh: something is still mounted below $root; it stays" >&2
  else
    rm -rf "$root"
  fi
}
trap clean_up EXIT
trap 'exit 130' INT TERM

debootstrap --variant=minbase bookworm "$root" "$mirror" >"$root.log" 2>&1 ||
  { tail -20 "$root.log" >&2; rm -f "$root.log"; exit 1; }
rm -f "$root.log"
mount -t proc proc "$root/proc"
mount -t tmpfs -o mode=755 dev "$root/dev"
for node in null zero random urandom tty; do
  cp -a "/dev/$node" "$root/dev/$node"
done
ln -s /proc/self/fd "$root/dev/fd"
mkdir "$root/dev/shm"
mount -t tmpfs shm "$root/dev/shm"

# The archive with all of its suites, and the proxy and the certificates by which this machine reaches the network.
rm -rf "$root/etc/apt/sources.list" "$root/etc/apt/sources.list.d"
cp -a /etc/apt/sources.list* "$root/etc/apt/"
apt-config dump | grep -E '^Acquire::https?::Proxy' >"$root/etc/apt/apt.conf.d/proxy" || true
cp /etc/resolv.conf /etc/hosts "$root/etc/"
mkdir -p "$root/usr/local/share/ca-certificates"
cp -a /usr/local/share/ca-certificates/. "$root/usr/local/share/ca-certificates/"

mkdir "$root/sluice"
git ls-files -z | xargs -0 tar -c | tar -x -C "$root/sluice"
chroot "$root" /usr/bin/env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 \
  ${http_proxy:+http_proxy="$http_proxy"} ${https_proxy:+https_proxy="$https_proxy"} \
  /sluice/scripts/quickstart.sh
echo "test-fresh: the quick start works on a bare Debian"
