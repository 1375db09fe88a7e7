#!/bin/sh
# Redis with the password that stands in its clients' address, so that one secret serves both sides.
#
#   cellblock-redis serve|health
#
# The secret broker_url is redis://:PASSWORD@HOST:PORT/DATABASE; no character of the password needs escaping.
set -eu

address=$(cat /run/secrets/broker_url)
password=${address#*://*:}
password=${password%@*}

case $1 in
  serve)
    umask 077
    # In a file, because every user of the host can read arguments.
    { cat /etc/cellblock/redis.conf; printf 'requirepass "%s"\n' "$password"; } >/run/redis/redis.conf
    exec redis-server /run/redis/redis.conf
    ;;
  health)
    [ "$(REDISCLI_AUTH=$password redis-cli ping)" = PONG ]
    ;;
esac
