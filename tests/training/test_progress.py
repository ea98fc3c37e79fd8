"""What one sees of a run: log lines, the same on TensorBoard, and pictures of what the renderer draws."""

import json
import math

import numpy as np
import pytest
import torch
from minute_runs import crash_before, lines_of
from PIL import Image

from skeletonllm.training.progress import Log, RendererClock, Window, describe
from skeletonllm.training.run import train

EVERY_LINE = {
    "step", "stage", "epoch", "loss", "gradient_norm", "seconds_per_step", "samples_per_second",
    "visual_tokens_per_second", "text_tokens_per_second", "renderer_share", "data_wait_share", "skipped", "memory_gib",
    "eta_seconds",
}  # fmt: skip


def scalars_of(folder):
    """{step: {key: value}} as TensorBoard shows it."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    board = EventAccumulator(str(folder / "tensorboard"), size_guidance=dict(scalars=0, images=0)).Reload()
    found = {}
    for key in board.Tags()["scalars"]:
        for event in board.Scalars(key):
            assert key not in found.setdefault(event.step, {}), f"{key} twice at {event.step}"
            found[event.step][key] = event.value
    return found, board


def test_a_log_line_tells_of_every_part_and_task_of_its_stage(staged):
    for line in lines_of(staged.folder):
        stage = staged.spans[line["stage"]].stage
        keys = EVERY_LINE | {f"loss/{task}" for task in stage.tasks} | {f"gradient_norm/{p}" for p in stage.train}
        rates = {key for key in line if key.startswith("learning_rate/")}
        assert set(line) == keys | rates
        assert {key.removeprefix("learning_rate/").split()[0] for key in rates} == set(stage.train)
        numbers = {key: value for key, value in line.items() if key != "stage"}
        assert all(math.isfinite(value) and value >= 0 for value in numbers.values())
        norms = [line[f"gradient_norm/{part}"] for part in stage.train]
        assert min(norms) > 0
        # The norm of means over two steps is at most the mean of norms, up to float64 rounding.
        assert math.hypot(*norms) <= line["gradient_norm"] * (1 + 1e-9)
        assert 0.01 < line["memory_gib"] < 1000
    assert lines_of(staged.folder)[-1]["eta_seconds"] == 0


def test_tensorboard_shows_what_the_log_says(staged):
    found, _ = scalars_of(staged.folder)
    lines = {line.pop("step"): line for line in lines_of(staged.folder)}
    assert found.keys() == lines.keys()
    for step, line in lines.items():
        numbers = {key: value for key, value in line.items() if key != "stage"}
        assert found[step] == pytest.approx(numbers, rel=1e-6)  # TensorBoard keeps float32


def test_tensorboard_shows_each_step_once_after_a_crash(recipe, tmp_path):
    patch = crash_before(9)
    try:
        with pytest.raises(Exception, match="^$"):
            train(recipe(), tmp_path)
    finally:
        patch.undo()
    train(recipe(), tmp_path, resume=True)
    found, _ = scalars_of(tmp_path)
    lines = {line["step"]: line for line in lines_of(tmp_path)}
    assert list(found) == list(lines) == [4, 8, 12, 16, 18]
    assert {step: line["loss"] for step, line in lines.items()} == pytest.approx(
        {step: values["loss"] for step, values in found.items()}
    )


def test_pictures_show_that_the_renderer_learns_while_it_does(staged):
    pictures = {
        int(path.stem.removeprefix("step-")): np.asarray(Image.open(path), np.int16)
        for path in (staged.folder / "pictures").iterdir()
    }
    ends = {name: span.last for name, span in staged.spans.items()}
    assert set(pictures) == {0, *ends.values()}
    assert np.array_equal(pictures[0], pictures[ends["foundation"]])
    assert np.abs(pictures[ends["foundation"]] - pictures[ends["warmup"]]).max() > 10
    assert not np.array_equal(pictures[ends["warmup"]], pictures[ends["distill"]])
    assert np.array_equal(pictures[ends["distill"]], pictures[ends["refine"]])
    assert pictures[0].max() > 100  # somebody is there
    assert {event.step for event in scalars_of(staged.folder)[1].Images("renderer")} == set(pictures)


def test_pictures_come_every_so_many_steps_or_not_at_all(recipe, tmp_path):
    for every, steps in ((2, ["000000", "000002", "000003"]), (0, [])):
        folder = tmp_path / str(every)
        train(recipe(scratch=dict(epochs=1), pictures_every=every), folder)
        assert sorted(path.stem for path in folder.glob("pictures/*")) == [f"step-{step}" for step in steps]


def test_a_line_for_people_has_what_the_log_has(staged):
    line = {**lines_of(staged.folder)[-1], "eta_seconds": 2 * 86400 + 3 * 3600 + 65}
    told = describe(line)
    for part in ("refine step", "loss recognition", "gradient lora", "projector", "rate lora matrices", "samples/s",
                 "visual and", "text tokens/s", "GiB", "renderer", "data wait", "ETA 2 d 03:01:05"):  # fmt: skip
        assert part in told
    assert "\n" not in told


def line_of(step, **values):
    return dict(
        step=step, stage="s", loss=1.0, samples_per_second=1.0, visual_tokens_per_second=1.0,
        text_tokens_per_second=1.0, memory_gib=1.0, renderer_share=0.1, data_wait_share=0.1, eta_seconds=5, **values,
    )  # fmt: skip


def test_a_log_that_is_opened_again_drops_later_lines_and_what_a_crash_cut_off(tmp_path):
    log = Log(tmp_path, 0)
    for step in (2, 4, 6):
        log.write(line_of(step))
    log.close()
    with (tmp_path / "log.jsonl").open("a") as file:
        file.write('{"step": 8, "los')
    log = Log(tmp_path, 4)
    log.write(line_of(5))
    log.close()
    assert [json.loads(line)["step"] for line in (tmp_path / "log.jsonl").read_text().splitlines()] == [2, 4, 5]


def facts(skipped=0.0, **values):
    return dict(
        visual_tokens=12.0, text_tokens=60.0, renderer_seconds=0.1, data_wait_seconds=0.05, seconds=0.5,
        skipped=skipped, **values,
    )  # fmt: skip


def test_means_are_over_samples_and_norms_over_steps_that_counted():
    window = Window()
    window.add(facts(**{"loss/a": 6.0, "samples/a": 2.0, "loss/b": 8.0, "samples/b": 1.0, "gradient_norm": 3.0}))
    window.add(facts(**{"loss/a": 0.0, "samples/a": 0.0, "loss/b": 4.0, "samples/b": 2.0, "gradient_norm": 5.0}))
    none = {"loss/a": 0.0, "samples/a": 0.0, "loss/b": 0.0, "samples/b": 0.0, "gradient_norm": 0.0}
    window.add(facts(skipped=1.0, **none))
    summary = window.summary()
    assert summary["loss"] == 18 / 5 and summary["loss/a"] == 3 and summary["loss/b"] == 4
    assert summary["gradient_norm"] == 4 and summary["skipped"] == 1
    assert summary["seconds_per_step"] == 0.5 and summary["samples_per_second"] == 5 / 1.5
    assert summary["visual_tokens_per_second"] == 24 and summary["text_tokens_per_second"] == 120
    assert summary["renderer_share"] == pytest.approx(0.2) and summary["data_wait_share"] == pytest.approx(0.1)


def test_a_task_that_was_not_asked_and_steps_that_were_all_left_out_have_no_loss():
    window = Window()
    window.add(facts(skipped=1.0, **{"loss/a": 0.0, "samples/a": 0.0, "gradient_norm": 0.0}))
    summary = window.summary()
    assert summary["loss"] is None and "loss/a" not in summary
    assert json.loads(json.dumps(summary))["loss"] is None


class Slow(torch.nn.Module):
    """Draws for two seconds and takes three for its gradient, by a clock of the test."""

    def __init__(self, clock):
        super().__init__()
        self.clock = clock

    def forward(self, inputs):
        self.clock.now += 2
        frames = inputs * 2
        if frames.requires_grad:
            frames.register_hook(self._late)
        return frames * 1

    def _late(self, gradient):
        self.clock.now += 3
        return gradient


class Clock:
    now = 0.0

    def perf_counter(self):
        return self.now


def test_the_renderers_share_is_its_forward_and_its_backward_pass(monkeypatch):
    from skeletonllm.training import progress

    clock = Clock()
    monkeypatch.setattr(progress, "time", clock)
    renderer = Slow(clock)
    watch = RendererClock(renderer, torch.device("cpu"))
    frames = renderer(torch.ones(2, requires_grad=True))
    clock.now += 10  # the backbone
    frames.sum().backward()
    watch.end()
    assert watch.seconds() == 5
    assert watch.seconds() == 0
    with torch.no_grad():
        renderer(torch.ones(2))
    clock.now += 10
    watch.end()
    assert watch.seconds() == 2
