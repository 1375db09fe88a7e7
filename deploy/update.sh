#!/bin/sh
# Builds this version and replaces the workers of compose.yaml with it. The same number of workers runs all the
# time. Running jobs have CELLBLOCK_DRAIN seconds to end. Redis and its data stay.
#
#   deploy/update.sh [COMPOSE…]         such as: deploy/update.sh docker-compose --env-file deploy/offline.env
set -eu
cd "$(dirname "$0")/.."
[ $# -gt 0 ] || set -- docker compose

# healthy SERVICE COMPOSE…
healthy() {
  service=$1 tries=60
  shift
  until "$@" --profile next exec -T "$service" cellblock health >/dev/null; do
    tries=$((tries - 1))
    [ $tries -gt 0 ] || { echo "No $service becomes healthy. The old workers still run: see its logs." >&2; exit 1; }
    sleep 1
  done
}

workers=$("$@" ps --quiet worker | wc -l)
"$@" build
"$@" --profile next up --detach --no-recreate --scale "worker-next=$workers" worker-next
healthy worker-next "$@"
"$@" stop worker
"$@" up --detach --scale "worker=$workers"
healthy worker "$@"
"$@" --profile next stop worker-next
"$@" --profile next rm --stop --force worker-next engine-proxy-next
