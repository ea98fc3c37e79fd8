"""Tables, pictures and the web page."""

from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from skeletonllm.evaluation.accuracy import Accuracy, Prediction
from skeletonllm.evaluation.plots import plot_confusion, plot_losses
from skeletonllm.evaluation.report import Section, describe_accuracy, per_class_rows, write_page

LABELS = ["bow", "clap", "walk"]


def counted(*said):
    return Accuracy.of([Prediction("x", *pair) for pair in said], LABELS)


class Reader(HTMLParser):
    """Collects tags with attributes, and text by the tag around it."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.texts, self.open = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        self.open.append(tag)

    def handle_endtag(self, tag):
        while self.open and self.open.pop() != tag:
            pass

    def handle_data(self, data):
        self.texts.append((self.open[-1] if self.open else None, data))


def test_whatever_a_page_says_is_text_and_never_markup(tmp_path):
    nasty = '<script>alert("&")</script>'
    path = tmp_path / "deep" / "page.html"
    write_page(path, nasty, [Section(nasty, [nasty], [[nasty], [nasty]], [('a".png', nasty)])])
    page = Reader(path.read_text(encoding="utf-8"))
    assert "script" not in [tag for tag, _ in page.tags]
    for tag in ("title", "h1", "h2", "p", "th", "td", "figcaption"):
        assert (tag, nasty) in page.texts, tag
    assert ("img", {"src": 'a".png', "alt": nasty}) in page.tags


def test_a_page_keeps_sections_rows_and_pictures_in_order(tmp_path):
    sections = [
        Section("One", ["first", "second"], [["label", "n"], ["座る", "1"], ["bow", "2"]]),
        Section("Two", pictures=[("a.png", "A"), ("b.gif", "B")]),
    ]
    write_page(tmp_path / "page.html", "Results", sections)
    page = Reader((tmp_path / "page.html").read_text(encoding="utf-8"))
    texts = [text for tag, text in page.texts if tag in ("h1", "h2", "p", "th", "td", "figcaption")]
    assert texts == ["Results", "One", "first", "second", "label", "n", "座る", "1", "bow", "2", "Two", "A", "B"]
    assert [attributes["src"] for tag, attributes in page.tags if tag == "img"] == ["a.png", "b.gif"]
    assert [tag for tag, _ in page.tags].count("table") == 1


def test_accuracy_is_told_with_its_interval_and_its_count():
    accuracy = counted(*[("bow", "bow")] * 5, *[("bow", "clap")] * 5)
    assert describe_accuracy(accuracy) == "50.0 % (23.7 to 76.3, 95 % interval), 5 of 10"


def test_the_table_names_the_most_common_mistake():
    accuracy = counted(
        ("bow", "bow"), ("bow", "walk"), ("bow", "clap"), ("bow", "walk"), ("clap", "clap"), ("walk", None)
    )
    assert per_class_rows(accuracy)[1:] == [
        ["bow", "25.0 %", "1 of 4", "walk (2)"],
        ["clap", "100.0 %", "1 of 1", ""],
        ["walk", "0.0 %", "0 of 1", "(no label) (1)"],
    ]


def pixels(path):
    return np.asarray(Image.open(path).convert("RGB"))


def test_a_confusion_matrix_is_drawn_with_rows_as_true_labels(tmp_path):
    # A bow taken for a walk, the only dark square, is in the first row and the last column.
    plot_confusion(counted(("bow", "walk")), tmp_path / "a" / "c.png", "a title")
    picture = pixels(tmp_path / "a" / "c.png")
    dark_blue = (np.abs(picture.astype(int) - [8, 48, 107]) < 12).all(-1)  # the end of the colour map "Blues"
    rows, columns = dark_blue.nonzero()
    assert dark_blue.sum() > 1000
    assert rows.max() < picture.shape[0] / 2 < picture.shape[1] / 2 < columns.min()


def test_answers_that_name_no_label_get_a_column_only_where_there_are_some(tmp_path):
    plot_confusion(counted(("bow", "bow")), tmp_path / "three.png", "t")
    plot_confusion(counted(("bow", None)), tmp_path / "four.png", "t")
    assert pixels(tmp_path / "four.png").shape[1] > pixels(tmp_path / "three.png").shape[1]


@pytest.mark.parametrize("label", ["costs $5 or $6", r"$\frac{$", "_x^"])
def test_no_label_is_read_as_a_formula(tmp_path, label):
    accuracy = Accuracy.of([Prediction("x", label, label)], [label, "bow"])
    plot_confusion(accuracy, tmp_path / "c.png", label)
    assert pixels(tmp_path / "c.png").std() > 10


def test_losses_of_several_runs_share_a_picture(tmp_path):
    lines = [dict(step=step, loss=3.0 / step) for step in range(1, 20)]
    plot_losses({"trained": lines, "frozen": [dict(line, loss=2.0) for line in lines]}, tmp_path / "new" / "l.png")
    picture = pixels(tmp_path / "new" / "l.png")
    picture = picture.astype(int)
    for color in ([31, 119, 180], [255, 127, 14]):  # the first two of matplotlib's cycle
        assert (np.abs(picture - color) < 12).all(-1).sum() > 100
