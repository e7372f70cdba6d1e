# SPDX-License-Identifier: Apache-2.0
"""The page of a belt's run: one file that needs nothing else, opened in a real browser."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import pytest
from support.belt_runs import BIN_OF, MARKS, made_view

from recycle_sorter.belt_run.page import RunView, percent, render_page
from recycle_sorter.belt_run.timeline import (
    MAX_STRIPS,
    STRIP_SEC,
    Track,
    draw_histogram,
    draw_timeline,
    look_of,
)
from recycle_sorter.core.belt.account import BeltAccount

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
CHROMIUM = next((path for path in map(shutil.which, BROWSERS) if path), None)


class Page(HTMLParser):
    """Elements of a page; every one that is opened is closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "link"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def of_class(self, name: str) -> list[dict[str, str | None]]:
        return [a for _, a in self.tags if name in (a.get("class") or "").split()]


@pytest.fixture(scope="module")
def view() -> RunView:
    return made_view("A <script>alert(1)</script> run")


@pytest.fixture(scope="module")
def text(view: RunView) -> str:
    return render_page(view)


def test_the_page_is_whole_and_refers_to_nothing_outside(text: str) -> None:
    page = Page(text)
    for tag, attrs in page.tags:
        for name in ("href", "src", "srcset", "action", "poster"):
            assert (attrs.get(name) or "data:").startswith(("data:", "#")), (tag, name)
    assert "http" not in text.replace("http-equiv", "")
    assert "@import" not in text
    ids = [attrs["id"] for _, attrs in page.tags if attrs.get("id")]
    assert len(ids) == len(set(ids))
    for _, attrs in page.tags:
        assert set((attrs.get("aria-labelledby") or "").split()) <= set(ids)


def test_what_comes_from_outside_is_escaped(text: str) -> None:
    assert "<script" not in text
    assert "A &lt;script&gt;alert(1)&lt;/script&gt; run" in text
    assert "net &lt;b&gt;bold&lt;/b&gt;" in text
    assert "&lt;item&gt; 12 won" in text


def test_every_item_is_a_bar_and_every_command_a_dot(view: RunView, text: str) -> None:
    page = Page(text)
    looks = [look_of(item) for item in view.items]
    for look in ("fired", "passed", "missed", "unseen"):
        shown = [a for a in page.of_class(look) if "item" in (a.get("class") or "")]
        # An item across the border of two strips is drawn in both.
        assert len(shown) >= looks.count(look) > 0, look
    assert len(page.of_class("fire")) >= looks.count("fired")
    assert len(page.of_class("strip")) == 2, "30 s are two strips"


def test_a_bar_of_a_steady_belt_is_one_line(text: str) -> None:
    bars = re.findall(r'<path class="item [^>]* d="([^"]*)"', text)
    assert bars
    assert all(bar.count("L") == 1 for bar in bars)


def test_a_bar_bends_where_the_belt_stops(view: RunView) -> None:
    stamps = tuple(range(0, 30_000_000_001, 100_000_000))
    positions = tuple(min(t, 1_000_000_000) / 2e9 + max(0, t - 9_000_000_000) / 2e9 for t in stamps)
    strips, _ = draw_timeline(view.items[:1], Track(stamps, positions), MARKS)
    bars = re.findall(r'<path class="item [^>]* d="([^"]*)"', "".join(strips))
    assert bars[0].count("L") == 3


def test_figures_stand_in_the_tables(view: RunView, text: str) -> None:
    bins = text[text.index('id="bins"') : text.index('id="contamination"')]
    for row in view.summary["bins"]:
        assert f'<th scope="row">{row["bin"]}</th>' in bins
        assert percent(row["purity"]) in bins
    counts = text[text.index('id="contamination"') : text.index('id="classifier"')]
    assert sum(map(int, re.findall(r'--p: [\d.]+">(\d+)<', counts))) == len(view.items)
    assert "never decided" in text[text.index('id="faults"') : text.index('id="timeline"')]


def test_a_run_without_items_has_a_page() -> None:
    account = BeltAccount(BIN_OF, "residue")
    page = render_page(
        RunView("Empty", {}, account.summary(), [], Track((), ()), MARKS, BIN_OF)
    )  # fmt: skip
    Page(page)
    assert "Nothing moved." in page
    assert "–" in page


def test_a_long_run_says_what_it_leaves_out() -> None:
    total_sec = STRIP_SEC * MAX_STRIPS + 60
    view = made_view(total_sec=total_sec)
    strips, left_out_sec = draw_timeline(view.items, view.track, view.marks)
    assert len(strips) == MAX_STRIPS
    assert left_out_sec == pytest.approx(60.0)
    assert "The last 60 s are not drawn." in render_page(view)


def test_the_same_run_gives_the_same_page(text: str) -> None:
    assert render_page(made_view("A <script>alert(1)</script> run")) == text


def test_a_histogram_counts_every_value() -> None:
    drawn = draw_histogram([1.0, 2.0, 2.0, 9.0], "ms", "a & b")
    counts = [int(n) for n in re.findall(r"ms: (\d+)</title></rect>", drawn)]
    assert sum(counts) == 4
    assert "a &amp; b: 4 values" in drawn
    assert draw_histogram([], "ms", "nothing") == ""
    assert "1 values" in draw_histogram([3.0], "ms", "one")


# In place of the policy that forbids scripts.
PROBE = """<script>addEventListener("load", function () {
  document.body.dataset.found = JSON.stringify({
    drawn: Array.from(document.querySelectorAll("svg")).filter(
      function (s) { return s.getBoundingClientRect().height > 50; }).length,
    bars: Array.from(document.querySelectorAll("path.item")).filter(
      function (s) { return s.getBoundingClientRect().width > 5; }).length,
    loaded: performance.getEntriesByType("resource").filter(
      function (r) { return !r.name.startsWith("data:"); }).length,
    wide: document.documentElement.scrollWidth > innerWidth
  });
});</script>"""


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here; Debian: apt-get install chromium")
@pytest.mark.parametrize("size", ["1200,900", "500,900"])
def test_chromium_draws_the_page(text: str, size: str, tmp_path: Path) -> None:
    assert CHROMIUM is not None
    page = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', PROBE, text)
    path = tmp_path / "page.html"
    path.write_text(page, encoding="utf-8")
    done = subprocess.run(
        [
            CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic",
            "--no-first-run", "--disable-background-networking", "--disable-component-update",
            "--disable-sync", "--disable-dev-shm-usage", f"--user-data-dir={tmp_path / 'profile'}",
            f"--window-size={size}", "--dump-dom", path.as_uri(),
        ],
        capture_output=True, text=True, check=False, timeout=280,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    match = re.search(r'data-found="([^"]*)"', done.stdout)
    assert match is not None, done.stdout[-1000:]
    found = json.loads(unescape(match[1]))
    assert found["drawn"] == text.count("<svg")
    assert found["bars"] > 30
    assert found["loaded"] == 0
    assert found["wide"] is False
