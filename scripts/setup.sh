#!/usr/bin/env bash
# Make .venv and install a requirements file into it, once: setup.sh requirements.txt
set -euo pipefail
cd "$(dirname "$0")/.."
python=${PYTHON:-python3.11}
[ -x .venv/bin/pip ] || "$python" -m venv .venv # without its python3-venv Debian leaves an environment that lacks pip
stamp=.venv/$(basename "$1").sha256
hash='import hashlib, sys; print(hashlib.sha256(sys.stdin.buffer.read()).hexdigest())' # a Mac may lack sha256sum
wanted=$(cat requirements*.txt | .venv/bin/python -c "$hash")
if [ "$(cat "$stamp" 2>/dev/null)" != "$wanted" ]; then
    .venv/bin/python -m pip install --quiet -r "$1"
    echo "$wanted" >"$stamp"
fi
