"""Disks that are full, fill up or cannot be written to: a small one of memory, mounted by the test."""

import errno
import os
import subprocess
from pathlib import Path

import pytest
from launches import checkpoints_of, differences, launch

from skeletonllm.training.checkpoint import load_newest_checkpoint

WRONG = 2


@pytest.fixture
def mount(tmp_path):
    """Mounts a disk of so many kilobytes; needs the rights of root."""
    mounted = []

    def mount(kilobytes: int) -> Path:
        place = tmp_path / f"disk{len(mounted)}"
        place.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(place)]
        try:
            subprocess.run(command, check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError) as error:
            pytest.skip(f"needs the right to mount a disk of memory: {error}")
        mounted.append(place)
        return place

    yield mount
    for place in mounted:
        subprocess.run(["umount", "-l", str(place)], check=True)


def test_too_little_room_is_found_before_training(mount, minute):
    folder = mount(kilobytes=512) / "run"
    ended = launch(folder, minute)
    assert ended.codes[0] == WRONG and ended.codes[1] not in (0, None), ended.tail()
    assert "GB are free" in ended.output[0] and str(folder) in ended.output[0]
    assert not (folder / "log.jsonl").exists() and not checkpoints_of(folder)


def test_a_folder_that_cannot_be_written_to_is_found_before_training(mount, minute):
    disk = mount(kilobytes=8192)
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    ended = launch(disk / "run", minute, world_size=1)
    assert ended.codes == [WRONG], ended.tail()
    assert os.strerror(errno.EROFS) in ended.output[0] and "step 1" not in ended.output[0]


def test_a_disk_that_fills_up_leaves_the_last_checkpoint_whole_and_the_run_can_go_on(mount, minute, whole_alone):
    disk = mount(kilobytes=16 * 1024)
    folder = disk / "run"
    ended = launch(folder, minute, world_size=1, faults={0: f"fill:{disk} save 6"})
    assert "checkpoint of step 6 not written" in ended.output[0], ended.tail()
    assert ended.codes == [WRONG] and os.strerror(errno.ENOSPC) in ended.output[0].splitlines()[-1], ended.tail()
    assert load_newest_checkpoint(folder / "checkpoints").step == checkpoints_of(folder)[-1] == 4
    assert not list((folder / "checkpoints").glob("*.tmp"))
    (disk / "filler").unlink()
    ended = launch(folder, minute, world_size=1, resume=True)
    assert ended.codes == [0], ended.tail()
    assert not differences(folder, whole_alone)
