"""One set of parameters draws every topology: the same motion alike, and sensibly what it never trained on."""

import sys
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))

from topologies import FIVE, clips_of, compare, difference, draw, figure, overlap

from skeletonllm.rendering.draction import DrAction
from skeletonllm.rendering.gaussians import REGIONS
from skeletonllm.skeleton.sequence import sample_clip
from skeletonllm.skeleton.synthesis import synthesize
from skeletonllm.skeleton.topologies import TOPOLOGIES

SIZE = 64
TRAINED_ON = ("wave left hand", "kick", "walk", "turn around")
SHOWN = ("punch", "bow", "raise both arms", "sit down")


def test_the_measures_are_zero_and_one_for_the_same_and_the_reverse_for_what_is_apart():
    pictures = torch.zeros(1, 2, 3, 8, 8)
    pictures[..., 1:4, 1:5] = 0.5
    assert difference(pictures, pictures) == 0 and overlap(pictures, pictures) == 1
    apart = pictures.roll(4, -2)
    assert difference(pictures, apart) == pytest.approx(0.5) and overlap(pictures, apart) == 0
    half = pictures.roll(2, -1)
    assert overlap(pictures, half) == pytest.approx(2 / 6) and difference(pictures, half) == pytest.approx(0.5 * 4 / 6)


@pytest.fixture(scope="module")
def untrained() -> DrAction:
    torch.manual_seed(0)
    return DrAction()


def test_the_same_motion_gives_nearly_the_same_picture_in_five_topologies(untrained):
    rows = {name: measures for name, *measures in compare(untrained, FIVE, SIZE)}
    controls = rows.pop("another action"), rows.pop("the person mirrored")
    for name, (apart, shared) in rows.items():
        for control_apart, control_shared in controls:
            assert apart < 0.4 * control_apart, name
            assert shared > control_shared + 0.2, name


@pytest.mark.parametrize("topology", sorted(set(TOPOLOGIES) - {"kinect_v2"}))
def test_every_topology_looks_like_a_kinect_body_that_does_the_same(untrained, topology):
    kinect, other = (draw(untrained, clips_of(name), SIZE) for name in ("kinect_v2", topology))
    # Hands and feet that a topology lacks are a tenth of a body; a hollow trunk would be another tenth.
    assert difference(kinect, other) < 0.09 and overlap(kinect, other) > 0.86


def test_the_figure_has_a_row_per_topology_and_a_column_per_action(untrained):
    sheet = figure(untrained, ["kinect_v2", "coco_17"], ["walk", "bow", "punch"], 32)
    assert sheet.height == 2 * 32 and sheet.width > 3 * 32


def painted() -> DrAction:
    """A renderer with colours of its own for every region and place along it: what is to be learnt."""
    torch.manual_seed(5)
    renderer = DrAction("none")
    with torch.no_grad():
        renderer.palette[:, :3].normal_(std=2.0)
        renderer.features.normal_()
        renderer.appearance_head[2].weight.normal_(std=0.3)
    return renderer


def fitted(topologies: list[str], to: DrAction, steps: int = 40) -> tuple[DrAction, DrAction]:
    """A renderer that has seen pictures of these topologies only, and what it was before."""
    torch.manual_seed(1)
    renderer, before = DrAction("none"), DrAction("none")
    before.load_state_dict(renderer.state_dict())
    clips = [
        sample_clip(synthesize(label, topology=topology, performer=number, noise=0), 2)
        for number, topology in enumerate(topologies)
        for label in TRAINED_ON
    ]
    with torch.no_grad():
        wanted = to.render(clips, image_size=SIZE)
    optimizer = torch.optim.Adam(renderer.parameters(), lr=0.05)
    for step in range(steps):
        chosen = range(step % 2, len(clips), 2)
        drawn = renderer.render([clips[i] for i in chosen], image_size=SIZE)
        loss = (drawn - wanted[list(chosen)]).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return renderer, before


@pytest.mark.parametrize("left_out", ["coco_17", "kinect_v2", "mediapipe_33"])
def test_a_topology_never_seen_in_training_is_drawn_as_those_that_were(left_out):
    target = painted()
    seen = [name for name in ("kinect_v2", "smpl_24", "coco_17", "openpose_25", "mediapipe_33") if name != left_out]
    renderer, before = fitted(seen, target)

    # Every region has learnt, at both ends and in the middle.
    moved = (renderer.features - before.features).abs().amax(-1)
    for (part, side), knots in zip(REGIONS, moved.unbind(), strict=True):
        assert (knots > 0).all(), (part, side)
    assert ((renderer.palette - before.palette).abs() > 0).all()

    new = draw(renderer, clips_of(left_out, SHOWN, performer=7), SIZE)
    # As it was meant to look, far more than before training.
    meant = draw(target, clips_of(left_out, SHOWN, performer=7), SIZE)
    untrained = draw(before, clips_of(left_out, SHOWN, performer=7), SIZE)
    assert difference(new, meant) < 0.4 * difference(untrained, meant)
    for name in seen:
        known = draw(renderer, clips_of(name, SHOWN, performer=7), SIZE)
        for action in range(len(SHOWN)):
            same = difference(new[action : action + 1], known[action : action + 1])
            others = [difference(new[action : action + 1], known[i : i + 1]) for i in range(len(SHOWN)) if i != action]
            assert same < 0.6 * min(others), (name, SHOWN[action])
