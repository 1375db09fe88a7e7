#!/bin/bash
# Checks style, generated pages, types and layers. The first step that fails says how to repair it.
set -euo pipefail
cd "$(dirname "$0")/.."

# step NAME MENDED_BY COMMAND…
step() {
  local name=$1 mended_by=$2 said
  shift 2
  said=$("$@" 2>&1) || {
    printf '%s\ncellblock: %s: this failed: %s. Try: %s\n' "$said" "$name" "$*" "$mended_by" >&2
    exit 1
  }
}

step style '.venv/bin/ruff check --fix .' ruff check --quiet .
step format '.venv/bin/ruff format .' ruff format --check --quiet .
step pages '.venv/bin/python docs/generate.py' python docs/generate.py --check
step types 'mend the lines above' mypy --no-error-summary
step "the client's types in Python 3.10" 'mend the lines above' mypy --no-error-summary --python-version 3.10 client/src
step layers 'move the import: cli → api → tasks → sandbox → config' lint-imports --no-cache
