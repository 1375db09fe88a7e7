#!/bin/sh
# Prepares what compose.yaml builds from where no registry of images answers: the base images, from Debian
# packages, and the Python packages, from wherever this machine's pip gets them.
set -eu
cd "$(dirname "$0")/.."
PATH="$PWD/.venv/bin:$PATH"

CELLBLOCK_RECIPES=deploy/images cellblock images build --quiet python redis haproxy builder
stamp=$(sha256sum <constraints.txt)
if [ "$(cat dist/wheels/.stamp 2>/dev/null)" != "$stamp" ]; then
  rm -rf dist/wheels
  pip download --quiet --require-hashes --no-deps --dest dist/wheels --requirement constraints.txt
  echo "$stamp" >dist/wheels/.stamp
fi
