"""skeletonllm inspect --gallery: every recording moves, with true facts beside it, and no file can run anything."""

import base64
import hashlib
import io
import re
from html.parser import HTMLParser

import numpy as np
import pytest
import torch
from PIL import Image

from skeletonllm.cli.gallery import MOVING_FRAMES, SHEET_STRIPS, choose, spread
from skeletonllm.cli.render import Backend, load_renderer
from skeletonllm.data.walk import Entry
from skeletonllm.rendering.gallery import BATCH, animate, sheet, strip
from skeletonllm.skeleton.formats import write_npz
from skeletonllm.skeleton.sequence import sample_clip
from skeletonllm.skeleton.synthesis import synthesize


class Page(HTMLParser):
    """What a browser would make of a page: tags, the words of each card, pictures, and text before the first card."""

    def __init__(self, text: str):
        super().__init__()
        self.tags, self.cards, self.pictures, self.before, self.script = set(), [], [], "", ""
        self.inside = ""
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        self.inside = tag
        attributes = dict(attributes)
        assert not [name for name in attributes if name.startswith("on")]
        if tag == "article":
            self.cards.append("")
        if tag == "img":
            head, _, data = attributes["src"].partition(",")
            assert head == "data:image/webp;base64"
            self.pictures.append(Image.open(io.BytesIO(base64.b64decode(data, validate=True))))

    def handle_data(self, data):
        if self.inside == "script":
            self.script += data
        elif self.inside != "style" and self.cards:
            self.cards[-1] += data + "\n"
        elif self.inside != "style":
            self.before += data + "\n"


@pytest.fixture
def gallery(run, tmp_path):
    """Makes a page of a folder: (the page, what was printed, what was said on stderr)."""

    def make(folder, *options) -> tuple[Page, str, str]:
        code, printed, error = run("inspect", "--gallery", folder, "-o", tmp_path / "page.html", *options)
        assert code == 0, error
        return Page((tmp_path / "page.html").read_text(encoding="utf-8")), printed, error

    return make


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "recordings"
    for number, label in enumerate(("bow", "wave left hand", "jump")):
        (root / label).mkdir(parents=True)
        write_npz(synthesize(label, performer=number), root / label / f"{number}.npz")
    return root


