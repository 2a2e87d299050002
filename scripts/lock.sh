#!/usr/bin/env bash
# Versions and hashes of everything the page needs, for deployment: requirements.lock, and requirements-cpu.lock without
# torch and CUDA, which a machine without GPU takes from torch's own index. Wants `pip install uv`.
set -euo pipefail
cd "$(dirname "$0")/.."
uv pip compile --quiet --generate-hashes --no-header --no-annotate --python-version 3.11 requirements.txt -o requirements.lock
awk '/^[a-z]/ { keep = $0 !~ /^(torch==|torchvision==|triton==|nvidia-|cuda-)/ } keep' requirements.lock >requirements-cpu.lock
