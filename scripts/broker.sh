# For scripts that need a broker: start_broker DIR [WRAPPER...] runs one on DIR/data and free ports and waits until it is
# ready, stop_broker stops it. Sets broker (its process) and SLUICE_BROKERS. Takes sluiced from $bin, or $sluiced.
broker=

start_broker() {
  local dir=$1
  shift
  : >"$dir/broker.log"
  "$@" "${sluiced:-$bin/sluiced}" --data "$dir/data" --listen 127.0.0.1:0 --admin 127.0.0.1:0 ${broker_flags:-} \
    2>"$dir/broker.log" &
  broker=$!
  for _ in $(seq 1200); do
    SLUICE_BROKERS=$(sed -n 's/.*event=ready .*listen=\([^ ]*\).*/\1/p' "$dir/broker.log")
    [ -n "$SLUICE_BROKERS" ] && { export SLUICE_BROKERS; return 0; }
    kill -0 "$broker" 2>/dev/null || break
    sleep 0.05
  done
  echo "the broker did not get ready:" >&2
  cat "$dir/broker.log" >&2
  return 1
}

stop_broker() {
  [ -n "$broker" ] || return 0
  kill "$broker" 2>/dev/null || true
  wait "$broker" 2>/dev/null || true
  broker=
}
