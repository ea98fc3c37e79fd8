#!/bin/sh
# All that needs a GPU, in one command of at most ten minutes: tests, then the measurements.
#     sh tests/gpu/run.sh FOLDER
# Each part has a time limit and writes FOLDER/<part>.log; one that fails or runs out of time does not stop the next. The
# rows of a table are written as they are measured. Ends with 1 if any part failed.
set -u
output=$(realpath -m "${1:?a folder for the logs and measurements}")
cd "$(dirname "$0")/../.." || exit 1
mkdir -p "$output" || exit 1
export PYTHONPATH=.:kernels PYTHONUNBUFFERED=1
python=${PYTHON:-python3}
failed=0

part() {
    name=$1 seconds=$2
    shift 2
    printf '%s: ' "$name"
    if timeout -k 5 "$seconds" "$python" "$@" >"$output/$name.log" 2>&1; then
        echo done
    else
        # 124: the time was over.
        echo "ended with $?"
        failed=1
    fi
    tail -n 5 "$output/$name.log"
}

rest=165
# Where the extra `warp` is installed; before the tests, which use what it compiles.
if "$python" -c 'import mujoco_warp' 2>"$output/physics.log"; then
    part physics 90 benchmarks/dance_physics.py speed --motions 8 --output "$output/physics.json"
    rest=110
fi
part tests 130 -m pytest -q -rs tests/gpu
part train_step 210 benchmarks/train_step.py --size 8b --device cuda
part skin 25 kernels/benchmarks/skin.py --device cuda --repeats 50 --json "$output/skin.json"
part penetration 25 kernels/benchmarks/penetration.py --device cuda --repeats 50 --json "$output/penetration.json"
# The rest: its own rows take a minute, competitors that have to be compiled take what is left.
part splat "$rest" kernels/benchmarks/run.py --device cuda --repeats 50 --json "$output/splat.json"
exit $failed
