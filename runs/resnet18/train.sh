#!/usr/bin/env bash
# What MedMamba is held against: torchvision's ResNet-18 from scratch, with the recipe of the generalist's first phase.
#   bash runs/resnet18/train.sh DATA RUNS
# Result, with the curve of both: docs/log.md. No checkpoint is shipped.
set -euo pipefail
cd "$(dirname "$0")/../.."
data=$1 runs=$2 python=${PYTHON:-.venv/bin/python} tasks=runs/generalist/tasks.json
export OMP_WAIT_POLICY=passive OMP_NUM_THREADS=1

# Broken off at 96,000 pictures of its schedule; the generalist's first phase went on to 128,016.
"$python" -m medmamba train --tasks $tasks --data "$data" --out "$runs/resnet18" --variant resnet18 --size 64 \
    --pictures 160000
"$python" -m medmamba publish "$runs/resnet18" --tasks $tasks --data "$data" --out "$runs/published/resnet18"
