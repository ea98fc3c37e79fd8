"""Trunks and skulls that a topology lacks are inferred; what nobody recorded is not made up."""

from dataclasses import replace
from itertools import pairwise

import pytest
import torch

from skeletonllm.rendering.camera import frame_clips
from skeletonllm.rendering.completion import Means, complete, of_joints
from skeletonllm.rendering.draction import DrAction
from skeletonllm.skeleton.sequence import Clip, sample_clip
from skeletonllm.skeleton.synthesis import synthesize
from skeletonllm.skeleton.topologies import TOPOLOGIES, get_topology
from skeletonllm.skeleton.topology import build_topology

SIZE = 96
WHOLE = ("kinect_v2", "kinect_v1", "smpl_22", "smpl_24", "h36m_17", "jhmdb_15")
OUTLINED = ("coco_17", "mediapipe_33", "penn_13", "openpose_18")


def bowing(topology: str) -> Clip:
    return sample_clip(synthesize("bow", topology=topology, performer=1, yaw=0.0, noise=0), 4)


def completed(clip: Clip) -> dict[str, torch.Tensor]:
    """(N, 3) of each joint that is drawn, NaN where it is unknown."""
    completion = complete(clip.topology)
    means = Means.of([completion.inferred], torch.device("cpu"))
    valid, joints = means.append(clip.valid[None], clip.joints[None])
    joints = joints.masked_fill(~valid[..., None], torch.nan)
    return dict(zip(completion.topology.joints, joints[0, :, 0].unbind(1), strict=True))


def draw(renderer: DrAction, clips, **settings) -> torch.Tensor:
    with torch.no_grad():
        return renderer.render(clips, image_size=SIZE, **settings)


@pytest.fixture
def renderer() -> DrAction:
    torch.manual_seed(0)
    return DrAction()


@pytest.mark.parametrize("name", WHOLE)
def test_a_body_with_spine_and_head_is_drawn_as_it_is(name):
    assert complete(get_topology(name)).topology is get_topology(name)


@pytest.mark.parametrize("name", OUTLINED)
def test_a_line_through_the_trunk_takes_the_place_of_its_outline(name):
    drawn = complete(get_topology(name)).topology
    bones = {frozenset((drawn.joints[a], drawn.joints[b])) for a, b in drawn.bones}
    top = "neck" if name == "openpose_18" else "chest"
    assert {frozenset(("pelvis", "spine")), frozenset(("spine", top)), frozenset((top, "head"))} <= bones
    for side in ("left", "right"):
        hip, shoulder = f"{side}_hip", f"{side}_shoulder"
        assert {frozenset(("pelvis", hip)), frozenset((top, shoulder))} <= bones
        assert {joint for bone in bones if hip in bone for joint in bone} == {"pelvis", hip, f"{side}_knee"}
        assert {joint for bone in bones if shoulder in bone for joint in bone} == {top, shoulder, f"{side}_elbow"}
    # Nearest to the pelvis first: a region belongs to the far end of a bone.
    ways = {(drawn.joints[near], drawn.joints[far]) for near, far in drawn.oriented_bones}
    assert {("pelvis", "spine"), ("spine", top), (top, "head")} <= ways
    for side in ("left", "right"):
        chain = [f"{side}_{joint}" for joint in ("shoulder", "elbow", "wrist")]
        leg = [f"{side}_{joint}" for joint in ("hip", "knee", "ankle")]
        assert {*pairwise([top, *chain]), *pairwise(["pelvis", *leg])} <= ways
    assert len(bones) == len(drawn.bones)


@pytest.mark.parametrize("name", ("coco_17", "penn_13", "openpose_18", "openpose_25"))
def test_the_order_in_which_bones_are_written_does_not_matter(name):
    topology = get_topology(name)
    ways = []
    for bones in (topology.bones, tuple((b, a) for a, b in reversed(topology.bones))):
        drawn = complete(replace(topology, bones=bones)).topology
        ways.append({(drawn.joints[near], drawn.joints[far]) for near, far in drawn.oriented_bones})
    assert ways[0] == ways[1]


@pytest.mark.parametrize("name", TOPOLOGIES)
def test_limbs_and_faces_keep_their_bones(name):
    topology = get_topology(name)
    drawn = complete(topology).topology

    def limbs(skeleton):
        pairs = {frozenset((skeleton.joints[a], skeleton.joints[b])) for a, b in skeleton.bones}
        return {bone for bone in pairs if not any(skeleton.parts[skeleton.index(j)] == "torso" for j in bone)}

    assert limbs(topology) - {frozenset(("neck", "nose"))} <= limbs(drawn)
    assert drawn.joints[: topology.num_joints] == topology.joints


