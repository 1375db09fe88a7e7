#!/bin/sh
# Prepares what compose.yaml builds from where no registry of images answers: the base images, from Debian
# packages, and the Python packages, from wherever this machine's pip gets them.
set -eu
cd "$(dirname "$0")/.."
PATH="$PWD/.venv/bin:$PATH"

CELLBLOCK_RECIPES=deploy/images cellblock images build --quiet python redis prometheus builder

stamp=$(cat deploy/offline.sh deploy/requirements.py constraints.txt | sha256sum)
[ "$(cat dist/wheels/.stamp 2>/dev/null)" != "$stamp" ] || exit 0
rm -rf dist/wheels
mkdir -p dist/wheels
# For the Python in the image, which may be another one than this machine's.
python3 deploy/requirements.py <constraints.txt | sed 's/ ; python[^\\]*//' >dist/wheels/needed.txt
pip download --quiet --require-hashes --no-deps --dest dist/wheels --requirement dist/wheels/needed.txt
echo "$stamp" >dist/wheels/.stamp
