#!/usr/bin/env bash
# Set up and start the page with the shipped weights. Further arguments go to `python -m app`.
set -euo pipefail
cd "$(dirname "$0")/.."
bash scripts/setup.sh requirements.txt
exec .venv/bin/python -m app "$@"
