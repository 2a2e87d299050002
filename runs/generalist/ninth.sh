#!/usr/bin/env bash
# Begun from the weights of version 7: pictures of the tasks whose training pictures it knows by heart are mixed with others
# of their task, and half of those of the bladder are shown without colour, since the colour of the light there tells
# classes apart on the pictures of these patients alone.
#   bash runs/generalist/ninth.sh DATA RUNS
# Interrupted at any moment, the same command goes on.
set -euo pipefail
cd "$(dirname "$0")/../.."
data=$1 runs=$2 python=${PYTHON:-.venv/bin/python} tasks=runs/generalist/tasks.json
export OMP_WAIT_POLICY=passive OMP_NUM_THREADS=1

"$python" -m torch.distributed.run --nproc-per-node 2 -m medmamba train --tasks $tasks --data "$data" \
    --out "$runs/ninth" --seed 6 --pictures 100000 --size 128 --batch 64 --optimiser muon --learning-rate 6e-4 \
    --warm-up 3000 --drop-path 0 --norms frozen --validate-every 25000 --average 0.998 --priors natural \
    --start-from checkpoints/generalist --emphasis "blood-cells=2.2,dermatoscopy=1.8,chest-xray=1.2,covid-ct=1.6,\
brain-mri=1.8,capsule-endoscopy=1.2,fundus=1.6,breast-ultrasound=1.2,pneumoniamnist=0.3,kidney-ct=0.7,\
bladder-endoscopy=0.8,otoscopy=0.8" \
    --mix "kidney-ct=0.6,otoscopy=0.6,bladder-endoscopy=0.6,breast-ultrasound=0.6,covid-ct=0.5,brain-mri=0.5,\
fundus=0.5,chest-xray=0.3,capsule-endoscopy=0.3,colon-histology=0.3,skin-photo=0.3"
