#!/usr/bin/env bash
# What MedMamba is held against: torchvision's ResNet-18 from scratch on the same tasks, with the recipe, the sizes and the
# number of pictures of the generalist's first version (runs/generalist/train.sh).
#   bash runs/resnet18/train.sh DATA RUNS
# Result, beside that version's figures: docs/log.md. No checkpoint is shipped; the last line writes one beside the run.
set -euo pipefail
cd "$(dirname "$0")/../.."
data=$1 runs=$2 python=${PYTHON:-.venv/bin/python} tasks=runs/generalist/tasks.json
export OMP_WAIT_POLICY=passive OMP_NUM_THREADS=1

# Broken off at 128,016 of the 160,000 pictures of its schedule, where the generalist's first phase was.
"$python" -m medmamba train --tasks $tasks --data "$data" --out "$runs/resnet18-64px" --variant resnet18 --size 64 \
    --pictures 160000
"$python" -m medmamba train --tasks $tasks --data "$data" --out "$runs/resnet18-96px" --variant resnet18 --size 96 \
    --pictures 36000 --warm-up 1500 --learning-rate 3e-4 --validate-every 12000 --start-from "$runs/resnet18-64px/best.pt"
"$python" -m medmamba publish "$runs/resnet18-96px" --tasks $tasks --data "$data" --out "$runs/published/resnet18" \
    --hardware "2 CPU cores"
