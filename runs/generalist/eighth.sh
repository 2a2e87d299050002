#!/usr/bin/env bash
# Version 7 of the generalist: 105,000 further pictures of 128 px from the weights of version 6, by Muon in batches of 64
# in two processes, with less of what version 6 knew by heart. 5,943 s on two cores of an AMD EPYC with AVX-512, 20
# pictures a second with some other work beside it. Validation mean: 26k 0.8519, 53k 0.8730, 79k 0.8719, 105k 0.8722;
# version 6 at 96 px had 0.8614. The weights at 53k and at the end, 0.4 to 0.6: 0.8720, which is published.
#   bash runs/generalist/eighth.sh DATA RUNS
# Interrupted at any moment, the same command goes on.
set -euo pipefail
cd "$(dirname "$0")/../.."
data=$1 runs=$2 python=${PYTHON:-.venv/bin/python} tasks=runs/generalist/tasks.json
export OMP_WAIT_POLICY=passive OMP_NUM_THREADS=1

"$python" -m torch.distributed.run --nproc-per-node 2 -m medmamba train --tasks $tasks --data "$data" \
    --out "$runs/eighth" --seed 5 --pictures 105000 --size 128 --batch 64 --optimiser muon --learning-rate 6e-4 \
    --warm-up 3000 --drop-path 0 --norms frozen --validate-every 26250 --average 0.998 --priors natural \
    --start-from checkpoints/generalist --emphasis "blood-cells=1.6,dermatoscopy=1.7,chest-xray=1.2,covid-ct=1.8,\
colon-histology=1.4,brain-mri=1.8,capsule-endoscopy=1.3,fundus=1.6,pneumoniamnist=0.3,kidney-ct=0.4,\
bladder-endoscopy=0.5,otoscopy=0.7,skin-photo=0.8"
"$python" -m medmamba blend "$runs/eighth" --start "$runs/eighth/last.pt" --tasks $tasks --data "$data" \
    --out "$runs/eighth-blend" --shares 0.4
"$python" -m medmamba publish "$runs/eighth-blend" --tasks $tasks --data "$data" --out checkpoints/generalist --version 7 \
    --hardware "1 to 2 CPU cores, shared"
