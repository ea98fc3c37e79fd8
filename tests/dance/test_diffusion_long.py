"""Long dances from windows, and dances of which parts are given."""

import numpy as np
import pytest
import torch

from skeletonllm.dance.body import default_body
from skeletonllm.dance.denoiser import Condition, Denoiser, DenoiserConfig
from skeletonllm.dance.diffusion import Diffusion
from skeletonllm.dance.editing import Constraint, select
from skeletonllm.dance.long_form import cut_windows, rising_guidance, share_halves, stitch
from skeletonllm.dance.motion import CONTACTS, ROOT, Motion
from skeletonllm.dance.normalizer import Normalizer
from skeletonllm.skeleton.kinematics import axis_rotation, matrix_to_rotation_6d
from skeletonllm.skeleton.topologies import SMPL_24

LENGTH, HALF = 60, 30
NORMALIZER = Normalizer(np.full(151, -1.5), np.full(151, 1.5))


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


class SmoothDances:
    """Knows dances around the T-pose whose numbers are smooth Gaussian processes in time; the pelvis is, besides, where
    the mean of the window's music says. So windows are smooth inside, and never agree of themselves."""

    training = False

    def __init__(self, diffusion, deviation=0.1, seconds=0.4):
        self.alpha_bars = torch.as_tensor(diffusion.alpha_bars)
        times = torch.arange(LENGTH, dtype=torch.double) / 30
        covariance = deviation**2 * torch.exp(-0.5 * ((times[:, None] - times) / seconds) ** 2)
        self.variances, self.directions = torch.linalg.eigh(covariance)
        rest = np.concatenate([np.zeros(7), np.tile(matrix_to_rotation_6d(np.eye(3)), 24)])
        self.mean = torch.from_numpy(NORMALIZER.normalize(rest))

    def listen(self, music):
        return Condition(music.mean(1, keepdim=True).expand(music.shape), music[:, 0])

    def no_music(self, batch, frames):
        return Condition(torch.zeros(batch, frames, 1), torch.zeros(batch, 1))

    def __call__(self, motion, times, condition):
        share = self.alpha_bars[times][:, None, None]
        mean = self.mean.expand(motion.shape).clone()
        mean[..., ROOT] += condition.tokens
        variances = self.variances.clamp_min(0)[:, None]
        gains = share.sqrt() * variances / (share * variances + 1 - share)
        apart = self.directions.T @ (motion - share.sqrt() * mean)
        return (mean + self.directions @ (gains * apart)).float()


def motions(windows):
    return [Motion.from_vector(NORMALIZER.denormalize(window)) for window in windows]


def fastest(motion):
    """(T - 1,) metres a frame: the way of the fastest joint from each frame to the next."""
    return np.linalg.norm(np.diff(motion.joints(default_body()), axis=0), axis=-1).max(-1)


def seams(count):
    """Changes at which a window begins or ends."""
    return [HALF * number - 1 for number in range(1, count + 1)]


@pytest.fixture(scope="module")
def long_dance():
    """Four windows, each of which its music wants 15 cm further on all three axes, the guidance twice as far."""
    diffusion = Diffusion()
    music = torch.linspace(-0.25, 0.25, 5 * HALF)[:, None]
    model = SmoothDances(diffusion)
    return {
        "together": diffusion.sample_long(model, music, generator=seeded(), window=LENGTH, steps=25),
        "apart": diffusion.ddim_sample(model, cut_windows(music, LENGTH), generator=seeded(), steps=25),
    }


def test_a_long_dance_moves_no_faster_at_its_seams_than_inside_its_windows(long_dance):
    windows = long_dance["together"]
    assert windows.shape == (4, LENGTH, 151)
    dance = stitch(motions(windows))
    assert dance.num_frames == 5 * HALF
    speeds = fastest(dance)
    at_seams = speeds[seams(4)]
    inside = max(fastest(window).max() for window in motions(windows))
    assert at_seams.max() <= inside
    # Nor faster than in between: over the seams it is one motion, not a cut.
    assert at_seams.max() <= np.delete(speeds, seams(4)).max()
    # What it would be without: windows made apart and cut together jump many times as fast.
    cut = np.concatenate([long_dance["apart"][0, :HALF], *long_dance["apart"][:, HALF:]])
    jumps = fastest(Motion.from_vector(NORMALIZER.denormalize(cut)))[seams(4)[1:]]
    assert jumps.min() > 3 * inside


def test_windows_made_together_agree_where_they_overlap(long_dance):
    def disagreement(windows):
        return (windows[1:, :HALF] - windows[:-1, HALF:]).square().mean().sqrt().item()

    assert disagreement(long_dance["together"]) < 0.2 * disagreement(long_dance["apart"])


def test_windows_begin_half_a_window_apart_and_cover_the_music():
    values = torch.arange(25.0)[:, None]
    windows = cut_windows(values, 10)
    assert windows.shape == (4, 10, 1)
    assert windows[:, 0, 0].tolist() == [0, 5, 10, 15] and windows[1, :, 0].tolist() == list(range(5, 15))
    assert cut_windows(values[:20], 10).shape[0] == 3
    # One frame more needs a window more, which repeats the last frame.
    assert cut_windows(values[:21], 10)[-1, :, 0].tolist() == [15, 16, 17, 18, 19, 20, 20, 20, 20, 20]
    assert cut_windows(values[:4], 10)[:, :, 0].tolist() == [[0, 1, 2, 3, 3, 3, 3, 3, 3, 3]]
    shared = share_halves(windows + torch.tensor([0.0, 100, 200, 300])[:, None, None])
    assert shared[2, :, 0].tolist() == [*range(110, 115), *range(215, 220)]
    with pytest.raises(ValueError, match="windows of 9 frames, expected an even number"):
        cut_windows(values, 9)


