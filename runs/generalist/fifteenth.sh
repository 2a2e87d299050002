#!/usr/bin/env bash
# 50,000 further pictures from the weights of version 9, as in the thirteenth run, but of 192 px instead of 160. Begun with
# --pictures 38000, of which the schedule of the first 7,000 tells. 4,723 s on two cores of an Intel Xeon with AMX, 12 to 13
# pictures a second. Not published: validation mean 13k 0.8807, 25k 0.8794, 38k 0.8777, 50k 0.8777, and mixed with version 9,
# which has 0.8871 at 160 px, half of the run 0.8841, three quarters 0.8832. Test was not opened.
#   bash runs/generalist/fifteenth.sh DATA RUNS
# Interrupted at any moment, the same command goes on.
set -euo pipefail
cd "$(dirname "$0")/../.."
data=$1 runs=$2 python=${PYTHON:-.venv/bin/python} tasks=$2/fifteenth-tasks.json
export OMP_WAIT_POLICY=passive OMP_NUM_THREADS=1

"$python" runs/generalist/augmented.py runs/generalist/tasks.json "$tasks" '{"bladder-endoscopy": {"grey": 0.5}}'

"$python" -m torch.distributed.run --nproc-per-node 2 -m medmamba train --tasks "$tasks" --data "$data" \
    --out "$runs/fifteenth" --seed 15 --pictures 50000 --size 192 --batch 64 --optimiser muon --learning-rate 4e-4 \
    --warm-up 3000 --drop-path 0.05 --norms frozen --validate-every 12500 --average 0.998 --priors natural \
    --decays tied --start-from checkpoints/generalist --emphasis "blood-cells=1.2,dermatoscopy=2.2,chest-xray=1.2,\
covid-ct=1.8,brain-mri=2.2,capsule-endoscopy=1.2,fundus=2,breast-ultrasound=1.6,pneumoniamnist=0.3,kidney-ct=0.9,\
bladder-endoscopy=0.9,otoscopy=0.8" \
    --mix "kidney-ct=0.5,otoscopy=0.5,bladder-endoscopy=0.5,breast-ultrasound=0.5,covid-ct=0.4,brain-mri=0.4,\
fundus=0.4,chest-xray=0.3,capsule-endoscopy=0.3,colon-histology=0.3,skin-photo=0.3" \
    --restyle "kidney-ct=0.6,bladder-endoscopy=0.6,brain-mri=0.5,covid-ct=0.4,fundus=0.4,breast-ultrasound=0.4,\
otoscopy=0.3,chest-xray=0.3,skin-photo=0.3,capsule-endoscopy=0.3,dermatoscopy=0.2"
"$python" -m medmamba blend "$runs/fifteenth" --start checkpoints/generalist --tasks "$tasks" --data "$data" \
    --out "$runs/fifteenth-blend" --shares 0.5 0.75 1
