"""What a pose estimator doubts is drawn fainter, on every way from the recording to the picture."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from skeletonllm.data.augmentation import Augmentation
from skeletonllm.data.teacher.frames import clip_digest
from skeletonllm.rendering.cache import FrameCache
from skeletonllm.rendering.draction import DrAction
from skeletonllm.skeleton import transforms
from skeletonllm.skeleton.batch import ClipBatch
from skeletonllm.skeleton.sequence import Clip, sample_clip
from skeletonllm.skeleton.synthesis import synthesize

SIZE = 48


@pytest.fixture
def renderer() -> DrAction:
    """As training leaves it: the modulator no longer starts at zero effect."""
    torch.manual_seed(0)
    renderer = DrAction()
    with torch.no_grad():
        for parameter in renderer.parameters():
            parameter += 0.1 * torch.randn(parameter.shape)
    return renderer


def waving(topology: str = "openpose_18", label: str = "wave left hand", confidence: float | None = 1.0) -> Clip:
    """A person who faces the camera, every joint equally sure; None for a recording without confidence."""
    sequence = synthesize(label, topology=topology, performer=2, yaw=0.0, noise=0)
    if confidence is not None:
        sequence.confidence = np.full(sequence.joints.shape[:3], confidence, np.float32)
    return sample_clip(sequence, 4)


def doubted(clip: Clip, value: float, *joints: str) -> Clip:
    confidence = clip.confidence.clone()
    confidence[:, :, [clip.topology.index(name) for name in joints]] = value
    return replace(clip, confidence=confidence)


def draw(renderer: DrAction, clips) -> torch.Tensor:
    with torch.no_grad():
        return renderer.render(clips, image_size=SIZE)


@pytest.mark.parametrize("topology", ["openpose_18", "kinect_v2", "mediapipe_33"])
def test_full_confidence_changes_no_bit_of_any_picture(renderer, topology):
    plain = draw(renderer, waving(topology, confidence=None))
    assert torch.equal(draw(renderer, waving(topology)), plain)
    # Beside a clip of doubts it is given ones.
    pair = [waving(topology, confidence=None), doubted(waving(topology), 0.2, "left_wrist")]
    together = draw(renderer, pair)
    assert torch.equal(together[0], draw(renderer, [pair[0]] * 2)[0])
    assert not torch.equal(together[1], together[0])


def test_half_the_confidence_is_half_the_optical_depth(renderer):
    """With one colour everywhere a pixel is c * (1 - exp(-depth)), whatever lies before what."""
    with torch.no_grad():
        renderer.modulator.mlp[2].weight.zero_()
        renderer.modulator.mlp[2].bias.zero_()
        renderer.depth_mix_logit.fill_(-30.0)
        renderer.appearance_head[2].weight.zero_()
        renderer.appearance_head[2].bias.zero_()
        renderer.palette[:, :3] = 0.4
        renderer.palette[:, 3] = -2.0  # faint enough for the depth to be told from a pixel
    color = torch.sigmoid(torch.tensor(0.4))
    # Gaussians below the cut-off of the fast path would be left out on one side only.
    whole, half = (
        renderer.render(waving(confidence=c), image_size=SIZE, backend="reference").detach() for c in (1.0, 0.5)
    )
    depths = [-torch.log1p(-images / color) for images in (whole, half)]
    # Where depth is large, float32 rounds 1 - exp(-depth).
    clear = depths[0] < 3
    assert (clear & (depths[0] > 0.1)).sum() > 500
    torch.testing.assert_close(2 * depths[1][clear], depths[0][clear], rtol=1e-3, atol=1e-4)


def test_less_confidence_is_fainter_and_zero_is_absent(renderer):
    light = [draw(renderer, waving(confidence=c)).sum() for c in (1.0, 0.6, 0.3, 0.1, 0.0)]
    assert light == sorted(light, reverse=True) and len(set(light)) == 5 and light[-1] == 0


def test_only_the_doubted_arm_fades(renderer):
    clip = waving(label="raise both arms")
    sure, unsure = draw(renderer, clip), draw(renderer, doubted(clip, 0.1, "left_wrist", "left_elbow"))
    changed = (sure - unsure)[0].abs().amax((0, 1)) > 1 / 255
    # Facing the camera the left arm is on the right of the picture.
    assert changed[:, SIZE // 2 :].sum() > 20 and not changed[:, : SIZE // 2 - 2].any()


def test_a_bone_fades_along_its_length(renderer):
    clip = waving("openpose_18", "raise both arms")
    sure, unsure = draw(renderer, clip)[0, 0], draw(renderer, doubted(clip, 0.0, "left_ankle"))[0, 0]
    lost, body = (sure - unsure).sum(0) / sure.sum(0), sure.sum(0) > 0.5
    # From the head down: nothing, then more and more along the shin.
    shares = torch.stack([row[seen].max() for row, seen in zip(lost, body, strict=True) if seen.any()])
    assert shares[: len(shares) // 2].max() < 0.01
    assert shares[-1] > 0.5 > shares[-len(shares) // 4]


@pytest.mark.parametrize("backend", ["reference", "cpu"])
def test_confidence_has_gradients_where_it_matters(renderer, backend):
    clip = waving("coco_17", confidence=0.5)
    confidence = clip.confidence[None].clone().requires_grad_()
    clip.valid[0, 0, 9] = False
    images = renderer(
        clip.joints[None], clip.velocities[None], clip.valid[None], confidence,
        image_size=SIZE, backend=backend, topology="coco_17",
    )  # fmt: skip
    images.sum().backward()
    gradient = confidence.grad[0, :, 0]
    assert gradient.isfinite().all() and gradient[0, 9] == 0
    others = torch.ones_like(gradient, dtype=torch.bool)
    others[0, 9] = False
    assert (gradient[others] != 0).all()
    assert gradient.sum() > 0, "surer is brighter"


def test_no_number_is_no_confidence_and_impossible_ones_are_bounded(renderer):
    clip = waving()
    for given, meant in ((float("nan"), 0.0), (7.0, 1.0), (-3.0, 0.0)):
        drawn, expected = (draw(renderer, doubted(clip, value, "left_wrist")) for value in (given, meant))
        assert torch.equal(drawn, expected)


def test_confidence_of_another_shape_is_refused(renderer):
    clip = waving("kinect_v2")
    with pytest.raises(ValueError, match=r"confidence has shape \(1, 4, 1, 24\), expected \(1, 4, 1, 25\)"):
        renderer(clip.joints[None], clip.velocities[None], clip.valid[None], clip.confidence[None, ..., :24])


def test_a_published_renderer_ignores_confidence():
    renderer = DrAction.from_settings(dict(published=True))
    plain = draw(renderer, waving("kinect_v2", confidence=None))
    assert torch.equal(draw(renderer, waving("kinect_v2", confidence=0.1)), plain)


def test_a_clip_takes_the_confidence_of_its_frames():
    sequence = synthesize("walk", topology="coco_17", performer=0)
    sequence.confidence = np.random.default_rng(0).random(sequence.joints.shape[:3], np.float32)
    clip = sample_clip(sequence, 6)
    frames = (clip.times * sequence.fps).round().long().numpy()
    np.testing.assert_array_equal(clip.confidence.numpy(), sequence.confidence[frames])
    assert clip.confidence.dtype == torch.float32
    assert sample_clip(synthesize("walk", performer=0), 6).confidence is None


def test_a_batch_has_ones_for_what_nobody_doubts():
    assert ClipBatch.from_clips([waving(confidence=None)] * 2).confidence is None
    batch = ClipBatch.from_clips([waving("kinect_v2", confidence=None), waving("coco_17", confidence=0.25)])
    assert batch.confidence.shape == batch.valid.shape
    assert (batch.confidence[0] == 1).all() and (batch.confidence[1, ..., :17] == 0.25).all()
    assert batch.to("meta").confidence.device.type == "meta"


def test_a_mirror_exchanges_the_confidence_of_left_and_right():
    seen = transforms.mirror(doubted(waving(), 0.1, "left_wrist"))
    left, right = (seen.topology.index(f"{side}_wrist") for side in ("left", "right"))
    assert (seen.confidence[..., right] == 0.1).all() and (seen.confidence[..., left] == 1).all()
    assert transforms.mirror(waving(confidence=None)).confidence is None


@pytest.mark.parametrize("change", ["yaw", "tilt", "size", "speed", "jitter", "noise", "missing"])
def test_augmentation_keeps_confidence(change):
    clip = doubted(waving(), 0.3, "nose", "left_wrist")
    most = {"yaw": 90.0, "tilt": 30.0, "jitter": 0.05}.get(change, 0.2)
    changed = Augmentation(**{change: most}).changed(clip, torch.Generator().manual_seed(3))
    assert torch.equal(changed.confidence, clip.confidence)


def test_frames_of_doubted_clips_are_kept_apart_and_those_of_sure_ones_are_not(renderer, tmp_path):
    cache = FrameCache(tmp_path)
    plain, sure, unsure = waving(confidence=None), waving(), doubted(waving(), 0.1, "left_wrist")
    first = cache.render(renderer, [plain, unsure], SIZE)
    files = len(list(tmp_path.rglob("*.safetensors")))
    again = cache.render(renderer, [sure, unsure], SIZE)
    assert files == 2 == len(list(tmp_path.rglob("*.safetensors")))
    assert torch.equal(first, again) and torch.equal(first[1], draw(renderer, unsure)[0])
    assert not torch.equal(first[0], first[1])


def test_the_teacher_tells_clips_of_other_confidence_apart():
    assert clip_digest(waving()) != clip_digest(doubted(waving(), 0.9, "nose"))
    assert clip_digest(waving(confidence=None)) == clip_digest(waving(confidence=None))
