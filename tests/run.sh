#!/bin/bash
# The whole suite, in the environment that deploy/with-services.sh gives: style, types, layers, tests.
set -euo pipefail

ruff check --quiet .
ruff format --check --quiet .
python docs/generate.py --check
mypy --no-error-summary
lint-imports --no-cache >/dev/null || lint-imports
cellblock images build --quiet
exec python -m pytest "$@"
