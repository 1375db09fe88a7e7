#!/bin/sh
# Runs Redis with the password in its clients' address, so that both sides use the same secret.
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
    # The password is in a file, because every user of the host can read the arguments of a process.
    { cat /etc/cellblock/redis.conf; printf 'requirepass "%s"\n' "$password"; } >/run/redis/redis.conf
    exec redis-server /run/redis/redis.conf
    ;;
  health)
    [ "$(REDISCLI_AUTH=$password redis-cli ping)" = PONG ]
    ;;
esac
