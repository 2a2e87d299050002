#!/usr/bin/env bash
# The first generalist: MedMamba-T on fourteen tasks and a router, on two CPU cores shared with other work.
#   bash runs/generalist/train.sh DATA RUNS
# DATA holds the pictures as <task>/{train,val,test}/<class>/, see tasks.json; RUNS gets a folder a phase. Interrupted at any
# moment, the same command goes on. Cost and result: docs/log.md and checkpoints/generalist/card.json.
set -euo pipefail
cd "$(dirname "$0")/../.."
data=$1 runs=$2 python=${PYTHON:-.venv/bin/python} tasks=runs/generalist/tasks.json
export OMP_WAIT_POLICY=passive # threads that wait must not spin when the cores are shared

# Small pictures first: a quarter of the pixels of 128 px. Broken off at 128,016 of the 160,000 pictures of its schedule.
"$python" -m medmamba train --tasks $tasks --data "$data" --out "$runs/64px" --size 64 --pictures 160000
# Then a little larger, from the averaged weights of the first phase.
"$python" -m medmamba train --tasks $tasks --data "$data" --out "$runs/96px" --size 96 --pictures 36000 \
    --warm-up 1500 --learning-rate 3e-4 --validate-every 12000 --start-from "$runs/64px/best.pt"
"$python" -m medmamba publish "$runs/96px" --tasks $tasks --data "$data" --out checkpoints/generalist \
    --hardware "2 CPU cores"
