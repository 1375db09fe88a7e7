#!/bin/bash
# Runs inside the machine: prints the versions, loads the images into the engine, and runs the tests.
set -uo pipefail
cd /cargo/repository
run=()
export PATIENCE=20 HOME=/root LC_ALL=C.UTF-8 PYTHONDONTWRITEBYTECODE=1 CI=true

# For every program that a test starts, whatever its PYTHONPATH.
echo /cargo/packages >"$(python3 -c 'import site; print(site.getsitepackages()[0])')/cargo.pth"

say() { printf '[%4.0f s] %s\n' "$(cut -d' ' -f1 /proc/uptime)" "$*"; }

. /etc/os-release
say "$PRETTY_NAME, Linux $(uname -r), $(stat -fc %T /sys/fs/cgroup), $(python3 --version)"
if [ "$(cat /cargo/engine)" = rootless ]; then
  systemctl stop docker.service docker.socket
  useradd --create-home --uid 1000 someone
  loginctl enable-linger someone
  systemd-run --quiet --machine=someone@ --user --unit=docker --property=Delegate=yes \
    --setenv=PATH=/usr/sbin:/usr/bin /bin/sh /usr/share/docker.io/contrib/dockerd-rootless.sh
  export DOCKER_HOST=unix:///run/user/1000/docker.sock
fi
if [ "$(cat /cargo/engine)" = oci-user ]; then
  useradd --create-home --uid 1000 --groups docker someone
  usermod --add-subuids 1073741824-1140850687 --add-subgids 1073741824-1140850687 someone
  chmod 777 /cargo "$PWD"
  # As a worker's unit does it: deploy/systemd.
  run=(systemd-run --quiet --pipe --wait --uid=someone --working-directory="$PWD"
    --property=Delegate=yes --property=OOMPolicy=continue
    --property=RuntimeDirectory=tests --property=RuntimeDirectoryMode=0711 --setenv=HOME=/home/someone)
  for variable in PATIENCE LC_ALL PYTHONDONTWRITEBYTECODE CI; do
    run+=(--setenv="$variable")
  done
fi
case $(cat /cargo/engine) in oci*) apparmor_parser --replace deploy/apparmor/cellblock-cell ;; esac
for _ in $(seq 90); do
  docker version >/dev/null 2>&1 && break
  sleep 1
done
docker version >/dev/null || journalctl --no-pager --lines=20
say "$(docker info --format \
  '{{.ServerVersion}}, cgroup v{{.CgroupVersion}} by {{.CgroupDriver}}, {{.Driver}}, {{join .SecurityOptions ", "}}')"
for image in /cargo/images/*.tar; do
  docker load --quiet --input "$image"
done
say "the images are loaded"
# Through a pipe, because on a terminal pytest prints colours and overwrites lines.
"${run[@]}" python3 -um pytest -p no:cacheprovider -p no:randomly --timeout=1200 --durations=10 --tb=short \
  --junit-xml=/cargo/junit.xml @/cargo/tests | cat
echo "${PIPESTATUS[0]}" >/cargo/exit_code
say "done"
