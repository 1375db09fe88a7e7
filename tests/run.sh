#!/bin/bash
# Runs the whole suite: style, types, layers, pages, tests. Needs the environment of deploy/with-services.sh.
set -euo pipefail

# Both at the same time: the checks need the processor, and the build mostly waits for packages.
tests/lint.sh &
cellblock images build --quiet
wait $!
export PYTEST_DEBUG_TEMPROOT="$TMPDIR"
if [ $# -gt 0 ]; then
  python -m pytest "$@"
else
  # Several at a time, because most tests wait for something. Then the tests that must run alone.
  python -m pytest -n 4 --max-worker-restart=0 --dist loadfile --no-loadscope-reorder -m 'not alone'
  python -m pytest -n 1 --max-worker-restart=0 -m alone
fi
