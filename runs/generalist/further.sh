#!/usr/bin/env bash
# Version 2 of the generalist: 90,000 further pictures of 96 px, from the weights of version 1.
#   bash runs/generalist/further.sh DATA RUNS
# Interrupted at any moment, the same command goes on; version 1 is checkpoints/generalist before the commit that brought
# version 2. Cost: 5,524 s on one core of an AMD EPYC with AVX-512 BF16, other work on the second core, about 18 pictures a
# second. The best validation was at 80,016 pictures. Result: docs/log.md and checkpoints/generalist/card.json.
set -euo pipefail
cd "$(dirname "$0")/../.."
data=$1 runs=$2 python=${PYTHON:-.venv/bin/python} tasks=runs/generalist/tasks.json
# One thread: two bring 24 pictures a second on a machine of their own, but 8 where other work wants a core now and then,
# since each waits for the other at every operator.
export OMP_WAIT_POLICY=passive OMP_NUM_THREADS=1

"$python" -m medmamba train --tasks $tasks --data "$data" --out "$runs/further" --size 96 --pictures 90000 \
    --warm-up 4000 --learning-rate 6e-4 --validate-every 10000 --start-from checkpoints/generalist
"$python" -m medmamba publish "$runs/further" --tasks $tasks --data "$data" --out checkpoints/generalist --version 2 \
    --hardware "2 CPU cores"