def test_each_recording_moves_as_it_is_drawn_alone(gallery, folder):
    page, printed, _ = gallery(folder, "--size", 64)
    assert "3 recordings, 0 failed" in printed
    renderer = load_renderer(None, Backend.cpu)
    for picture, (number, label) in zip(page.pictures, ((0, "bow"), (2, "jump"), (1, "wave left hand")), strict=True):
        assert picture.size == (64, 64) and picture.n_frames == MOVING_FRAMES
        clip = sample_clip(synthesize(label, performer=number), MOVING_FRAMES)
        with torch.no_grad():
            expected = renderer.render(clip, image_size=64)[0].permute(0, 2, 3, 1).numpy() * 255
        for frame in (0, MOVING_FRAMES // 2):
            picture.seek(frame)
            difference = np.abs(np.asarray(picture.convert("RGB"), float) - expected[frame]).mean()
            # Lossy pictures differ by 2 of 255 on average, those of other recordings or moments by more than 5.
            assert difference < 3.5, (label, frame)


def test_facts_stand_beside_each_picture(gallery, recording, tmp_path):
    (tmp_path / "data").mkdir()
    recording("data/walk.npz", frames=20, fps=20)
    page, _, _ = gallery(tmp_path / "data", "--size", 32)
    (card,) = page.cards
    for fact in ("walk.npz", "npz", "kinect_v1", "20 at 20 fps, 1.00 s", "0.2% of joints", "× 0.00 m", "walk"):
        assert fact in card, fact


def test_what_failed_comes_first_with_its_reason_and_companions_are_counted(gallery, folder):
    (folder / "noise.npz").write_bytes(b"PK\x03\x04 noise")
    (folder / "empty").write_text("")
    (folder / "README.md").write_text("no recording")
    page, _, error = gallery(folder, "--size", 32)
    assert "2 could not be read" in page.before and "Passed over: 1 files" in page.before
    assert "noise.npz" in page.before and "damaged zip archive" in page.before and "an empty file" in page.before
    assert "2 of 5 recordings could not be read" in error and "damaged zip archive" in error
    assert len(page.cards) == 3 and str(folder / "noise.npz") not in page.before


def test_names_and_labels_are_shown_and_never_run(gallery, recording, tmp_path):
    (tmp_path / "data" / "<b>folder").mkdir(parents=True)
    evil = "<img src=x onerror=alert(1)>.npz"
    label = "</dd></article><script>alert(1)</script>&amp;"
    recording(f"data/<b>folder/{evil}", label=label)
    (tmp_path / "data" / "<svg onload=alert(2)>").write_text("noise")
    page, _, _ = gallery(tmp_path / "data", "--size", 32)
    assert not page.tags & {"svg", "iframe", "object", "link", "a", "form"}
    assert len(page.pictures) == 1 and "alert" not in page.script
    assert evil in page.cards[0] and label in page.cards[0] and "<svg onload=alert(2)>" in page.before


def test_a_page_needs_nothing_from_outside_and_allows_only_its_own_script(gallery, folder, tmp_path):
    page, _, _ = gallery(folder, "--size", 32)
    text = (tmp_path / "page.html").read_text()
    assert not re.search(r"https?:|@import|url\(", text)
    digest = base64.b64encode(hashlib.sha256(page.script.encode()).digest()).decode()
    assert f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'" in text
    for wanted in re.findall(r'querySelector\("#(\w+)"\)', page.script):
        assert f'id="{wanted}"' in text


def test_long_recordings_are_shortened_and_short_ones_slowed():
    frames = torch.rand(MOVING_FRAMES, 3, 16, 16)
    for seconds, shown in ((0.1, 1.0), (2.4, 2.4), (300.0, 4.0)):
        picture = Image.open(io.BytesIO(animate(frames, seconds)))
        total = 0
        for frame in range(picture.n_frames):
            picture.seek(frame)
            picture.load()
            total += picture.info["duration"]
        assert total / 1000 == pytest.approx(shown, abs=0.01)  # each frame is rounded to a millisecond


def test_a_limit_takes_recordings_evenly_and_says_so(gallery, recording, tmp_path):
    (tmp_path / "data").mkdir()
    for number in range(6):
        recording(f"data/{number}.npz", label=None)
    page, _, _ = gallery(tmp_path / "data", "--size", 32, "--limit", 3)
    assert [card.split()[0] for card in page.cards] == ["0.npz", "2.npz", "4.npz"]
    assert "3 of 6 recordings chosen" in page.before


def test_a_limit_per_format_keeps_every_format_and_every_failure(tmp_path):
    entries = [Entry(tmp_path / f"{form}{number}", form) for form in ("ntu", None, "npz") for number in range(4)]
    kept = choose(entries, 100, 2)
    assert [entry.path.name for entry in kept] == ["ntu0", "ntu2", "None0", "None1", "None2", "None3", "npz0", "npz2"]
    assert spread(range(10), 4) == [0, 2, 5, 7] and spread(range(3), 9) == [0, 1, 2]


def test_a_folder_as_output_takes_contact_sheets_by_format(run, recording, tmp_path):
    (tmp_path / "data").mkdir()
    count = SHEET_STRIPS + 1
    assert count > BATCH
    for number in range(count):
        recording(f"data/{number:02d}.npz", label="two\nlines")
    (tmp_path / "data" / "noise").write_text("noise")
    code, printed, error = run("inspect", "--gallery", tmp_path / "data", "-o", tmp_path / "sheets", "--size", 16)
    sheets = [tmp_path / "sheets" / f"npz-0{number}.png" for number in (1, 2)]
    assert code == 0 and printed.split() == [str(path) for path in sheets] and "1 of 42 recordings" in error
    full, last = map(Image.open, sheets)
    assert full.height > 6 * last.height and full.width > 3 * last.width


def test_a_strip_shows_all_frames_above_its_text_whose_end_is_kept():
    frames = torch.zeros(3, 3, 32, 32)
    frames[1, 0] = 1.0
    image = strip(frames, ["a" * 200 + "X", "", "a name\ud800that is no UTF-8"])
    assert image.width == 96 and image.height > 32
    assert [image.getpixel((x, 16)) for x in (16, 48, 80)] == [(0, 0, 0), (255, 0, 0), (0, 0, 0)]
    assert np.asarray(image)[32:, -12:].max() > 100  # the X at the end of the first line
    with pytest.raises(ValueError, match="no strip"):
        sheet([], "nothing", 4)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--gallery", "data"], "needs -o"),
        (["--gallery", "data", "-o", "page.html", "--json"], "without --format and --json"),
        (["--gallery", "data", "one.npz", "-o", "page.html"], "either recordings or --gallery"),
        (["one.npz", "-o", "page.html"], "-o is for --gallery"),
        (["--gallery", "nowhere", "-o", "page.html"], "nowhere: not a folder"),
        (["--gallery", "data", "-o", "page.html"], "nothing in it but 1 files"),
        (["--gallery", "data", "-o", "page.pdf"], "cannot write .pdf"),
    ],
)
def test_wishes_of_a_gallery_that_cannot_be_met_are_told(run, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "README").write_text("no recording")
    code, _, error = run("inspect", *arguments)
    assert code == 2 and message in error and "Traceback" not in error
    assert not (tmp_path / "page.html").exists()


def test_one_of_several_recordings_of_a_file_can_be_inspected(run, recording, tmp_path, monkeypatch):
    from skeletonllm.skeleton.formats import FORMATS, npz, read_skeleton
    from skeletonllm.skeleton.formats.common import Format

    path = recording("walk.npz")
    whole = npz.FORMAT
    named = Format("npz", "two", (".npz",), whole.sniff, whole.read, lambda path: {"second": lambda: whole.read(path)})
    monkeypatch.setitem(FORMATS, "npz", named)
    assert read_skeleton(f"{path}#second").num_frames == 20
    code, printed, _ = run("inspect", f"{path}#second")
    assert code == 0 and "walk.npz#second" in printed and "kinect_v1" in printed


def test_real_recordings_of_all_kinds_are_shown(gallery, shared):
    page, printed, _ = gallery(shared / "data", "--size", 48, "--per-format", 2)
    shown = int(re.search(r"(\d+) recordings", printed)[1])
    assert shown == len(page.cards) == len(page.pictures)
    for form in ("ntu", "gtu", "utd_mhad", "humanml3d", "bvh", "acclaim", "amass", "aist", "jhmdb", "penn_action"):
        assert any(form in card for card in page.cards), form
    # A frame that is the same as the one before is not written again.
    assert all(1 < picture.n_frames <= MOVING_FRAMES for picture in page.pictures)