@pytest.mark.parametrize("name", OUTLINED + ("openpose_25",))
def test_inferred_joints_are_where_a_kinect_sees_them(name):
    kinect, others = bowing("kinect_v2"), completed(bowing(name))
    for joint in set(others) - set(get_topology(name).joints):
        place = kinect.joints[:, 0, kinect.topology.index(joint)]
        # The pelvis of a Kinect is above the hips, 25 thousandths of a stature; a back that bends leaves the line.
        assert (others[joint] - place).norm(dim=-1).max() < 0.07, joint


def test_the_trunk_needs_a_hip_and_a_shoulder_and_the_head_an_ear():
    clip = sample_clip(synthesize("bow", topology="coco_17", performer=1, yaw=0.0, noise=0), 5)
    index = clip.topology.index
    hidden = [
        (),
        ("left_hip", "left_ear"),
        ("left_shoulder",),
        ("left_hip", "right_hip"),
        ("left_shoulder", "right_ear"),
    ]
    for frame, names in enumerate(hidden):
        clip.valid[frame, :, [index(name) for name in names]] = False
    clip.valid[4, :, [index("right_shoulder"), index("left_ear")]] = False
    joints = completed(clip)
    unknown = {name: joints[name].isnan().any(-1).tolist() for name in ("pelvis", "spine", "chest", "head")}
    assert unknown == {
        "pelvis": [False, False, False, True, False],
        "spine": [False, False, False, True, True],
        "chest": [False, False, False, False, True],
        "head": [False, False, False, False, True],
    }
    places = clip.joints[:, 0]
    for name, frame, pair in (("head", 1, "right_ear"), ("pelvis", 1, "right_hip")):
        torch.testing.assert_close(joints[name][frame], places[frame, index(pair)])
    # As high as if both were known, on the side of the known one.
    other = 0.92 * places[2, index("right_shoulder")] + 0.04 * (
        places[2, index("left_hip")] + places[2, index("right_hip")]
    )
    torch.testing.assert_close(joints["chest"][2], other)
    shoulders = places[3, [index("left_shoulder"), index("right_shoulder")]].mean(0)
    torch.testing.assert_close(joints["chest"][3], shoulders)


