"""How fast dances are simulated, and how real recordings are judged, before and after they are spoilt.

    python benchmarks/dance_physics.py speed [--motions 64] [--gpu-motions 256] [-o speed.json]
    python benchmarks/dance_physics.py recordings FOLDER... [--seconds 10] [-o judged.json]

``speed`` simulates embedded dances of five seconds in one call, on one and on two threads. The baseline is what one
would write first: the same model and controls, stepped in a Python loop. Where MuJoCo Warp is installed and there is a
GPU, it simulates more of them there, after a first call that compiles.

``recordings`` judges every motion of folders on the floor that reading has estimated, then the same motions with an arm
through the trunk, gliding feet, and 10 cm in the air, and counts how many are judged lower. Processor seconds are those
that the process computed, so that others on the machine do not count.
"""

import argparse
import json
import os
import platform
import sys
import time
import warnings
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "kernels")]
os.environ.setdefault("OMP_NUM_THREADS", "1")

import mujoco  # noqa: E402
import numpy as np  # noqa: E402
import torch  # noqa: E402

from skeletonllm.cli.convert import find_jobs  # noqa: E402
from skeletonllm.dance.body import default_body  # noqa: E402
from skeletonllm.dance.codecs import read_motion  # noqa: E402
from skeletonllm.dance.imitation import Judgement, judge  # noqa: E402
from skeletonllm.dance.imitation.artefacts import ARTEFACTS  # noqa: E402
from skeletonllm.dance.physics import Physics, Reference, build_model, make_reference, simulate  # noqa: E402
from skeletonllm.dance.synthesis import make_dance, make_song  # noqa: E402

BODY = default_body()
SPOILT = ("through_trunk", "skating", "floating")
_SECONDS = 5.0
_STYLES = ("house", "hip_hop", "rock", "latin")
# Shorter ones end before an artefact has begun.
_SHORTEST = 0.6


def step_loop(reference: Reference) -> np.ndarray:
    """The baseline: states of the last step, one Python call per step."""
    model = build_model(BODY, Physics(), reference.demand)
    data = mujoco.MjData(model)
    data.qpos[:], data.qvel[:] = np.split(reference.start, [model.nq])
    for control in reference.control:
        data.ctrl[:] = control[: model.nu]
        data.mocap_pos[0], data.mocap_quat[0] = control[model.nu : model.nu + 3], control[model.nu + 3 :]
        mujoco.mj_step(model, data)
    return np.concatenate([data.qpos, data.qvel])


