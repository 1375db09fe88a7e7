#!/bin/bash
# Runs a command with everything that cellblock needs: an engine, the redis-server program and the venv.
#
#   deploy/with-services.sh COMMAND [ARGUMENT…]
#
# ALSO_INSTALL names further programs that the command needs, as PROGRAM=PACKAGE, separated by spaces.
# NO_ENGINE=1 is for a command that needs no engine: none is installed or started. CELLBLOCK_ENGINE=oci needs an
# OCI runtime (CELLBLOCK_OCI_RUNTIME, or crun) and no Docker Engine.
# What is there already is used and left unchanged. As root on Debian or Ubuntu the script installs what is
# missing. If it started Docker Engine without a service manager, it stops it at the end. Without root it says
# what to install.
set -euo pipefail
cd "$(dirname "$0")/.."

# The name is short, because the path of a socket in it has at most 107 characters.
scratch=$(mktemp -d -t cellblock.XXXXXX)
# The command may keep images in it for cells without a daemon. To the host, a cell's user is one that owns nothing.
chmod 711 "$scratch"
# Without bytecode, hundreds of processes would each compile everything. So if none is wanted among the
# sources, it goes to another folder.
if [ -n "${PYTHONDONTWRITEBYTECODE:-}" ]; then
  unset PYTHONDONTWRITEBYTECODE
  export PYTHONPYCACHEPREFIX=$PWD/.venv/bytecode
fi
engine_pid=''
engine_folders=()

say() { printf '\033[2m%s\033[0m\n' "· $*" >&2; }
[ -t 2 ] && [ -z "${NO_COLOR:-}" ] || say() { printf '%s\n' "· $*" >&2; }

give_up() {
  printf 'cellblock: %s\n' "$1" >&2
  exit 125
}

quietly() {
  "$@" >"$scratch/log" 2>&1 || {
    tail -n 20 "$scratch/log" >&2
    give_up "this failed: $*"
  }
}

find_python() {
  local name
  for name in python3 python3.13 python3.12 python3.11; do
    if "$name" -c 'import sys, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      echo "$name"
      return
    fi
  done
}

without_docker() { [ "${CELLBLOCK_ENGINE:-docker}" = oci ]; }

engine_answers() { .venv/bin/cellblock doctor engine >"$scratch/engine" 2>&1; }

missing_packages() {
  local wanted
  for wanted in redis-server=redis-server ${ALSO_INSTALL:-}; do
    command -v "${wanted%%=*}" >/dev/null || echo "${wanted#*=}"
  done
  [ -n "$(find_python)" ] || echo python3 python3-venv
  [ -n "${NO_ENGINE:-}" ] || missing_engine
}

missing_engine() {
  local runtime=${CELLBLOCK_OCI_RUNTIME:-crun}
  if without_docker; then
    command -v "$runtime" >/dev/null || echo "${runtime##*/}"
  elif [ ! -S "$engine_socket" ] && [ -z "${DOCKER_HOST:-}${CELLBLOCK_DOCKER_HOST:-}" ]; then
    command -v dockerd >/dev/null || echo docker.io iptables
  fi
}

install_packages() {
  local packages=("$@")
  if ! command -v apt-get >/dev/null; then
    give_up "this is not Debian or Ubuntu. Try: install these packages by hand: $*"
  fi
  if [ "$(id -u)" != 0 ]; then
    give_up "these packages are missing. Try: sudo apt-get install ${packages[*]}"
  fi
  say "installing ${packages[*]}"
  export DEBIAN_FRONTEND=noninteractive
  quietly apt-get update
  quietly apt-get install -y --no-install-recommends "${packages[@]}"
}

