#!/bin/sh
# Make this machine ready, then get out of the way: `sh ops/setup/setup.sh demo|test`.
# 1. npm packages by lockfile, Node 24 among them; 2. what Debian ships (ops/setup/main.ts). Run again it finds nothing to do.
set -eu
cd "$(dirname "$0")/../.."
purpose=${1:-demo}

case "$(uname -s)" in
Linux) ;;
*)
  echo "setup: Gantry needs Linux (overlayfs, namespaces, an OCI runtime); this is $(uname -s). Run it in a Debian 12 machine, virtual or not, with Node and npm." >&2
  exit 1
  ;;
esac

# npm leaves node_modules/.package-lock.json behind when it is done; older than the lockfile means somebody changed that since.
if [ ! -x node_modules/.bin/node ] || [ package-lock.json -nt node_modules/.package-lock.json ]; then
  command -v npm >/dev/null || { echo "setup: npm is missing; install it (Debian: apt-get install npm) and run this again" >&2; exit 1; }
  echo "setup: installing npm packages"
  # Not "npm ci": it refuses a lockfile without the packages of other platforms, and a mirror need not have those.
  npm install --no-save --loglevel=error
  touch node_modules/.package-lock.json
fi

exec node_modules/.bin/node --disable-warning=ExperimentalWarning ops/setup/main.ts "$purpose"
