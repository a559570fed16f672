#!/usr/bin/env bash
# cluster.sh: brokers on this machine that form a cluster, to try things with.
#   cluster.sh start DIR [N]      N brokers (3) with ids 1 to N in DIR; the last line is their addresses, comma separated
#   cluster.sh kill DIR ID        kill -9
#   cluster.sh pause DIR ID       SIGSTOP: alive, and says nothing
#   cluster.sh restart DIR ID     goes on after a pause; else starts (again), on the same data and address
#   cluster.sh stop DIR           stops all as a supervisor does; data stays, and start goes on with it
# SLUICED names the broker's binary, SLUICED_ARGS what else it is started with ("--set memory.max=64MiB").
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
sluiced=${SLUICED:-$root/build/release/bin/sluiced}
read -ra extra <<<"${SLUICED_ARGS:-}"

die() { echo "cluster.sh: $*" >&2; exit 1; }
usage() { sed -n '3,7s/^#   //p' "$0" >&2; exit 2; }

alive() { [ -f "$1/pid" ] && kill -0 "$(cat "$1/pid")" 2>/dev/null; }
paused() { [ "$(sed 's/.*) //; s/ .*//' "/proc/$(cat "$1/pid")/stat" 2>/dev/null)" = T ]; }
is_free() { ! (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# Below the range that the system takes ports from by itself.
free_port() {
  local port
  for _ in $(seq 200); do
    port=$((RANDOM % 10000 + 20000))
    if is_free $port && ! grep -qsx "$port" "$dir"/*/port "$dir"/*/admin; then
      echo $port
      return
    fi
  done
  die "no free port was found"
}

address() { echo "127.0.0.1:$(cat "$dir/$1/port")"; }
ids() { for at in "$dir"/*/port; do basename "$(dirname "$at")"; done | sort -n; }
addresses() { for id in $(ids); do address "$id"; done | paste -sd,; }

launch() {
  local home=$dir/$1
  alive "$home" && return
  [ -x "$sluiced" ] || die "there is no $sluiced; run scripts/build.sh release or set SLUICED"
  # What it says from here on is of this start.
  wc -c <"$home/log" >"$home/log.from"
  setsid "$sluiced" --data "$home/data" --listen "$(address "$1")" --admin "127.0.0.1:$(cat "$home/admin")" \
    --set "node.id=$1" --set "seeds=$(cat "$dir/seeds")" ${extra[@]+"${extra[@]}"} </dev/null >/dev/null 2>>"$home/log" &
  echo $! >"$home/pid"
}

await_ready() {
  local home=$dir/$1
  for _ in $(seq 600); do
    tail -c "+$(($(cat "$home/log.from") + 1))" "$home/log" | grep -q 'event=ready' && return
    alive "$home" || { tail -n 20 "$home/log" >&2; die "broker $1 ended before it was ready"; }
    sleep 0.05
  done
  tail -n 20 "$home/log" >&2
  die "broker $1 did not get ready in 30 s"
}

start() {
  local id
  mkdir -p "$dir"
  if [ ! -f "$dir/seeds" ]; then
    for id in $(seq "$1"); do
      mkdir -p "$dir/$id/data"
      : >"$dir/$id/log"
      free_port >"$dir/$id/port"
      free_port >"$dir/$id/admin"
    done
    addresses >"$dir/seeds"
  fi
  for id in $(ids); do launch "$id"; done
  for id in $(ids); do await_ready "$id"; done
  addresses
}

stop() {
  local id pid
  for id in $(ids); do
    alive "$dir/$id" || continue
    pid=$(cat "$dir/$id/pid")
    kill -TERM "$pid"
    kill -CONT "$pid"
  done
  for id in $(ids); do
    for _ in $(seq 400); do
      alive "$dir/$id" || break
      sleep 0.05
    done
    if alive "$dir/$id"; then
      kill -KILL "$(cat "$dir/$id/pid")"
      echo "cluster.sh: broker $id did not stop in 20 s and was killed" >&2
    fi
    rm -f "$dir/$id/pid"
  done
}

[ $# -ge 2 ] || usage
verb=$1
dir=$2
case $verb in
  start)
    [[ ${3:-3} =~ ^[1-9][0-9]?$ ]] || usage
    start "${3:-3}"
    exit
    ;;
  stop)
    [ -f "$dir/seeds" ] || die "there is no cluster in $dir"
    stop
    exit
    ;;
esac

[ $# -eq 3 ] || usage
home=$dir/$3
[ -f "$home/port" ] || die "there is no broker $3 in $dir"
case $verb in
  kill)
    alive "$home" || die "broker $3 is not running"
    kill -KILL "$(cat "$home/pid")"
    while alive "$home"; do sleep 0.01; done
    ;;
  pause)
    alive "$home" || die "broker $3 is not running"
    kill -STOP "$(cat "$home/pid")"
    ;;
  restart)
    if alive "$home" && paused "$home"; then
      kill -CONT "$(cat "$home/pid")"
    else
      if alive "$home"; then
        kill -TERM "$(cat "$home/pid")"
        while alive "$home"; do sleep 0.05; done
      fi
      launch "$3"
      await_ready "$3"
    fi
    ;;
  *) usage ;;
esac