def test_a_hollow_trunk_is_filled(renderer):
    clip = sample_clip(synthesize("raise both arms", topology="coco_17", performer=1, yaw=0.0, noise=0), 2)
    picture = draw(renderer, clip)[0, 0].amax(0)
    body = (picture > 0.5).nonzero().float()
    # The trunk of somebody whose hands reach above the head: the arms are too high for this row, the legs too low.
    row = int(body[:, 0].min() + 0.45 * (body[:, 0].max() - body[:, 0].min()))
    lit = (picture[row] > 0.5).nonzero().flatten()
    middle = picture[row, int(lit.min()) : int(lit.max()) + 1]
    assert middle[len(middle) // 2] > 0.5


def test_hands_and_feet_that_nobody_recorded_are_not_drawn(renderer):
    """What is drawn beyond a wrist is what its own Gaussians reach: three of their standard deviations."""
    clip = sample_clip(synthesize("raise both arms", topology="coco_17", performer=1, yaw=0.0, noise=0), 5)
    picture = draw(renderer, clip)[0, 2].amax(0)
    ends = complete(clip.topology).ends
    valid, joints = Means.of([ends], torch.device("cpu")).append(clip.valid[None], clip.joints[None])
    shift, intrinsics, _ = frame_clips(joints, valid, SIZE, SIZE)
    rays = (joints[0, 2, 0] + shift[0, 2]) @ intrinsics[0].T
    columns, rows = rays[:, 0] / rays[:, 2], (SIZE - 1) - rays[:, 1] / rays[:, 2]
    for number, end in enumerate(ends):
        ((last, _), _, _), _ = end
        row, column = (int(axis[clip.topology.num_joints + number].round()) for axis in (rows, columns))
        wrist = int(rows[last].round()), int(columns[last].round())
        assert 0 <= row < SIZE and 0 <= column < SIZE, "there is room for it"
        if "wrist" in clip.topology.joints[last]:
            assert picture[wrist] > 0.5 and picture[row, column] < 0.1


@pytest.mark.parametrize("name", TOPOLOGIES)
def test_the_camera_stands_in_the_same_place_for_every_topology(name):
    def framed(topology):
        clip = bowing(topology)
        means = Means.of([complete(clip.topology).ends], torch.device("cpu"))
        valid, joints = clip.valid[None], clip.joints[None]
        return frame_clips(*reversed((valid, joints) if means is None else means.append(valid, joints)), SIZE, SIZE)

    shift, intrinsics, _ = framed(name)
    wanted, wanted_intrinsics, _ = framed("kinect_v2")
    # The head may end with an eye, and nobody knows which way a foot points.
    assert (shift - wanted)[..., :2].abs().max() < 0.05 and (shift - wanted)[..., 2].abs().max() < 0.12
    torch.testing.assert_close(intrinsics, wanted_intrinsics, rtol=0.05, atol=1e-3)


def test_gradients_of_an_inferred_spine_reach_hips_and_shoulders_by_their_weights():
    clip, completion = bowing("coco_17"), complete(get_topology("coco_17"))
    joints = clip.joints[None].clone().requires_grad_()
    _, extended = Means.of([completion.inferred], torch.device("cpu")).append(clip.valid[None], joints)
    extended[0, 0, 0, completion.topology.index("spine")].sum().backward()
    shares = {name: float(joints.grad[0, 0, 0, clip.topology.index(name), 1]) for name in clip.topology.joints}
    found = {name: share for name, share in shares.items() if share}
    assert found == pytest.approx(
        {"left_hip": 0.325, "right_hip": 0.325, "left_shoulder": 0.175, "right_shoulder": 0.175}
    )


@pytest.mark.parametrize("beside", ["kinect_v2", "mediapipe_33"])
def test_other_topologies_in_the_batch_change_nothing(renderer, beside):
    clips = [bowing("coco_17"), bowing(beside), bowing("openpose_25")]
    together = draw(renderer, clips)
    for picture, clip in zip(together, clips, strict=True):
        # Sums of other lengths are rounded in another order.
        torch.testing.assert_close(picture, draw(renderer, clip)[0], rtol=0, atol=2e-5)


def test_junk_at_an_invalid_hip_is_never_looked_at(renderer):
    pictures = []
    for junk in (0.0, 1e6, torch.nan, torch.inf):
        clip = bowing("coco_17")
        hip = clip.topology.index("left_hip")
        clip.valid[:, :, hip] = False
        clip.joints[:, :, hip], clip.velocities[:, :, hip] = junk, junk
        clip.confidence = torch.ones(clip.valid.shape)
        clip.confidence[:, :, hip] = junk
        pictures.append(draw(renderer, clip))
    assert all(torch.equal(pictures[0], other) for other in pictures[1:])


def test_the_mean_of_equal_values_is_that_value_to_the_last_bit():
    thirds = tuple(((joint, joint), 1 / 3, False) for joint in range(3))
    sevenths = (((0, 1), 3 / 7, False), ((2, 2), 4 / 7, False))
    means = Means.of([[thirds, sevenths]], torch.device("cpu"))
    generator = torch.Generator().manual_seed(0)
    for value in torch.rand(200, generator=generator):
        # Sums of rounded shares need not be one.
        valid = torch.tensor([True, True, bool(value > 0.5)]).expand(1, 1, 1, 3)
        _, extended = means.append(valid, value.expand(valid.shape))
        assert (extended == value).all()


def test_a_topology_of_a_user_gets_a_trunk_too(renderer):
    outlined = build_topology(
        "four_corners",
        [
            ("left_hip", None, "torso"), ("right_hip", "left_hip", "torso"), ("left_shoulder", "left_hip", "torso"),
            ("right_shoulder", "right_hip", "torso"), ("nose", "left_shoulder", "head"),
        ],
        [(0, 1), (0, 2), (1, 3), (2, 3), (2, 4), (3, 4)],
    )  # fmt: skip
    drawn = complete(outlined).topology
    assert drawn.joints[5:] == ("pelvis", "spine", "chest")
    names = {frozenset((drawn.joints[a], drawn.joints[b])) for a, b in drawn.bones}
    assert frozenset(("chest", "nose")) in names and len(names) == 7
    clip = sample_clip(synthesize("bow", topology=outlined, performer=0), 2)
    assert draw(renderer, clip).max() > 0.5
    loose = build_topology("hands_only", [("left_wrist", None, "forearm"), ("right_wrist", "left_wrist", "forearm")])
    assert complete(loose).topology is loose and not complete(loose).ends


def test_values_of_joints_are_gathered_by_clip():
    values = torch.arange(2 * 3 * 1 * 4, dtype=torch.float32).reshape(2, 3, 1, 4)
    index = torch.tensor([[[0, 3], [1, 1]], [[2, 2], [3, 0]]])
    gathered = of_joints(values, index)
    assert gathered.shape == (2, 3, 1, 2, 2)
    assert torch.equal(gathered[1, 2, 0], values[1, 2, 0][index[1]])
    places = torch.stack([values, -values], -1)
    assert torch.equal(of_joints(places, index)[..., 1], -gathered)
