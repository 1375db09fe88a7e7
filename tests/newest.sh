#!/bin/bash
# Runs the tests that need neither an engine nor a broker, with the newest supported Python.
set -euo pipefail
cd "$(dirname "$0")/.."

python() { PYENV_VERSION=$(pyenv latest 3.13 2>/dev/null) python3.13 "$@"; }
python -c 'import ensurepip' || { echo 'Python 3.13 with venv is missing. Try: pyenv install 3.13' >&2; exit 1; }

stamp=$(cat pyproject.toml constraints.txt | sha256sum)
if [ "$(cat .venv-3.13/.stamp 2>/dev/null)" != "$stamp" ]; then
  python -m venv --clear .venv-3.13
  .venv-3.13/bin/pip install --quiet --disable-pip-version-check --require-hashes -r constraints.txt
  echo "$stamp" >.venv-3.13/.stamp
fi
.venv-3.13/bin/python -m pytest -q -n 4 --dist loadfile -m 'not engine and not broker and not alone' "$@"
