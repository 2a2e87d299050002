#!/usr/bin/env bash
# Version 5 of the generalist: 92,000 further pictures of 96 px from the weights of version 4, by Muon
# (medmamba/optimisers.py) in batches of 32: 5,911 s on one core.
#   bash runs/generalist/fifth.sh DATA RUNS
# In 3,200 pictures from version 4 AdamW in batches of 16 (rate 4e-4) had a mean loss of 0.596 and 0.828 on validation, Muon
# in batches of 32 (the same rate) 0.545 and 0.834. A second run of 44,000 pictures and another seed (3,835 s on the other
# core) was meant for the mean of both runs' weights; validation preferred the first alone, see docs/log.md. Interrupted at
# any moment, the same command goes on.
set -euo pipefail
cd "$(dirname "$0")/../.."
data=$1 runs=$2 python=${PYTHON:-.venv/bin/python} tasks=runs/generalist/tasks.json
export OMP_WAIT_POLICY=passive OMP_NUM_THREADS=1

leg() {
    "$python" -m medmamba train --tasks $tasks --data "$data" --out "$runs/fifth-$1" --seed "$1" --pictures "$2" --size 96 \
        --batch 32 --optimiser muon --learning-rate 4e-4 --warm-up 3000 --drop-path 0 --norms frozen --validate-every 16000 \
        --average 0.998 --start-from checkpoints/generalist --emphasis "blood-cells=1.2,dermatoscopy=1.4,skin-photo=1.5,\
covid-ct=1.8,colon-histology=1.6,brain-mri=1.5,capsule-endoscopy=1.5,fundus=1.7,breast-ultrasound=1.6,otoscopy=1.2,\
pneumoniamnist=0.3,kidney-ct=0.6,bladder-endoscopy=0.7"
}
leg 1 92000 &
leg 2 44000 &
wait %1
wait %2
"$python" -m medmamba blend "$runs/fifth-1" --start "$runs/fifth-2/best.pt" --tasks $tasks --data "$data" \
    --out "$runs/fifth-blend" --shares 0.4 0.55 0.7 0.85 1
"$python" -m medmamba publish "$runs/fifth-blend" --tasks $tasks --data "$data" --out checkpoints/generalist --version 5 \
    --hardware "1 to 2 CPU cores, shared"
