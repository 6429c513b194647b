#!/bin/sh
# Makes .venv with einsim and what it needs, once for each state of pyproject.toml and constraints.txt.
# Usage: scripts/setup.sh [dev]   (dev: with what the tests, the linter and the type checker need)
set -eu
cd "$(dirname "$0")/.."

fail() { printf 'setup: %s\n' "$*" >&2; exit 1; }

python=
for candidate in ${PYTHON:-} python3.11 python3.12 python3.13 python3; do
    if command -v "$candidate" >/dev/null 2>&1 &&
        "$candidate" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 15))' 2>/dev/null; then
        python=$candidate
        break
    fi
done
[ -n "$python" ] || fail "needs Python 3.11 or newer (Debian: apt install python3 python3-venv), or set PYTHON"
if [ "${1:-}" = dev ]; then
    for tool in git g++ make perl; do
        command -v "$tool" >/dev/null 2>&1 || fail "needs $tool (Debian: apt install git g++ make perl)"
    done
fi

extras=${1:+[$1]}
state=$(cat pyproject.toml constraints.txt | cksum | tr -d ' ')
stamp=.venv/.einsim${1:+-$1}-$state
[ -e "$stamp" ] && exit 0

if [ ! -x .venv/bin/python ]; then
    rm -rf .venv
    if "$python" -c 'import ensurepip' 2>/dev/null; then
        "$python" -m venv .venv || fail "cannot make .venv with $python"
    else
        "$python" -m venv --without-pip .venv || fail "cannot make .venv (Debian: apt install python3-venv)"
    fi
fi
if .venv/bin/python -m pip --version >/dev/null 2>&1; then
    pip=".venv/bin/python -m pip"
elif "$python" -m pip --version >/dev/null 2>&1; then
    pip="$python -m pip --python .venv/bin/python"
else
    fail "needs pip (Debian: apt install python3-venv)"
fi
echo "setup: installing into .venv (once; about a minute)" >&2
$pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable ".$extras" ||
    fail "pip could not install the dependencies: see its message above"
rm -f .venv/.einsim${1:+-$1}-*
: > "$stamp"
