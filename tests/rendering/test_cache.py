"""Frames of a frozen renderer are drawn once, and come back as they were drawn."""

from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file, save_file

from skeletonllm.rendering.cache import FrameCache
from skeletonllm.rendering.draction import DrAction
from skeletonllm.skeleton.batch import ClipBatch
from skeletonllm.skeleton.sequence import Clip
from skeletonllm.skeleton.topologies import get_topology

SIZE = 32


class CountingDrAction(DrAction):
    """Counts the clips that it draws."""

    drawn = 0

    def forward(self, joints, *args, **kwargs):
        self.drawn += len(joints)
        return super().forward(joints, *args, **kwargs)


@pytest.fixture
def renderer() -> CountingDrAction:
    torch.manual_seed(0)
    return CountingDrAction()


@pytest.fixture
def cache(tmp_path) -> FrameCache:
    return FrameCache(tmp_path / "frames")


def moving(topology: str, persons: int = 1, seed: int = 1, frames: int = 3) -> Clip:
    """People of random poses, the size of life, who drift to one side."""
    generator = torch.Generator().manual_seed(seed)
    topology = get_topology(topology)
    joints = 0.3 * torch.randn(1, persons, topology.num_joints, 3, generator=generator)
    joints = joints + 0.05 * torch.arange(frames)[:, None, None, None] + torch.tensor([0.0, 0.0, 3.0])
    joints = joints + torch.arange(persons)[:, None, None]
    valid = torch.ones(joints.shape[:-1], dtype=torch.bool)
    return Clip(joints, torch.full_like(joints, 0.5), valid, torch.arange(frames) / 10, topology)


@pytest.fixture
def clips() -> list[Clip]:
    return [moving("kinect_v2", persons=2), moving("coco_17"), moving("kinect_v2", seed=2)]


def files(cache: FrameCache) -> list:
    return sorted(path for path in cache.folder.rglob("*") if path.is_file())


def alone(renderer, clips: list[Clip]) -> torch.Tensor:
    with torch.no_grad():
        return torch.cat([renderer.render(clip, image_size=SIZE) for clip in clips])


def same_bits(one: torch.Tensor, other: torch.Tensor) -> bool:
    return one.shape == other.shape and torch.equal(one.view(torch.int32), other.view(torch.int32))


def test_frames_come_back_bit_for_bit_and_are_drawn_once(renderer, cache, clips):
    wanted = alone(renderer, clips)
    renderer.drawn = 0
    first = cache.render(renderer, clips, SIZE)
    assert renderer.drawn == 3
    second = cache.render(renderer, clips, SIZE)
    assert renderer.drawn == 3
    assert same_bits(first, wanted) and same_bits(second, wanted)
    assert not first.requires_grad and not second.requires_grad
    assert not same_bits(wanted[0], wanted[2])


def test_who_else_is_in_the_batch_does_not_matter(renderer, cache, clips):
    # Kinect v2 with two persons pads everybody: persons, joints and Gaussians.
    together = cache.render(renderer, clips, SIZE)
    drawn = renderer.drawn
    for index, clip in enumerate(clips):
        assert same_bits(cache.render(renderer, [clip], SIZE)[0], together[index])
    assert same_bits(cache.render(renderer, ClipBatch.from_clips(clips[::-1]), SIZE), together.flip(0))
    assert renderer.drawn == drawn


def test_a_clip_twice_in_a_batch_is_drawn_once(renderer, cache, clips):
    frames = cache.render(renderer, [clips[1], clips[1]], SIZE)
    assert renderer.drawn == 1 and same_bits(frames[0], frames[1])


def test_another_process_finds_what_this_one_drew(renderer, cache, clips):
    cache.render(renderer, clips, SIZE)
    drawn = renderer.drawn
    FrameCache(cache.folder).render(renderer, clips, SIZE)
    assert renderer.drawn == drawn


def test_other_weights_have_frames_of_their_own(renderer, cache, clips):
    before = cache.render(renderer, clips, SIZE)
    with torch.no_grad():
        renderer.palette.add_(0.5)
    after = cache.render(renderer, clips, SIZE)
    assert renderer.drawn == 6
    assert same_bits(after, alone(renderer, clips)) and not same_bits(after, before)


