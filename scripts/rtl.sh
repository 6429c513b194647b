#!/bin/sh
# Writes anew what the generator is the source of: the hardware in rtl/ and the pictures of docs/rtl.md.
# Tests run these commands, too, and compare (tests/rtl/test_reference.py).
set -eu
cd "$(dirname "$0")/.."

einsim() { "${PYTHON:-.venv/bin/python}" -m einsim "$@"; }

rm -f rtl/fusemax_small/*.sv
einsim rtl generate fusemax-small --shape E=16,F=16 -o rtl/fusemax_small --diagram docs/rtl-blocks.svg
einsim rtl test fusemax-small --shape E=8,F=8,M=32,P=20 --set arch.array2d.rows=4 --set arch.array2d.columns=4 \
    --set arch.array1d.lanes=4 --seed 3 --runs 1 --waves docs/rtl-waves.svg
