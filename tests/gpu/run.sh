#!/bin/sh
# All that needs a GPU, in one command: tests, then the measurements as JSON.
#     sh tests/gpu/run.sh FOLDER
set -eu
output=$(realpath -m "${1:?a folder for the measurements}")
cd "$(dirname "$0")/../.."
mkdir -p "$output"
export PYTHONPATH=.:kernels
python=${PYTHON:-python3}
"$python" -m pytest -q -rs tests/gpu
"$python" kernels/benchmarks/run.py --device cuda --repeats 50 --json "$output/splat.json"
