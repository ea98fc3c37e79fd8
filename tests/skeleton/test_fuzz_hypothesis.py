"""Files made from nothing: documents, tables, arrays and pickles of any content are read or refused by every reader."""

import io
import json
import pickle
import tempfile
from pathlib import Path

import numpy as np
import pytest
from fuzz_seeds import Seed
from fuzzing import outcome
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from skeletonllm.skeleton.formats import FORMATS

# The same examples in every run. What takes long is found by ``outcome``, in time of this process.
FEW = settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))

KEYS = st.sampled_from(
    "skeletons file_name label people pose_keypoints_2d annotations images keypoints keypoint keypoint_score score "
    "image_id category_id track_id instance_info instances frame_id Frames Loop Joints poseLandmarks x y z visibility "
    "smpl_poses smpl_trans smpl_scaling pose frame_dir total_frames split version".split()
)
NUMBERS = st.one_of(
    st.floats(), st.integers(), st.integers(-3, 100), st.floats(-2, 2), st.just(2**70), st.just(-0.0)
)  # fmt: skip
LEAVES = st.one_of(NUMBERS, st.booleans(), st.none(), st.text(max_size=8))
ROWS = st.sampled_from([2, 3, 18, 36, 44, 51, 54, 60, 75]).flatmap(lambda n: st.lists(NUMBERS, min_size=n, max_size=n))
TREES = st.recursive(
    LEAVES | ROWS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=5),
    max_leaves=12,
)
SHAPES = st.one_of(
    st.sampled_from([(3, 22, 3), (4, 263), (2, 17, 3), (3, 2, 20, 3), (20, 3, 4), (5, 156), (5, 72), (5, 3)]),
    arrays.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=25),
)
ARRAYS = st.tuples(st.sampled_from([np.float64, np.float32, np.float16, np.int64, np.bool_, np.dtype("U3")]), SHAPES)
FILLED = ARRAYS.flatmap(lambda one: arrays.arrays(one[0], one[1], fill=st.nothing() if 0 in one[1] else None))
WORDS = st.one_of(
    NUMBERS.map(str),
    st.sampled_from("HIERARCHY ROOT JOINT MOTION Frames: OFFSET CHANNELS { } Hips 25 20 6 3 1 nan".split()),
    st.text("0123456789.-+eE_,", max_size=12),
)  # fmt: skip
TABLES = st.lists(st.lists(WORDS, max_size=14), max_size=12)
SEPARATORS = st.sampled_from([" ", ",", "  ", "\t", ", "])


def read_or_refused(format: str, name: str, content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        assert outcome(Seed(format, {name: content}), Path(folder)) in ("read", "refused")


@pytest.mark.parametrize("format", ["nw_ucla", "openpose", "coco", "mediapipe", "deepmimic", "skeleton_rows"])
@FEW
@given(tree=TREES, under=KEYS | st.none())
def test_any_document(format, tree, under):
    content = json.dumps(tree if under is None else {under: tree}).encode()
    read_or_refused(format, f"humanoid3d_any{FORMATS[format].suffixes[0]}", content)


@pytest.mark.parametrize(
    "format", ["ntu", "gtu", "msr_action3d", "utkinect", "ui_prmd", "bvh", "acclaim", "mediapipe", "deepmimic"]
)
@FEW
@given(table=TABLES, separator=SEPARATORS, end=st.sampled_from(["\n", "\r\n", "\r"]))
def test_any_table(format, table, separator, end):
    content = end.join(separator.join(words) for words in table).encode()
    read_or_refused(format, f"m01_s01_e01_positions{FORMATS[format].suffixes[0]}", content)


@pytest.mark.parametrize("format", ["humanml3d", "npy_joints"])
@FEW
@given(array=FILLED)
def test_any_array(format, array):
    written = io.BytesIO()
    np.save(written, array)
    read_or_refused(format, "any.npy", written.getvalue())


@pytest.mark.parametrize("format", ["npz", "amass"])
@FEW
@given(
    members=st.dictionaries(
        st.sampled_from(["joints", "fps", "valid", "topology", "label", "poses", "trans", "mocap_framerate", "betas"]),
        FILLED,
        max_size=5,
    )
)
def test_any_archive(format, members):
    written = io.BytesIO()
    np.savez(written, **members)
    read_or_refused(format, "any.npz", written.getvalue())


@pytest.mark.parametrize("format", ["jhmdb", "aist", "pyskl"])
@FEW
@given(tree=st.recursive(LEAVES | FILLED, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner)),
       protocol=st.integers(0, pickle.HIGHEST_PROTOCOL))  # fmt: skip
def test_any_pickle(format, tree, protocol):
    read_or_refused(format, "any.pkl", pickle.dumps(tree, protocol))


@pytest.mark.parametrize("format", list(FORMATS))
@FEW
@given(content=st.binary(max_size=300))
def test_any_bytes(format, content):
    read_or_refused(format, f"any{FORMATS[format].suffixes[0]}", content)
