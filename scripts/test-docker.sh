#!/usr/bin/env bash
# test-docker.sh: builds the image, starts the three brokers of the compose file with Docker's default seccomp profile,
# waits for /ready of each, produces and consumes with three replicas, and stops them. Starts no Docker engine; without one it says so and exits with 77.
set -euo pipefail
cd "$(dirname "$0")/.."

for tool in docker docker-compose curl; do
  command -v "$tool" >/dev/null || { echo "test-docker: there is no $tool here; nothing was tested" >&2; exit 77; }
done
docker info >/dev/null 2>&1 ||
  { echo "test-docker: no Docker engine answers (DOCKER_HOST=${DOCKER_HOST:-unset}); nothing was tested" >&2; exit 77; }

export COMPOSE_PROJECT_NAME="sluice-test-$$"
clean_up() {
  code=$?
  [ $code -eq 0 ] || docker-compose logs --tail 50 >&2 || true
  docker-compose down --volumes --timeout 15 >/dev/null 2>&1 || true
}
trap clean_up EXIT
trap 'exit 130' INT TERM

docker build -t sluice .
docker-compose up -d --no-build
for port in 9644 9645 9646; do
  ready=
  for _ in $(seq 100); do
    [ "$(curl -s -o /dev/null -w '%{http_code}' --max-time 2 "http://localhost:$port/ready" || true)" = 200 ] && ready=1 && break
    sleep 0.2
  done
  [ -n "$ready" ] || { echo "test-docker: the broker with admin port $port did not get ready in 20 s" >&2; exit 1; }
done

cli() { docker-compose exec -T broker-1 sluice "$@"; }
cli topic create words -p 4 -r 3
seq 1 100000 | cli produce words
sum=$(cli consume words --until end | LC_ALL=C sort -n | cksum)
[ "$sum" = "$(seq 1 100000 | cksum)" ] || { echo "test-docker: what was read is not what was sent" >&2; exit 1; }

containers=$(docker-compose ps -q)
[ "$(wc -w <<<"$containers")" = 3 ]
for container in $containers; do
  [ "$(docker inspect -f '{{.Config.User}}' "$container")" = sluice ]
  [ "$(docker inspect -f '{{.HostConfig.Privileged}} {{.HostConfig.SecurityOpt}}' "$container")" = "false []" ] ||
    [ "$(docker inspect -f '{{.HostConfig.Privileged}} {{.HostConfig.SecurityOpt}}' "$container")" = "false <nil>" ]
done

docker-compose stop --timeout 15
for container in $containers; do
  [ "$(docker inspect -f '{{.State.ExitCode}}' "$container")" = 0 ] ||
    { echo "test-docker: a broker did not stop cleanly" >&2; exit 1; }
done
echo "test-docker: three brokers, image of $(docker image inspect -f '{{.Size}}' sluice | awk '{ printf "%.0f MB", $1 / 1e6 }'), 100,000 records there and back with 3 replicas, clean stop"
