#!/usr/bin/env bash
# An eighth run, begun and not finished: 110,000 pictures of 128 px from the weights of version 6, as the seventh run was
# made, less of what version 6 knows by heart. 27,520 pictures took 1,335 s in two processes on two cores, 22 a second;
# validation mean 0.8584 there, near the highest learning rate (version 6 at 96 px: 0.8614; the seventh run had 0.8552
# after 20,032). Nothing of it is published.
#   bash runs/generalist/eighth.sh DATA RUNS
# Interrupted at any moment, the same command goes on.
set -euo pipefail
cd "$(dirname "$0")/../.."
data=$1 runs=$2 python=${PYTHON:-.venv/bin/python} tasks=runs/generalist/tasks.json
export OMP_WAIT_POLICY=passive OMP_NUM_THREADS=1

"$python" -m torch.distributed.run --nproc-per-node 2 -m medmamba train --tasks $tasks --data "$data" \
    --out "$runs/eighth" --seed 5 --pictures 110000 --size 128 --batch 64 --optimiser muon --learning-rate 6e-4 \
    --warm-up 3000 --drop-path 0 --norms frozen --validate-every 27500 --average 0.998 --priors natural \
    --start-from checkpoints/generalist --emphasis "blood-cells=1.6,dermatoscopy=1.7,chest-xray=1.2,covid-ct=1.8,\
colon-histology=1.4,brain-mri=1.8,capsule-endoscopy=1.3,fundus=1.6,pneumoniamnist=0.3,kidney-ct=0.4,\
bladder-endoscopy=0.5,otoscopy=0.7"
