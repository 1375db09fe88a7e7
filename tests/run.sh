#!/bin/bash
# The whole suite, in the environment that deploy/with-services.sh gives: style, types, layers, pages, tests.
set -euo pipefail

# Beside each other: one reads, the other mostly waits for packages.
tests/lint.sh &
cellblock images build --quiet
wait $!
export PYTEST_DEBUG_TEMPROOT="$TMPDIR"
if [ $# -gt 0 ]; then
  python -m pytest "$@"
else
  # Side by side, because most tests wait for something; then those that nothing may run beside.
  python -m pytest -n 4 --max-worker-restart=0 --dist loadfile --no-loadscope-reorder -m 'not alone'
  python -m pytest -n 1 --max-worker-restart=0 -m alone
fi