make_venv() {
  local stamp python
  stamp=$(cat pyproject.toml constraints.txt | sha256sum)
  [ "$(cat .venv/.stamp 2>/dev/null)" = "$stamp" ] && return
  python=$(find_python)
  [ -n "$python" ] || give_up "there is no Python 3.11 or newer with venv. Try: sudo apt-get install python3-venv"
  say "making .venv ($("$python" --version))"
  quietly "$python" -m venv --clear .venv
  install_pinned
  quietly .venv/bin/pip install --disable-pip-version-check --no-deps --no-build-isolation -e .
  echo "$stamp" >.venv/.stamp
}

# uv is one of the pinned packages. It installs all others in a fifth of the time that pip takes. It does not
# read pip's settings: where it finds no packages, pip installs them. All is compiled at once, as pip does it:
# otherwise the first processes, which start together, would each compile the same.
install_pinned() {
  local pip=(.venv/bin/pip install --disable-pip-version-check --require-hashes) index
  awk '/^uv==/ { found = 1 } found { print } found && !/\\$/ { exit }' constraints.txt >"$scratch/uv.txt"
  index=${PIP_INDEX_URL:-$(.venv/bin/pip config get global.index-url 2>/dev/null || true)}
  quietly "${pip[@]}" -r "$scratch/uv.txt"
  UV_DEFAULT_INDEX=${UV_DEFAULT_INDEX:-$index} .venv/bin/uv pip install --quiet --python .venv/bin/python \
    --compile-bytecode --require-hashes -r constraints.txt >"$scratch/log" 2>&1 || quietly "${pip[@]}" -r constraints.txt
}

engine_runs() {
  local pid
  pid=$(cat /var/run/docker.pid 2>/dev/null) && [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = dockerd ]
}

start_engine() {
  [ -z "${NO_ENGINE:-}" ] || return 0
  engine_answers && return
  if without_docker || [ -n "${DOCKER_HOST:-}${CELLBLOCK_DOCKER_HOST:-}" ] || [ "$(id -u)" != 0 ]; then
    cat "$scratch/engine" >&2
    give_up "the container engine cannot be used"
  fi
  if engine_runs; then
    cat "$scratch/engine" >&2
    give_up "a Docker Engine runs here but cannot be used; it is left alone"
  fi
  say "starting Docker Engine"
  if [ -d /run/systemd/system ]; then
    quietly systemctl start docker
  else
    spawn_engine
  fi
}

# Starts the engine without a service manager. An engine that was killed leaves its pid files behind. They stop
# the next engine if another process has got the same number meanwhile.
spawn_engine() {
  local folder
  for folder in /run/docker /run/containerd; do
    [ -e "$folder" ] || engine_folders+=("$folder")
  done
  rm -f /var/run/docker.pid /run/docker/containerd/containerd.pid
  setsid dockerd >"$scratch/dockerd.log" 2>&1 &
  engine_pid=$!
  for _ in $(seq 300); do
    engine_answers && return
    kill -0 "$engine_pid" 2>/dev/null || break
    sleep 0.1
  done
  tail -n 20 "$scratch/dockerd.log" >&2
  give_up "Docker Engine did not start"
}

stop_engine() {
  local folder
  [ -n "$engine_pid" ] || return 0
  say "stopping Docker Engine"
  kill "$engine_pid" 2>/dev/null || return 0
  wait "$engine_pid" 2>/dev/null || true
  rm -f /var/run/docker.sock /var/run/docker.pid
  for folder in "${engine_folders[@]}"; do
    { awk -v under="$folder/" 'index($2, under) == 1 { print $2 }' /proc/mounts | xargs -r umount --; } || true
    rm -rf "$folder"
  done
}

leave() {
  local code=$?
  trap - EXIT
  stop_engine
  rm -rf "$scratch"
  exit "$code"
}
trap leave EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

engine_socket=/var/run/docker.sock
read -r -a packages <<<"$(missing_packages | tr '\n' ' ')"
[ ${#packages[@]} = 0 ] || install_packages "${packages[@]}"
make_venv
start_engine
# Removing the scratch folder also removes temporary files of processes that were killed with SIGKILL.
TMPDIR="$scratch" PATH="$PWD/.venv/bin:$PATH" "$@"
