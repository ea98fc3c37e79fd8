"""What verification is worth: a tiny model distilled from a teacher that tells the truth, and from one that lies.

    python benchmarks/teacher_truth.py [-o FOLDER] [--share 1.0] [--lies 0.3] [--epochs 1.0] [--seed 0]

The student is the one of the recipes foundation and four_stages after their first two stages. Its teachers answer over
HTTP on this machine; they know the motions and so can tell what happens in each recording, or, in a share of the cases,
what happens in another action, with the name of that one. Three students are distilled for the same number of steps:
from the truth, from the liar with verification, and from the liar without, whose answers are learnt as they came. Then
each reasons about performers that it never saw. It takes ten to fifteen minutes on two quiet CPU cores.
"""

import argparse
import base64
import hashlib
import json
import shutil
import sys
import threading
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "kernels")]

from skeletonllm.cli.demo import fresh_run, shortened, without  # noqa: E402
from skeletonllm.cli.evaluate import print_table  # noqa: E402
from skeletonllm.data.recordings import Recording, read_all, select  # noqa: E402
from skeletonllm.data.sources import SOURCES, load_source  # noqa: E402
from skeletonllm.data.teacher import Endpoint, Frames, Sampling, TeacherSettings, teach  # noqa: E402
from skeletonllm.data.teacher.frames import Shown  # noqa: E402
from skeletonllm.data.teacher.ledger import ACCEPTED_FILE  # noqa: E402
from skeletonllm.evaluation.accuracy import predict, wilson_interval  # noqa: E402
from skeletonllm.models.trained import Trained, load_trained  # noqa: E402
from skeletonllm.skeleton.synthesis import ACTIONS, describe  # noqa: E402
from skeletonllm.tasks import rationale  # noqa: E402
from skeletonllm.training.arguments import Recipe  # noqa: E402

STAGES_BEFORE = ("warmup", "discriminate")
# Name, share of lies relative to what is asked for, verification.
TEACHERS = (("truthful", 0, True), ("lying, verified", 1, True), ("lying, not verified", 1, False))
BATCH_SIZE = 32


