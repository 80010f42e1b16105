#!/bin/sh
# Reacts to what happens to images and snapshots, on every node, with the nats CLI and jq: sh ops/examples/react.sh [NAME]
#
# The server remembers under the name how far it came: started again it goes on there, whatever happened meanwhile.
set -eu

root=${GANTRY_ROOT:-/var/lib/gantry}
name=${1:-react}
stream=GANTRY_EVENTS
NATS_URL=$(jq -r .url "$root/node.json")
credentials=$(jq -r '.credentials // empty' "$root/node.json")
if [ -n "$credentials" ]; then
  NATS_USER=$(jq -r .user "$credentials")
  NATS_PASSWORD=$(jq -r .password "$credentials")
  export NATS_USER NATS_PASSWORD
fi
export NATS_URL

# What to do: the rest is about hearing of it.
react() {
  printf '%s\n' "$1" | jq -r '
    if   .type == "image.created"      then "\(.source) has \(.data.name)"
    elif .type == "image.updated"      then "\(.source) has another \(.data.name)"
    elif .type == "image.removed"      then "\(.source) forgot \(.data.name)"
    elif .type == "snapshot.committed" then "\(.source) unpacked \(.data.name)"
    else empty end'
}

# One consumer has one filter, so there is one for each actor.
follow() {
  nats consumer info "$stream" "$name-$1" >/dev/null 2>&1 ||
    nats consumer add "$stream" "$name-$1" --pull --deliver all --ack explicit --filter "gantry.event.*.$1.*" --defaults >/dev/null
  while :; do
    event=$(nats consumer next "$stream" "$name-$1" --raw --timeout 1m 2>/dev/null) || sleep 1
    [ -z "$event" ] || react "$event"
  done
}

trap 'kill 0' TERM INT
follow image &
follow snapshot &
wait
