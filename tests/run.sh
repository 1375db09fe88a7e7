#!/bin/bash
# The whole suite, in the environment that deploy/with-services.sh gives: style, types, layers, pages, tests.
set -euo pipefail

ruff check --quiet .
ruff format --check --quiet .
python docs/generate.py --check
mypy --no-error-summary
lint-imports --no-cache >"$TMPDIR/layers" || { cat "$TMPDIR/layers"; exit 1; }
cellblock images build --quiet
export PYTEST_DEBUG_TEMPROOT="$TMPDIR"
if [ $# -gt 0 ]; then
  python -m pytest "$@"
else
  # Side by side, because most tests wait for something; then those that nothing may run beside.
  python -m pytest -n 3 --dist loadfile -m 'not alone'
  python -m pytest -m alone
fi

# Whatever Python the venv has, 3.13 runs the tests too where it is installed,
# but for those that need an engine or a broker.
newest() { PYENV_VERSION=$(pyenv latest 3.13 2>/dev/null) python3.13 "$@"; }
if newest -c 'import ensurepip' 2>/dev/null; then
  stamp=$(cat pyproject.toml constraints.txt | sha256sum)
  if [ "$(cat .venv-3.13/.stamp 2>/dev/null)" != "$stamp" ]; then
    newest -m venv --clear .venv-3.13
    .venv-3.13/bin/pip install --quiet --disable-pip-version-check --require-hashes -r constraints.txt
    echo "$stamp" >.venv-3.13/.stamp
  fi
  .venv-3.13/bin/python -m pytest -q -n 3 --dist loadfile -m 'not engine and not broker'
fi