def test_guidance_rises_to_its_weight_half_way():
    np.testing.assert_allclose(rising_guidance(2.0, 5), [0, 1, 2, 2, 2])


def test_over_an_overlap_the_dance_goes_along_lines_and_great_arcs():
    def window(angle, place):
        rotations = np.broadcast_to(np.eye(3), (6, 24, 3, 3)).copy()
        rotations[:, 4] = axis_rotation(0, np.radians(np.full(6, angle)))
        return Motion(np.full((6, 3), place), rotations, np.full((6, 4), place))

    dance = stitch([window(0.0, 0.0), window(120.0, 1.0)])
    np.testing.assert_allclose(dance.root[:, 0], [0, 0, 0, 0, 0.5, 1, 1, 1, 1], atol=1e-6)
    np.testing.assert_allclose(dance.contacts[:, 0], dance.root[:, 0], atol=1e-6)
    turns = axis_rotation(0, np.radians(np.array([0, 0, 0, 0, 60, 120, 120, 120, 120.0])))
    np.testing.assert_allclose(dance.rotations[:, 4], turns, atol=1e-6)
    assert stitch([window(30.0, 0.5)]).num_frames == 6
    with pytest.raises(ValueError, match="no windows"):
        stitch([])
    with pytest.raises(ValueError, match=r"windows of \[5, 6\] frames"):
        stitch([window(0, 0), window(0, 0).slice(0, 5)])


def small_denoiser():
    torch.manual_seed(0)
    return Denoiser(DenoiserConfig(width=32, layers=1, heads=4, feed_forward=32, music_features=5, frames=12)).eval()


def edited(mask, eta=1.0, steps=4):
    given = torch.rand(2, 12, 151, generator=seeded(4)) * 2 - 1
    # What is not given is not looked at.
    constraint = Constraint(torch.where(mask, given, torch.nan), mask)
    music = torch.randn(2, 12, 5, generator=seeded(5))
    made = Diffusion().edit(small_denoiser(), music, constraint, generator=seeded(), steps=steps, eta=eta)
    return given, made


@pytest.mark.parametrize("eta", [0.0, 1.0])
def test_frames_that_are_given_are_kept_exactly_and_the_others_made(eta):
    mask = select(12, [0, 1, -1])
    given, made = edited(mask, eta)
    assert mask.sum() == 3 * 151
    assert torch.equal(made[:, mask], given[:, mask])
    assert made.isfinite().all() and not torch.isclose(made[:, ~mask], given[:, ~mask], atol=1e-3).all()


def test_joints_that_are_given_are_kept_exactly_and_the_others_made():
    legs = ("left_hip", "right_hip", "left_knee", "right_knee")
    mask = select(12, joints=legs, contacts=False)
    given, made = edited(mask)
    assert torch.equal(made[:, mask], given[:, mask])
    first = Motion.from_vector(NORMALIZER.denormalize(made[0]))
    wanted = Motion.from_vector(NORMALIZER.denormalize(given[0]))
    indices = [SMPL_24.index(joint) for joint in legs]
    np.testing.assert_array_equal(first.rotations[:, indices], wanted.rotations[:, indices])
    np.testing.assert_array_equal(first.root, wanted.root)
    assert (np.abs(first.rotations[:, 16] - wanted.rotations[:, 16]).max((-2, -1)) > 0.1).all()


def test_what_is_made_between_given_frames_joins_them():
    diffusion = Diffusion()
    model, music = SmoothDances(diffusion), torch.zeros(1, LENGTH, 1)
    ends = diffusion.ddim_sample(model, music, generator=seeded(7), steps=25)
    mask = select(LENGTH, [*range(10), *range(LENGTH - 10, LENGTH)])
    made = diffusion.edit(model, music, Constraint(ends, mask), generator=seeded(8), steps=100)
    other = diffusion.ddim_sample(model, music, generator=seeded(8), steps=100)
    joined, pasted = (
        fastest(Motion.from_vector(NORMALIZER.denormalize(torch.where(mask, ends, way))[0])) for way in (made, other)
    )
    # Where the given frames end; the jump of putting them over a dance made without them is several times as fast.
    assert joined[[9, LENGTH - 11]].max() < 0.5 * pasted[[9, LENGTH - 11]].min()


def test_masks_choose_frames_and_joints():
    mask = select(5, slice(1, 3), ["head"], root=False)
    assert mask.shape == (5, 151) and mask.dtype == torch.bool
    assert not mask[[0, 3, 4]].any() and mask[1].sum() == 6 + 4
    assert mask[1, CONTACTS].all() and mask[1, 7 + 6 * SMPL_24.index("head")]
    assert select(5).all() and (select(5, [0]) | select(5, [4])).any(1).tolist() == [True, False, False, False, True]
    with pytest.raises(ValueError, match="unknown joint 'nose'"):
        select(5, joints=["nose"])
    with pytest.raises(ValueError, match="frame 5 is outside a dance of 5 frames"):
        select(5, [5])


def test_constraints_that_cannot_be_kept_are_refused():
    values = torch.zeros(1, 12, 151)
    with pytest.raises(ValueError, match="is torch.float32, expected bool"):
        Constraint(values, torch.ones(12, 151))
    with pytest.raises(ValueError, match=r"shape \(11, 151\) over values of \(1, 12, 151\)"):
        Constraint(values, select(11))
    with pytest.raises(ValueError, match="not finite"):
        Constraint(values / 0, select(12, [3]))
    with pytest.raises(ValueError, match=r"the constraint has \(1, 12\) clips and frames, the music \(2, 12\)"):
        Diffusion().edit(
            small_denoiser(), torch.zeros(2, 12, 5), Constraint(values, select(12)), generator=seeded(), steps=2
        )
