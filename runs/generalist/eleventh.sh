#!/usr/bin/env bash
# Version 8 of the generalist: 60,000 further pictures of 160 px from the weights of version 7, by Muon in batches of 64
# in two processes, with the decays of the scan tied and the mixing of the ninth run. 5,093 s on two cores of an AMD EPYC
# with AVX-512, 13 to 14 pictures a second. Validation mean: 15k 0.8667, 30k 0.8806, 45k 0.8811, 60k 0.8824, which is
# published; version 7 at 128 px has 0.8720.
#   bash runs/generalist/eleventh.sh DATA RUNS
# Interrupted at any moment, the same command goes on.
set -euo pipefail
cd "$(dirname "$0")/../.."
data=$1 runs=$2 python=${PYTHON:-.venv/bin/python} tasks=$2/eleventh-tasks.json
export OMP_WAIT_POLICY=passive OMP_NUM_THREADS=1

"$python" runs/generalist/augmented.py runs/generalist/tasks.json "$tasks" '{"bladder-endoscopy": {"grey": 0.5}}'

"$python" -m torch.distributed.run --nproc-per-node 2 -m medmamba train --tasks "$tasks" --data "$data" \
    --out "$runs/eleventh" --seed 8 --pictures 60000 --size 160 --batch 64 --optimiser muon --learning-rate 6e-4 \
    --warm-up 3000 --drop-path 0 --norms frozen --validate-every 15000 --average 0.997 --priors natural --decays tied \
    --start-from checkpoints/generalist --emphasis "blood-cells=2.2,dermatoscopy=2,chest-xray=1.2,covid-ct=1.6,\
brain-mri=1.8,capsule-endoscopy=1.2,fundus=1.6,breast-ultrasound=1.2,pneumoniamnist=0.3,kidney-ct=0.7,\
bladder-endoscopy=0.8,otoscopy=0.8" \
    --mix "kidney-ct=0.6,otoscopy=0.6,bladder-endoscopy=0.6,breast-ultrasound=0.6,covid-ct=0.5,brain-mri=0.5,\
fundus=0.5,chest-xray=0.3,capsule-endoscopy=0.3,colon-histology=0.3,skin-photo=0.3"
"$python" -m medmamba publish "$runs/eleventh" --tasks "$tasks" --data "$data" --out checkpoints/generalist --version 8 \
    --hardware "1 to 2 CPU cores, shared"
