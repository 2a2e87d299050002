#!/usr/bin/env bash
# Make .venv and install a requirements file into it, once: setup.sh requirements.txt
set -euo pipefail
cd "$(dirname "$0")/.."
python=${PYTHON:-python3.11}
[ -x .venv/bin/python ] || "$python" -m venv .venv
stamp=.venv/$(basename "$1").sha256
wanted=$(cat requirements*.txt | sha256sum)
if [ "$(cat "$stamp" 2>/dev/null)" != "$wanted" ]; then
    .venv/bin/python -m pip install --quiet -r "$1"
    echo "$wanted" >"$stamp"
fi
