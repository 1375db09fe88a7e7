#!/bin/sh
# Prepares what compose.yaml needs for its builds if no image registry answers: the base images, from Debian
# packages, and the Python packages, from wherever this machine's pip gets them.
set -eu
cd "$(dirname "$0")/.."
PATH="$PWD/.venv/bin:$PATH"

CELLBLOCK_RECIPES=deploy/images cellblock images build --quiet python redis prometheus builder

stamp=$(cat deploy/offline.sh deploy/requirements.py constraints.txt | sha256sum)
[ "$(cat dist/wheels/.stamp 2>/dev/null)" != "$stamp" ] || exit 0
rm -rf dist/wheels
mkdir -p dist/wheels
# What markers say of Python's version is cut off: the image may have another one than this machine.
python3 deploy/requirements.py <constraints.txt |
  sed -E "s/ ; python_[a-z_]+ [<>=!]+ '[^']*' and / ; /; s/ ; python_[^\\]*/ /" >dist/wheels/needed.txt
pip download --quiet --require-hashes --no-deps --dest dist/wheels --requirement dist/wheels/needed.txt
echo "$stamp" >dist/wheels/.stamp