class KnownFrames(Frames):
    """Frames that a teacher on the same machine recognises."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.shown: dict[str, Recording] = {}

    def show(self, number: int) -> Shown:
        shown = super().show(number)
        self.shown[hashlib.sha256(b"".join(shown.pictures)).hexdigest()] = self.recordings[number]
        return shown


def answer(recording: Recording, lies: float) -> str:
    """The truth about a recording, or for a share of the recordings the truth about another action."""
    draw = zlib.crc32(recording.id.encode())
    if draw % 1000 >= 1000 * lies:
        return f"{recording.rationale()}\nLabel: {recording.label}"
    others = [label for label in ACTIONS if label != recording.label]
    other = others[draw // 1000 % len(others)]
    told = describe(other, performer=recording.attributes["performer"], take=recording.attributes["take"])
    return f"{told}\nLabel: {other}"


@contextmanager
def served(frames: KnownFrames, lies: float) -> Iterator[str]:
    """The address of a teacher."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            question = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            message = {"content": answer(frames.shown[digest_of_pictures(question)], lies)}
            usage = {"prompt_tokens": 0, "completion_tokens": 0}
            body = json.dumps({"choices": [{"message": message, "finish_reason": "stop"}], "usage": usage}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/v1"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def digest_of_pictures(question: dict) -> str:
    parts = question["messages"][-1]["content"]
    urls = [part["image_url"]["url"] for part in parts if part["type"] == "image_url"]
    return hashlib.sha256(b"".join(base64.b64decode(url.partition(",")[2]) for url in urls)).hexdigest()


def taught(root: Path, **options) -> list[Recording]:
    """A data source: the embedded recordings that a folder has answers about, labelled as the answers say."""
    rows = {row["id"]: row for row in map(json.loads, (root / ACCEPTED_FILE).read_text().splitlines())}
    return [
        replace(one, label=rows[one.id]["said"], rationale=partial(str, rows[one.id]["rationale"]))
        for one in load_source("synthetic", **options)
        if one.id in rows
    ]


def ask(student: Trained, recipe: Recipe, folder: Path, lies: float, verify: bool) -> int:
    """Fill a folder with a teacher's answers about the recipe's training recordings; how many are kept."""
    recordings = read_all(select(load_source("synthetic", **recipe.data.options), "train"))
    sampling = Sampling(recipe.model.num_frames, False, recipe.augmentation, recipe.optimization.seed)
    frames = KnownFrames(recordings, sampling, student.model.renderer, student.model.config.image_size)
    with served(frames, lies) as url:
        summary = teach(frames, Endpoint(url, "embedded"), folder, TeacherSettings(verify=verify), progress=True)
    print(f"  {summary.accepted} of {len(recordings)} answers kept")
    return summary.accepted


def distil(recipe: Recipe, before: Path, answers: Path, epochs: float, folder: Path) -> Trained:
    """A student that goes on from a run, on as many examples as ``epochs`` of all recordings are."""
    everything = len(select(load_source("synthetic", **recipe.data.options), "train"))
    recipe = without(recipe, (*STAGES_BEFORE, "refine"))
    recipe.data.source, recipe.data.root = "taught", str(answers)
    size = recipe.optimization.batch_size
    kept = len(select(taught(answers, **recipe.data.options), "train"))
    recipe.stages["distill"].epochs = epochs * (everything // size) / (kept // size)
    fresh_run(recipe, folder, start=before)
    return load_trained(folder)


@torch.no_grad()
def reasoned_hits(student: Trained, recordings: Sequence, labels: list[str], longest: int) -> int:
    """How often the label at the end of a student's own reasons is right."""
    hits = 0
    for start in range(0, len(recordings), BATCH_SIZE):
        rows = recordings[start : start + BATCH_SIZE]
        clips = [student.processor.sample(sequence) for _, sequence in rows]
        inputs = student.processor(clips, [rationale.build_prompt()] * len(rows))
        generated = student.model.generate(**inputs, max_new_tokens=longest, do_sample=False)
        texts = student.processor.decode(generated, inputs["input_ids"].shape[1])
        hits += sum(rationale.is_correct(text, row.label, labels) for text, (row, _) in zip(texts, rows, strict=True))
    return hits


def measure(student: Trained, recipe: Recipe) -> list[str]:
    """Accuracies on the test performers: at the end of the student's reasons, and asked for the label at once."""
    recordings = read_all(select(load_source("synthetic", **recipe.data.options), "test"))
    labels = sorted({recording.label for recording, _ in recordings})
    targets = [rationale.build_target(recording.rationale(), recording.label) for recording, _ in recordings]
    longest = max(len(student.processor.answer_ids(target)) for target in targets) + 8
    hits = reasoned_hits(student, recordings, labels, longest)
    low, high = wilson_interval(hits, len(recordings))
    predictions = predict(student.model, student.processor, recordings, labels, progress=False)
    at_once = sum(one.predicted == one.label for one in predictions) / len(recordings)
    return [f"{hits / len(recordings):.1%} ({low:.1%} to {high:.1%})", f"{at_once:.1%}"]


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("-o", "--output", type=Path, default=Path("teacher_truth"), help="earlier runs in it go")
    parser.add_argument("--share", type=float, default=1.0, help="of training and people, for a quick look")
    parser.add_argument("--lies", type=float, default=0.3, help="share of the recordings that the liar lies about")
    parser.add_argument("--epochs", type=float, default=1.0, help="of distillation")
    parser.add_argument("--test-performers", type=int, default=15)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    SOURCES["taught"] = taught

    output, seed = options.output, f"optimization.seed={options.seed}"
    print("a foundation, and the stages before distillation")
    fresh_run(shortened("foundation", options.share, [seed]), output / "foundation")
    recipe = shortened("four_stages", options.share, [seed, f"model.backbone={output / 'foundation'}"])
    fresh_run(without(recipe, ("distill", "refine")), output / "before")
    recipe.data.options["test_performers"] = max(1, round(options.test_performers * options.share))
    student = load_trained(output / "before")

    rows = [["teacher", "answers kept", "accuracy after reasoning, 95 % interval", "asked for the label at once"]]
    rows.append(["none (before distillation)", "", *measure(student, recipe)])
    for name, liar, verify in TEACHERS:
        print(f"a teacher: {name}")
        place = output / name.replace(",", "").replace(" ", "_")
        shutil.rmtree(place, ignore_errors=True)
        kept = ask(student, recipe, place / "answers", liar * options.lies, verify)
        epochs = options.epochs * options.share
        rows.append(
            [
                name,
                str(kept),
                *measure(distil(recipe, output / "before", place / "answers", epochs, place / "run"), recipe),
            ]
        )
    print_table(rows)


if __name__ == "__main__":
    main()
