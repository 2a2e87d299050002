#!/usr/bin/env bash
# Set up and run all tests, a file at a time in each of two processes. Further arguments go to pytest; -n 0 takes one.
set -euo pipefail
cd "$(dirname "$0")/.."
bash scripts/setup.sh requirements-dev.txt
missing=()
command -v chromium >/dev/null || missing+=(chromium)
ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || command -v initdb >/dev/null || missing+=(postgresql)
if [ ${#missing[@]} -gt 0 ] && command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
    apt-get update -qq && apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi
export OMP_WAIT_POLICY="${OMP_WAIT_POLICY:-passive}" # threads that wait must not spin on a core that the other process wants
exec .venv/bin/python -m pytest -n 2 --dist loadfile "$@"
