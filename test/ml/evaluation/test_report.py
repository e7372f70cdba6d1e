# SPDX-License-Identifier: Apache-2.0
"""The report: one file that needs nothing else, opened in a real browser."""

from __future__ import annotations

import base64
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from support.bundles import item_image
from support.evaluations import predictions_of, random_predictions

from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.core.materials import MATERIALS
from recycle_sorter.ml.evaluation import plots
from recycle_sorter.ml.evaluation.compare import compare
from recycle_sorter.ml.evaluation.coverage import coverage_curve
from recycle_sorter.ml.evaluation.evaluate import Evaluation, evaluate_predictions
from recycle_sorter.ml.evaluation.metrics import measure
from recycle_sorter.ml.evaluation.predictions import Failure, Predictions
from recycle_sorter.ml.evaluation.report import (
    render_comparison,
    render_report,
    write_evaluation,
)
from recycle_sorter.ml.evaluation.runs import Run

pytestmark = pytest.mark.ml

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
CHROMIUM = next((path for path in map(shutil.which, BROWSERS) if path), None)
needs_chromium = pytest.mark.skipif(
    CHROMIUM is None, reason="no Chromium here; Debian, Ubuntu: apt-get install chromium"
)
HISTORY = [
    {"epoch": i, "train/loss": 2 / (i + 1), "val/loss": 2.1 / (i + 1), "val/accuracy": 0.1 * i}
    | {f"val/accuracy/{name}": 0.09 * i for name in MATERIALS}
    for i in range(6)
]


