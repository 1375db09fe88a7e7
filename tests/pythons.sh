#!/bin/bash
# Runs the tests that need neither an engine nor a broker, with each supported Python that is installed. The
# system's own counts: Debian 12 has Python 3.11.2, whose library lacks a few names of later 3.11 versions.
set -euo pipefail
cd "$(dirname "$0")/.."

each_python() {
  local version
  /usr/bin/python3 -c 'import sys; print(sys.executable)'
  for version in 3.12 3.13; do
    PYENV_VERSION=$(pyenv latest "$version" 2>/dev/null) "python$version" -c 'import sys; print(sys.executable)' || true
  done
}

can_run() { "$1" -c 'import sys, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

fill() {
  local stamp
  stamp=$(cat pyproject.toml constraints.txt | sha256sum)
  [ "$(cat "$2/.stamp" 2>/dev/null)" = "$stamp" ] && return
  "$1" -m venv --clear "$2"
  "$2/bin/pip" install --quiet --disable-pip-version-check --require-hashes -r constraints.txt
  "$2/bin/pip" install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
  echo "$stamp" >"$2/.stamp"
}

for python in $(each_python 2>/dev/null); do
  can_run "$python" || continue
  venv=.venv-$("$python" -c 'import platform; print(platform.python_version())')
  echo "· $("$python" --version)" >&2
  fill "$python" "$venv"
  PATH=$PWD/$venv/bin:$PATH python -m pytest -q -n 4 --dist loadfile \
    -m 'not engine and not broker and not alone and not slow' "$@"
done
[ "${venv:-}" ] || { echo 'No Python from 3.11 on with venv is installed. Try: apt-get install python3-venv' >&2; exit 1; }
