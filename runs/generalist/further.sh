#!/usr/bin/env bash
# Train the shipped generalist on, from its own weights: what the next release is made with. Not yet run.
#   bash runs/generalist/further.sh DATA RUNS
# Interrupted at any moment, the same command goes on. Two cores without bfloat16 show about 20 pictures a second at
# 96 px, with AVX-512 BF16 about 36.
set -euo pipefail
cd "$(dirname "$0")/../.."
data=$1 runs=$2 python=${PYTHON:-.venv/bin/python} tasks=runs/generalist/tasks.json
export OMP_WAIT_POLICY=passive # threads that wait must not spin when the cores are shared

"$python" -m medmamba train --tasks $tasks --data "$data" --out "$runs/further" --size 96 --pictures 160000 \
    --warm-up 4000 --learning-rate 6e-4 --start-from checkpoints/generalist
"$python" -m medmamba publish "$runs/further" --tasks $tasks --data "$data" --out checkpoints/generalist --version 2
