"""Damaged and hostile BVH files are refused in time, and the error names the place."""

import pytest
from bad_files import refuse
from bvh_files import PERSON, bvh_text, frame, walk, write


def damaged(old, new, count=1):
    text = bvh_text(PERSON, walk(PERSON))
    assert old in text
    return text.replace(old, new, count)


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        (damaged("OFFSET 0 14 0", "OFFSET 0 14"), "line 8", "OFFSET"),
        (damaged("OFFSET 0 14 0", "OFFSET 0 fourteen 0"), "line 8", "fourteen"),
        (damaged("OFFSET 0 14 0", "OFFSET 0 inf 0"), "line 8", "three numbers"),
        (damaged("    OFFSET 0 14 0\n", ""), "line 76", "'Spine' without OFFSET"),
        (damaged("CHANNELS 3 Z", "CHANNELS 4 Z"), "line 9", "as many different names"),
        (damaged("CHANNELS 3 Zrotation", "CHANNELS 3 Yrotation"), "line 9", "as many different names"),
        (damaged("CHANNELS 3 Zrotation", "CHANNELS 3 Wrotation"), "line 9", "as many different names"),
        (damaged("  JOINT Spine", "  JOINT Spine {"), "line 7", "a joint before it"),
        (damaged("  JOINT Spine", "  BONE Spine"), "line 6", "BONE Spine"),
        (damaged("  JOINT Spine", "  ROOT Spine"), "line 6", "one ROOT"),
        (damaged("ROOT Hips", "JOINT Hips"), "line 2", "one ROOT"),
        (damaged("MOTION", "ROOT Other\n{\nOFFSET 0 0 0\n}\nMOTION"), "line 127", "one skeleton"),
        (damaged("Frames: 6", "Frames: 7"), "frame 7", "6 frames and 0 numbers"),
        (damaged("Frames: 6", "Frames: 5"), "frame 6", "more numbers"),
        (damaged("Frames: 6", "Frames: 0"), "Frames", "number of frames"),
        (damaged("Frames: 6", "Frames: -6"), "Frames", "number of frames"),
        (damaged("Frames: 6", "Frames: 999999999"), "Frames", "that the file can hold"),
        (damaged("Frames: 6", "Frames: " + "9" * 5000), "Frames", "that the file can hold"),
        (damaged("Time: 0.0333333", "Time: 0"), "Frame Time", "seconds per frame"),
        (damaged("Time: 0.0333333", "Time: nan"), "Frame Time", "seconds per frame"),
        (damaged("Time: 0.0333333", "Time: fast"), "Frame Time", "seconds per frame"),
        (damaged("Frame Time", "Time"), "line 127", "MOTION"),
        ("HIERARCHY\n" + "ROOT a {\nOFFSET 0 0 0\n", "line 4", "the end of the text"),
        ("HIERARCHY\nROOT a\n{\nOFFSET 0 0 0\n}\n", "line 5", "no CHANNELS"),
        ("HIERARCHY\nROOT a\n{\nOFFSET 0 0 0\nCHANNELS 1 Xposition\n}\nMOTION\nFrames: 1\nFrame Time: 1\n1",
         "HIERARCHY", "one joint"),
    ],
)  # fmt: skip
def test_damaged_files_are_refused_with_the_place(tmp_path, text, place, message):
    error = refuse(write(tmp_path / "a.bvh", text), message, format="bvh")
    assert error.place == place


def test_a_word_among_the_numbers_is_found(tmp_path):
    rows = walk(PERSON)
    rows[3][8] = "1.2.3"
    error = refuse(write(tmp_path / "a.bvh", bvh_text(PERSON, rows)), "'1.2.3'")
    assert error.place == "frame 4, number 9"


def test_a_tree_without_end_is_refused_in_time(tmp_path):
    for text in (
        "HIERARCHY\nROOT a\n{\nOFFSET 0 0 0\n" + "JOINT b\n{\nOFFSET 0 1 0\n" * 100_000,
        "HIERARCHY" + " " * 10**7,
        "HIERARCHY\n" + "{" * 10**6,
        "HIERARCHY\nROOT " + "a" * 10**7,
        bvh_text(PERSON, walk(PERSON)) + "\n0 " * 10**6,
    ):
        refuse(write(tmp_path / "a.bvh", text), format="bvh")


def test_more_frames_than_fit_in_memory_are_refused(tmp_path):
    text = bvh_text(PERSON, [frame(PERSON, {})]).replace("Frames: 1", "Frames: 200000")
    refuse(write(tmp_path / "a.bvh", text + "0 " * (200_000 * 72)), "cut it first")
