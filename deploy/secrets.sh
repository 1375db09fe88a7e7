#!/bin/sh
# Makes the secrets that compose.yaml mounts, in deploy/secrets. Existing ones are kept.
#
#   deploy/secrets.sh [FOLDER]
set -eu
folder=${1:-$(dirname "$0")/secrets}

random() { od -An -N20 -tx1 /dev/urandom | tr -d ' \n'; }

keep() {
  [ -e "$folder/$1" ] || printf '%s\n' "$2" >"$folder/$1"
  # Each container reads this as a different user. The mode of the folder keeps everybody else out.
  chmod 444 "$folder/$1"
}

mkdir -p "$folder"
chmod 700 "$folder"
keep broker_url "redis://:$(random)@redis:6379/0"
keep api_tokens "$(random) apps"
keep flower_basic_auth "operator:$(random)"
keep grafana_password "$(random)"