@pytest.mark.parametrize("part", ["joints", "velocities", "valid"])
def test_a_clip_that_differs_in_one_joint_has_frames_of_its_own(renderer, cache, part):
    clip = moving("kinect_v2")
    cache.render(renderer, [clip], SIZE)
    values = getattr(clip, part)
    values[1, 0, 3] = ~values[1, 0, 3] if part == "valid" else values[1, 0, 3] + 0.1
    assert same_bits(cache.render(renderer, [clip], SIZE), alone(renderer, [clip]))
    assert len(files(cache)) == 2


def test_size_settings_and_topology_have_frames_of_their_own(renderer, cache):
    clip = moving("kinect_v2")
    following = DrAction(follow=True)
    following.load_state_dict(renderer.state_dict())
    assert cache.render(renderer, [clip], SIZE).shape[-1] == SIZE
    assert cache.render(renderer, [clip], 2 * SIZE).shape[-1] == 2 * SIZE
    assert same_bits(cache.render(following, [clip], SIZE), alone(following, [clip]))
    other = replace(clip, topology=replace(clip.topology, bones=clip.topology.bones[:-4]))
    assert same_bits(cache.render(renderer, [other], SIZE), alone(renderer, [other]))
    assert len(files(cache)) == 4


def test_frames_of_the_published_renderer_are_kept_alike(cache):
    renderer = DrAction.from_settings(dict(published=True))
    clips = [moving("kinect_v2"), moving("smpl_22", seed=3)]
    wanted = alone(renderer, clips)
    for _ in range(2):
        assert same_bits(cache.render(renderer, clips, SIZE), wanted)


def test_what_is_not_valid_does_not_matter(renderer, cache):
    clip, other = moving("kinect_v2"), moving("kinect_v2")
    for each, rubbish in ((clip, 0.0), (other, float("nan"))):
        each.valid[:, 0, 5] = False
        each.joints[:, 0, 5] = rubbish
    assert same_bits(cache.render(renderer, [clip], SIZE), cache.render(renderer, [other], SIZE))
    assert len(files(cache)) == 1


def test_a_clip_of_nobody_is_black(renderer, cache):
    clip = moving("kinect_v2")
    clip.valid[:] = False
    assert cache.render(renderer, [clip], SIZE).abs().max() == 0
    assert cache.render(renderer, [clip], SIZE).abs().max() == 0
    assert renderer.drawn == 1


def _truncate(path):
    path.write_bytes(path.read_bytes()[:-100])


def _empty(path):
    path.write_bytes(b"")


def _flip_a_bit_of_a_color(path):
    content = bytearray(path.read_bytes())
    content[-50] ^= 1
    path.write_bytes(content)


def _another_safetensors_file(path):
    save_file({"mask": torch.zeros(3, dtype=torch.uint8)}, path)


def _frames_of_one_pixel_less(path):
    tensors = load_file(path)
    save_file({**tensors, "colors": tensors["colors"][:-1].clone()}, path)


@pytest.mark.parametrize(
    "damage", [_truncate, _empty, _flip_a_bit_of_a_color, _another_safetensors_file, _frames_of_one_pixel_less]
)
def test_a_damaged_file_is_drawn_again_and_replaced(renderer, cache, caplog, damage):
    clip = moving("kinect_v2")
    wanted = cache.render(renderer, [clip], SIZE)
    (path,) = files(cache)
    whole = path.read_bytes()
    damage(path)
    assert path.read_bytes() != whole
    assert same_bits(cache.render(renderer, [clip], SIZE), wanted)
    assert renderer.drawn == 2 and path.read_bytes() == whole
    assert path.name in caplog.text and "drawn again" in caplog.text
    assert files(cache) == [path]  # nothing unfinished is left


def test_files_take_the_room_of_what_is_lit(renderer, cache):
    clip = moving("kinect_v2", frames=4)
    frames = cache.render(renderer, [clip], 224)
    (path,) = files(cache)
    lit = (frames > 0).any(2).double().mean()
    assert lit < 0.5
    bits, colors, header = frames.numel() / 3 / 8, float(lit) * frames.numel() * 4, 512
    assert path.stat().st_size <= bits + colors + header


def test_a_renderer_whose_weights_are_elsewhere_is_refused(renderer, cache, clips):
    renderer.palette = torch.nn.Parameter(torch.empty(0))
    with pytest.raises(ValueError, match="palette is empty"):
        cache.render(renderer, clips, SIZE)
