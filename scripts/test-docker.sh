#!/usr/bin/env bash
# test-docker.sh: builds the image, forms the three brokers of the compose file with Docker's default seccomp profile, and
# under a load that a user would write (`sluice produce`, default settings): restarts them one by one, which no producer may
# notice, then kills, pauses, disconnects and re-attaches brokers, and in the end compares every record. Starts no Docker
# engine; without one it says so and exits with 77. SLUICE_IMAGE_IS_BUILT=1 takes the image `sluice` as it is.
set -euo pipefail
cd "$(dirname "$0")/.."

for tool in docker docker-compose curl; do
  command -v "$tool" >/dev/null || { echo "test-docker: there is no $tool here; nothing was tested" >&2; exit 77; }
done
docker info >/dev/null 2>&1 ||
  { echo "test-docker: no Docker engine answers (DOCKER_HOST=${DOCKER_HOST:-unset}); nothing was tested" >&2; exit 77; }

export COMPOSE_PROJECT_NAME="sluice-test-$$"
load=$COMPOSE_PROJECT_NAME-load
network=${COMPOSE_PROJECT_NAME}_default
work=$(mktemp -d)
clean_up() {
  code=$?
  if [ $code -ne 0 ]; then
    docker-compose logs --tail 100 >&2 || true
    docker logs --tail 20 "$load" >&2 2>&1 || true
  fi
  docker rm -f "$load" >/dev/null 2>&1 || true
  docker-compose down --volumes --timeout 15 >/dev/null 2>&1 || true
  rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 130' INT TERM
die() { echo "test-docker: $*" >&2; exit 1; }

container() { docker-compose ps -q "broker-$1"; }
# cli ID ARGUMENTS...: the command line, from inside a broker's container.
cli() { local id=$1; shift; docker-compose exec -T "broker-$id" sluice "$@"; }

# await SECONDS WHAT COMMAND...: until the command succeeds.
await() {
  local until=$((SECONDS + $1)) what=$2
  shift 2
  until "$@" >/dev/null 2>&1; do
    [ $SECONDS -lt $until ] || die "$what did not come true in time"
    sleep 0.2
  done
}
is_ready() { [ "$(curl -s -o /dev/null -w '%{http_code}' --max-time 2 "http://localhost:$((9643 + $1))/ready")" = 200 ]; }
is_healthy() { [ "$(docker inspect -f '{{.State.Health.Status}}' "$(container "$1")")" = healthy ]; }
# all_is_well ID: as that broker sees it.
all_is_well() { cli "$1" cluster status | grep -q 'all is well'; }
leader() { cli "$1" topic describe words -o json | tr -d ' \n' | grep -o '"leader":[0-9]*' | head -1 | cut -d: -f2; }

# --- the load: a container beside the brokers, 500 numbers a line each second or so, one `sluice produce` for all of them.
# Renamed, as a file that is being written reads as empty.
start_load() {
  docker run -d --name "$load" --network "$network" -e SLUICE_BROKERS=broker-1:9092,broker-2:9093,broker-3:9094 \
    --entrypoint sh sluice -c '
      i=0
      while [ ! -e /tmp/stop ]; do
        seq $((i + 1)) $((i + 100)); i=$((i + 100)); echo $i >/tmp/fed.new; mv /tmp/fed.new /tmp/fed; sleep 0.05
      done | sluice produce words 2>&1' >/dev/null
}
fed() { docker exec "$load" cat /tmp/fed 2>/dev/null || echo 0; }
stored() { cli "$1" offsets words -o json | tr -d ' \n' | grep -o '"end":[0-9]*' | cut -d: -f2 | awk '{ n += $1 } END { print n + 0 }'; }
load_lives() { [ "$(docker inspect -f '{{.State.Running}}' "$load")" = true ] || die "the producer noticed: $(docker logs "$load" 2>&1 | tail -3)"; }
# goes_on ID: what is fed after now arrives.
goes_on() {
  local wanted
  load_lives
  wanted=$(fed)
  arrived() { [ "$(stored "$1")" -ge "$wanted" ]; }
  await 60 "that broker $1 sees record $wanted" arrived "$1"
}

[ -n "${SLUICE_IMAGE_IS_BUILT:-}" ] || docker build -t sluice .
docker-compose up -d --no-build
for id in 1 2 3; do await 30 "that broker $id is ready" is_ready $id; done
for id in 1 2 3; do await 60 "that broker $id is healthy" is_healthy $id; done
await 30 "that the cluster is well" all_is_well 1
for id in 1 2 3; do
  [ "$(docker inspect -f '{{.Config.User}}' "$(container $id)")" = sluice ]
  case $(docker inspect -f '{{.HostConfig.Privileged}} {{.HostConfig.SecurityOpt}}' "$(container $id)") in
    "false []" | "false <nil>") ;;
    *) die "broker $id has more rights than it needs" ;;
  esac
done

cli 1 topic create words -p 4 -r 3 -c min.insync.replicas=2
start_load
await 30 "that the load runs" docker exec "$load" test -s /tmp/fed

for id in 1 2 3; do
  docker-compose restart --timeout 15 "broker-$id" >/dev/null
  await 30 "that broker $id is ready again" is_ready $id
  await 60 "that all is well after the restart of broker $id" all_is_well $id
  goes_on $id
done
echo "test-docker: rolling restart done, the producer goes on"

other() { echo $(($1 % 3 + 1)); }
for round in 1 2; do
  id=$(leader 1)
  docker kill "$(container "$id")" >/dev/null
  goes_on "$(other "$id")"
  docker-compose start "broker-$id" >/dev/null
  await 60 "that all is well after the kill of broker $id" all_is_well "$(other "$id")"
  echo "test-docker: broker $id killed and back"

  id=$(leader 1)
  docker pause "$(container "$id")" >/dev/null
  goes_on "$(other "$id")"
  docker unpause "$(container "$id")" >/dev/null
  await 60 "that all is well after the pause of broker $id" all_is_well "$id"
  echo "test-docker: broker $id paused and back"

  id=$(leader 1)
  address=$(docker inspect -f '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}' "$(container "$id")")
  docker network disconnect "$network" "$(container "$id")"
  goes_on "$(other "$id")"
  docker network connect --alias "broker-$id" "$network" "$(container "$id")"
  await 90 "that all is well after broker $id was off the network" all_is_well "$(other "$id")"
  echo "test-docker: broker $id off the network and back (it had $address)"
done

docker exec "$load" touch /tmp/stop
[ "$(docker wait "$load")" = 0 ] || die "the producer failed: $(docker logs "$load" 2>&1 | tail -3)"
sent=$(docker logs "$load" 2>&1 | grep -o '^[0-9,]* records' | tr -cd '0-9')
cli 2 consume words --until end >"$work/read"
seq 1 "$sent" | LC_ALL=C sort >"$work/wanted"
LC_ALL=C sort "$work/read" >"$work/sorted"
cmp "$work/wanted" "$work/sorted" ||
  die "of $sent records $(LC_ALL=C comm -23 "$work/wanted" "$work/sorted" | wc -l) are lost and $(LC_ALL=C uniq -d "$work/sorted" | wc -l) doubled"

docker-compose stop --timeout 15
for id in 1 2 3; do
  [ "$(docker inspect -f '{{.State.ExitCode}}' "$(container $id)")" = 0 ] || die "broker $id did not stop cleanly"
done
echo "test-docker: image of $(docker image inspect -f '{{.Size}}' sluice | awk '{ printf "%.0f MB", $1 / 1e6 }'); $sent records through a rolling restart, kills, pauses and cuts, each there once; clean stop"
