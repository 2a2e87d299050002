#!/usr/bin/env bash
# The steps of Dockerfile.gpu in a clean folder, where there is no container engine: a fresh environment from
# requirements.lock with hashes, only what .dockerignore lets through, an empty home, sources that cannot be written to.
# container_steps.sh FOLDER
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
folder=$1
mkdir -p "$folder"/{app,state,tmp}
"${PYTHON:-python3.11}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --require-hashes -r "$root/requirements.lock"
git -C "$root" archive HEAD medmamba app checkpoints | tar -x -C "$folder/app"
chmod -R a-w "$folder/app"
cd "$folder/app"
env -i PATH="$folder/venv/bin:/usr/bin:/bin" HOME="$folder/state" XDG_STATE_HOME="$folder/state" TMPDIR="$folder/tmp" \
    PYTHONDONTWRITEBYTECODE=1 MEDMAMBA_PORT="${PORT:-7869}" MEDMAMBA_LOG=json "$folder/venv/bin/python" -m app &
server=$!
trap 'kill $server; wait $server || true' EXIT
for _ in $(seq 120); do
    "$folder/venv/bin/python" -c "import urllib.request as u; u.urlopen('http://127.0.0.1:${PORT:-7869}/readyz')" 2>/dev/null && break
    sleep 1
done
"$folder/venv/bin/python" -m app probe "http://127.0.0.1:${PORT:-7869}/"