class Page(HTMLParser):
    """What a page refers to, and whether it is whole."""

    VOID = frozenset({"meta", "link", "img", "br", "hr", "input"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(text)
        assert self.open == [], "every element is closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attrs for name, attrs in self.tags if name == tag]


def assert_refers_to_nothing_outside(page: Page) -> None:
    for tag, attrs in page.tags:
        for name, value in attrs.items():
            if name in ("href", "src", "xlink:href", "srcset", "action", "poster", "data"):
                assert (value or "").startswith(("data:", "#")), (tag, name, value)
            if name == "style":
                assert "url(" not in (value or "").replace("url(#", ""), (tag, value)


def assert_ids_are_unique_and_found(page: Page) -> None:
    ids = [attrs["id"] for _, attrs in page.tags if attrs.get("id")]
    assert len(ids) == len(set(ids))
    for _, attrs in page.tags:
        for name in ("href", "xlink:href"):
            target = attrs.get(name) or ""
            if target.startswith("#"):
                assert target[1:] in ids
        assert set((attrs.get("aria-labelledby") or "").split()) <= set(ids)


@pytest.fixture(scope="module")
def evaluation(tmp_path_factory: pytest.TempPathFactory) -> Evaluation:
    """Forty pictures on disk, of which some answers are wrong."""
    root = tmp_path_factory.mktemp("pictures")
    made = random_predictions(40, seed=5)
    paths = {}
    for i, name in enumerate(made.names):
        paths[name] = root / name.replace("jpg", "png")
        paths[name].parent.mkdir(exist_ok=True)
        cv2.imwrite(str(paths[name]), item_image(MATERIALS[made.labels[i]], 90, 60, seed=i))
    return evaluate_predictions(
        made,
        "net <b>bold</b> & co on data",
        {"model_id": "net", "data": "a <script>alert(1)</script> folder"},
        paths=paths,
        failed=[Failure("glass/<x>.jpg", "is empty")],
        history=HISTORY,
    )


def heat(image: NDArray[np.uint8], _class: int) -> NDArray[np.uint8]:
    return 255 - image


@pytest.fixture(scope="module")
def text(evaluation: Evaluation) -> str:
    return render_report(evaluation, explain=heat, notes=["A <note>."])


def test_the_page_is_whole_and_refers_to_nothing_outside(text: str) -> None:
    page = Page(text)
    assert_refers_to_nothing_outside(page)
    assert_ids_are_unique_and_found(page)
    assert "http://" not in re.sub(r'xmlns(:\w+)?="http://www\.w3\.org/[^"]*"', "", text)
    assert "https://" not in text
    assert "@import" not in text


def test_names_from_outside_are_escaped(text: str) -> None:
    page = Page(text)
    assert len(page.all("script")) == 1
    assert "<b>bold</b>" not in text
    assert "alert(1)" in text
    assert "<title>Evaluation of net &lt;b&gt;bold" in text
    assert "glass/&lt;x&gt;.jpg is empty" in text
    assert "A &lt;note&gt;." in text


def test_pictures_decode_and_say_what_they_show(evaluation: Evaluation, text: str) -> None:
    images = Page(text).all("img")
    wrong = min(24, int((~evaluation.predictions.right).sum()))
    right = len({int(x) for x in evaluation.predictions.labels[evaluation.predictions.right]})
    assert len(images) == 2 * (wrong + right), "each with its Grad-CAM beside it"
    for image in images:
        head, data = (image["src"] or "").split(",", 1)
        assert head == "data:image/jpeg;base64"
        pixels = cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_COLOR)
        assert pixels is not None
        assert pixels.shape == (60, 90, 3)
        assert re.search(r"\.jpg(: \w+, predicted \w+| speaks for \w+ \(Grad-CAM\))$",
                         image["alt"] or "")  # fmt: skip


def test_it_can_be_read_without_seeing_and_on_a_phone(text: str) -> None:
    page = Page(text)
    assert page.all("html") == [{"lang": "en"}]
    viewport = [meta["content"] for meta in page.all("meta") if meta.get("name") == "viewport"]
    assert viewport == ["width=device-width, initial-scale=1"]
    assert len(page.all("h1")) == 1
    assert len(page.all("svg")) == 4
    assert all(svg["role"] == "img" and svg["aria-labelledby"] for svg in page.all("svg"))
    assert all(head.get("scope") for head in page.all("th"))
    assert "prefers-color-scheme: dark" in text


def test_diagrams_take_the_colours_of_the_page(text: str) -> None:
    diagrams = re.findall(r"<svg.*?</svg>", text, re.S)
    for diagram in diagrams:
        assert "var(--ink)" in diagram
        assert not set(re.findall(r"#[0-9a-f]{6}", diagram)) & set(plots._COLOURS.values())
        assert "DejaVu" not in diagram
    assert "confidence" in diagrams[0]
    assert "epoch" in diagrams[-1]


def test_the_table_holds_every_picture(evaluation: Evaluation, text: str) -> None:
    for name in evaluation.predictions.names:
        assert f'<td class="name">{name}</td>' in text


def test_more_pictures_than_a_page_bears_are_left_to_the_csv() -> None:
    many = evaluate_predictions(random_predictions(2300), "many", {})
    page = render_report(many)
    assert page.count('<td class="name">') == 2000
    assert "300 more are in predictions.csv" in page


def test_chosen_pictures_are_explained(evaluation: Evaluation) -> None:
    names = evaluation.predictions.names[:2]
    page = render_report(evaluation, explain=heat, chosen=names)
    explained = page[page.index('id="explained"') : page.index('id="pictures"')]
    assert explained.count('class="card"') == 2
    assert all(name in explained for name in names)
    with pytest.raises(InvalidInputError, match=r"picture to explain: got 'x\.jpg'"):
        render_report(evaluation, explain=heat, chosen=["x.jpg"])


def test_no_error_and_no_picture_file_is_a_report_too(tmp_path: Path) -> None:
    predictions = predictions_of([0, 1, 2], [0, 1, 2], 0.99)
    write_evaluation(tmp_path, evaluate_predictions(predictions, "all right", {}))
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "No answer is wrong." in page
    assert Page(page).all("img") == []


def test_a_picture_that_is_gone_leaves_its_card(evaluation: Evaluation, tmp_path: Path) -> None:
    gone = Evaluation(
        "t", evaluation.predictions, evaluation.figures, {},
        {name: tmp_path / name for name in evaluation.predictions.names},
    )  # fmt: skip
    page = render_report(gone, explain=heat)
    assert Page(page).all("img") == []
    assert 'class="card"' in page


@pytest.mark.parametrize("package", ["jinja2", "matplotlib"])
def test_a_missing_package_is_named_with_its_extra(
    evaluation: Evaluation, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, package: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(InvalidInputError, match=rf"{package}.*recycle_sorter\[train\]"):
        write_evaluation(tmp_path, evaluation)
    assert list(tmp_path.iterdir()) == [], "nothing half done is left"


@pytest.fixture(scope="module")
def comparison_text() -> str:
    def run(name: str, seed: int) -> Run:
        made = random_predictions(60, seed=1)
        noise = np.random.default_rng(seed).normal(0, seed, made.logits.shape)
        made = type(made)(
            made.names, made.labels, (made.logits + noise).astype(np.float32), made.classes
        )
        return Run(name, evaluate_predictions(made, name, {}).to_dict(), made)

    return render_comparison(compare([run("one", 0), run("t<w>o", 1), run("three", 3)]))


def test_a_comparison_is_one_file_too(comparison_text: str) -> None:
    page = Page(comparison_text)
    assert_refers_to_nothing_outside(page)
    assert_ids_are_unique_and_found(page)
    assert "t&lt;w&gt;o" in comparison_text
    assert "t<w>o" not in comparison_text
    assert len(page.all("svg")) == 1


def test_plots_are_written_as_pictures(tmp_path: Path) -> None:
    made = random_predictions(50)
    curve = coverage_curve(made.confidence, made.right)
    files = plots.save_plots(tmp_path / "plots", measure(made), curve, HISTORY)
    assert set(files) == {
        "confusion", "confusion_normalised", "reliability", "coverage", "loss", "accuracy",
    }  # fmt: skip
    for path in files.values():
        pixels = cv2.imread(str(path))
        assert pixels is not None
        assert pixels.std() > 5, "something is drawn"


def test_names_with_dollars_are_no_mathematics(tmp_path: Path) -> None:
    made = random_predictions(50)
    names = (r"$\frac$", r"a$b", r"\$")
    classes = (*names, *made.classes[len(names) :])
    made = Predictions(made.names, made.labels, made.logits, classes)
    history = [{**row, rf"val/accuracy/{names[0]}": 0.5} for row in HISTORY]
    curve = coverage_curve(made.confidence, made.right)
    assert plots.save_plots(tmp_path / "plots", measure(made), curve, history)
    svg = plots.to_svg(plots.draw_confusion(measure(made)), "confusion", "Confusion")
    for name in names:
        assert f">{name}<" in svg
    both = plots.draw_coverage({names[0]: curve, "other": curve})
    assert f">{names[0]}<" in plots.to_svg(both, "coverage", "Coverage")


Browse = Callable[..., str]


@pytest.fixture
def browse(tmp_path: Path) -> Browse:
    """Opens a page in a headless Chromium and returns its elements as they are then."""

    def run(page: str, *options: str) -> str:
        assert CHROMIUM is not None
        profile = tempfile.mkdtemp(dir=tmp_path)
        path = tmp_path / "page.html"
        path.write_text(page, encoding="utf-8")
        done = subprocess.run(
            [
                CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic",
                "--no-first-run", "--disable-background-networking", "--disable-component-update",
                "--disable-sync", "--disable-dev-shm-usage", f"--user-data-dir={profile}", *options,
                path.as_uri(),
            ],
            capture_output=True, text=True, check=False, timeout=280,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


# Runs in the page after it has loaded, in place of the script that sorts.
PROBE = """
addEventListener("load", function () {
  var images = Array.from(document.images), svgs = Array.from(document.querySelectorAll("svg"));
  var cells = Array.from(document.querySelectorAll("svg text"));
  var found = {
    images: images.length,
    decoded: images.filter(function (i) { return i.complete && i.naturalWidth > 0; }).length,
    drawn: svgs.filter(function (s) { return s.getBoundingClientRect().height > 50; }).length,
    texts: cells.filter(function (t) { return t.getBoundingClientRect().width > 0; }).length,
    tables: document.querySelectorAll("main table").length,
    loaded: performance.getEntriesByType("resource").filter(
      function (r) { return !r.name.startsWith("data:"); }).length,
    wide: document.documentElement.scrollWidth > innerWidth,
    dark: getComputedStyle(document.body).backgroundColor
  };
  document.body.dataset.found = JSON.stringify(found);
});
"""


def probe(browse: Browse, page: str, *options: str) -> dict[str, object]:
    import html
    import json

    shown = browse(page.replace("<script>", f"<script>{PROBE}", 1), "--dump-dom", *options)
    match = re.search(r'data-found="([^"]*)"', shown)
    assert match is not None, shown[-2000:]
    found: dict[str, object] = json.loads(html.unescape(match[1]))
    return found


@needs_chromium
def test_chromium_shows_every_picture_diagram_and_table(browse: Browse, text: str) -> None:
    found = probe(browse, text)
    assert found["images"] == found["decoded"] == len(Page(text).all("img"))
    assert found["drawn"] == 4
    assert found["tables"] == 6
    assert isinstance(found["texts"], int)
    assert found["texts"] > 40
    assert found["loaded"] == 0, "nothing was fetched"


@needs_chromium
def test_on_a_phone_only_tables_scroll_sideways(
    browse: Browse, text: str, comparison_text: str
) -> None:
    for page in (text, comparison_text):
        assert probe(browse, page, "--window-size=500,900")["wide"] is False


@needs_chromium
def test_a_click_on_a_head_sorts_and_nothing_else_needs_a_script(browse: Browse, text: str) -> None:
    click = (
        'addEventListener("load", function () {'
        'document.querySelector("#materials thead th:nth-child(2) button").click(); });'
    )
    shown = browse(text.replace("</script>", f"{click}</script>", 1), "--dump-dom")
    body = shown[shown.index('id="materials"') : shown.index('id="confusion"')]
    assert 'aria-sort="ascending"' in body
    counts = [int(n) for n in re.findall(r'<td class="n" data-value="(\d+)">', body)]
    assert len(counts) == 6
    assert counts == sorted(counts)
    plain = re.sub(r"<script>.*?</script>", "", text, flags=re.S)
    assert probe(browse, plain + "<script></script>")["drawn"] == 4


@needs_chromium
def test_light_and_dark_differ(browse: Browse, text: str) -> None:
    light, dark = probe(browse, text), probe(browse, text, "--force-dark-mode")
    assert light["dark"] == "rgb(244, 246, 247)"
    assert dark["dark"] == "rgb(18, 24, 28)"