def speed(count: int, on_gpu: int) -> dict:
    """Motions and steps per second of the batch in one call and of the loop, and of ``on_gpu`` motions on a GPU."""
    dances = [
        make_dance(make_song(seed, _SECONDS, 90 + 10 * (seed % 6), style=_STYLES[seed % 4]), seed) for seed in range(8)
    ]
    start = time.process_time()
    references = [make_reference(dance, BODY) for dance in dances]
    preparing = (time.process_time() - start) / len(dances)
    references = [references[number % len(references)] for number in range(count)]
    steps = sum(len(reference.control) for reference in references)
    simulate(references[:2], Physics(), threads=2)  # models are compiled, threads started
    found = {"motions": count, "steps": steps, "preparing_s_per_motion": preparing, "rows": []}
    for threads in (1, 2):
        row, trajectories = timed(lambda threads=threads: simulate(references, Physics(), threads=threads))
        found["rows"].append(rates(f"one call, {threads} thread{'s' * (threads > 1)}", row, count, steps))
    few = references[: max(1, count // 8)]
    row, last = timed(lambda: [step_loop(reference) for reference in few])
    found["rows"].append(rates("loop in Python", row, len(few), sum(len(reference.control) for reference in few)))
    # Both are the same simulation.
    assert all((one == other.states[-1]).all() for one, other in zip(last, trajectories, strict=False))
    if find_spec("mujoco_warp") and torch.cuda.is_available():
        references = [references[number % len(references)] for number in range(on_gpu)]
        (_, first), _ = timed(lambda: simulate(references, Physics(), backend="warp"))
        row, _ = timed(lambda: simulate(references, Physics(), backend="warp"))
        found["gpu_first_call_s"] = first
        found["rows"].append({"name": f"MuJoCo Warp, {torch.cuda.get_device_name()}, {on_gpu} dances",
                              "steps_per_core_s": None, "motions_per_core_s": None,
                              "motions_per_wall_s": on_gpu / row[1]})  # fmt: skip
    return found


def timed(call) -> tuple[tuple[float, float], object]:
    wall, cpu = time.perf_counter(), time.process_time()
    result = call()
    return (time.process_time() - cpu, time.perf_counter() - wall), result


def rates(name: str, seconds: tuple[float, float], motions: int, steps: int) -> dict:
    cpu, wall = seconds
    return {"name": name, "steps_per_core_s": steps / cpu, "motions_per_core_s": motions / cpu,
            "motions_per_wall_s": motions / wall}  # fmt: skip


def recordings(folders: list[Path], seconds: float, align: bool) -> dict:
    """Summaries of all motions, as they are and spoilt, and how often the spoilt is judged lower."""
    motions = []
    for job in (job for folder in folders for job in find_jobs(folder, None)):
        try:
            motion = read_motion(job.source, BODY)
        except ValueError as error:
            print(f"left out: {str(error)[:110]}", file=sys.stderr)
            continue
        if motion.duration >= _SHORTEST:
            name = str(Path(job.source).relative_to(folders[0].parent))
            motions.append(motion.slice(0, round(seconds * motion.fps)).replace(source=name))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        clean = judge(motions, BODY, align=align)
        found = {"motions": [judgement.summary() for judgement in clean], "spoilt": {}}
        for name in SPOILT:
            spoilt = judge([ARTEFACTS[name](motion, BODY) for motion in motions], BODY, align=align)
            found["spoilt"][name] = {
                "motions": [judgement.summary() for judgement in spoilt],
                "success": float(np.mean([judgement.success for judgement in spoilt])),
                "by": {by: compared(clean, spoilt, by) for by in ("reward", "plausibility")},
            }
    return found


def compared(clean: list[Judgement], spoilt: list[Judgement], by: str) -> dict:
    """How often, and by how much in the middle, a number of the spoilt is lower."""
    margins = np.array([getattr(before, by) - getattr(after, by) for before, after in zip(clean, spoilt, strict=True)])
    return {
        "lower": float((margins > 0).mean()),
        "median_margin": float(np.median(margins)),
        "not_lower": [clean[number].source for number in np.flatnonzero(margins <= 0)],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    of_speed = commands.add_parser("speed")
    of_speed.add_argument("--motions", type=int, default=64)
    of_speed.add_argument("--gpu-motions", type=int, default=256)
    of_recordings = commands.add_parser("recordings")
    of_recordings.add_argument("folders", type=Path, nargs="+")
    of_recordings.add_argument("--seconds", type=float, default=10.0, help="of each motion, from its start")
    of_recordings.add_argument("--align", action="store_true", help="put each first frame on the floor")
    for command in (of_speed, of_recordings):
        command.add_argument("-o", "--output", type=Path)
    arguments = parser.parse_args()
    if arguments.command == "speed":
        found = speed(arguments.motions, arguments.gpu_motions)
        print("| | steps/s of a core | motions/s of a core | motions/s of the clock |\n|---|---|---|---|")
        for row in found["rows"]:
            of_core = "– | –"
            if row["steps_per_core_s"]:
                of_core = f"{row['steps_per_core_s']:.0f} | {row['motions_per_core_s']:.1f}"
            print(f"| {row['name']} | {of_core} | {row['motions_per_wall_s']:.1f} |")
        print(f"preparing a motion: {1000 * found['preparing_s_per_motion']:.1f} ms")
    else:
        found = recordings(arguments.folders, arguments.seconds, arguments.align)
        print("| motion | reward | plausibility | fell, s | help | of |\n|---|---|---|---|---|---|")
        for each in found["motions"]:
            fall = "–" if each["fall_time"] is None else f"{each['fall_time']:.1f}"
            numbers = " | ".join(f"{each[key]:.3f}" for key in ("reward", "plausibility"))
            help_of = f"{each['wrench_used']:.2f} | {each['force_cap']:.2f}"
            print(f"| {each['source']} | {numbers} | {fall} | {help_of} |")
        print(f"success: {np.mean([each['success'] for each in found['motions']]):.3f} of {len(found['motions'])}")
        for name, result in found["spoilt"].items():
            print(f"{name}: success {result['success']:.3f}")
            for by, how in result["by"].items():
                print(f"  {by}: lower in {100 * how['lower']:.0f} %, by {how['median_margin']:.3f} in the middle;"
                      f" not: {', '.join(how['not_lower']) or 'none'}")  # fmt: skip
    found |= {"machine": platform.machine(), "cores": os.cpu_count(), "mujoco": mujoco.__version__}
    if arguments.output is not None:
        arguments.output.write_text(json.dumps(found, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
