# SPDX-License-Identifier: Apache-2.0
"""``report.html`` of a belt's run: one file that needs nothing beside it and opens offline."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, Final

from recycle_sorter.belt_run.style import CSS
from recycle_sorter.belt_run.timeline import (
    BeltMarks,
    Track,
    describe,
    draw_histogram,
    draw_timeline,
    look_of,
)
from recycle_sorter.core.belt.judged import JudgedItem

_MAX_LISTED: Final = 200
_POLICY: Final = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


@dataclass(frozen=True, slots=True)
class RunView:
    """What the page shows.

    Attributes:
        title: Of the page.
        about: What ran, by name, in order.
        summary: ``BeltAccount.summary``.
        items: ``BeltAccount.items``.
        track: Where the belt was.
        marks: What stands along it.
        bin_of: Bin in which each material belongs.
    """

    title: str
    about: Mapping[str, str]
    summary: Mapping[str, Any]
    items: Sequence[JudgedItem]
    track: Track
    marks: BeltMarks
    bin_of: Mapping[str, str]


def render_page(view: RunView) -> str:
    """Returns the page. Whatever comes from outside is escaped."""
    return "".join(_parts(view))


def percent(value: float | None, digits: int = 1) -> str:
    """A share as people read it; a dash for None."""
    return "–" if value is None else f"{100 * value:.{digits}f} %"


def number(value: float | None, unit: str) -> str:
    """A figure with its unit; a dash for None."""
    return "–" if value is None else f"{value:.2f} {unit}"


def _parts(view: RunView) -> Iterator[str]:
    title = escape(view.title)
    yield '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
    yield '<meta name="referrer" content="no-referrer"><link rel="icon" href="data:,">'
    yield f"<title>{title}</title><style>{CSS}</style></head><body><main>"
    yield f"<header><h1>{title}</h1>{_tiles(view.summary)}</header>"
    yield _section("bins", "Bins", _bins(view.summary))
    yield _section("contamination", "What fell where", _contamination(view))
    yield _section("classifier", "What tracking and timing cost", _classifier(view.summary))
    yield _section("timing", "Timing", _timing(view))
    yield _section("faults", "Items that went wrong", _faults(view.items))
    yield _section("timeline", "The belt's timeline", _timeline(view))
    about = "".join(f"<dt>{escape(k)}</dt><dd>{escape(v)}</dd>" for k, v in view.about.items())
    yield _section("about", "About this run", f'<dl class="about">{about}</dl>')
    yield "</main></body></html>\n"


def _section(key: str, head: str, body: str) -> str:
    return (
        f'<section id="{key}" aria-labelledby="{key}_head">'
        f'<h2 id="{key}_head">{head}</h2>{body}</section>'
    )


def _tiles(summary: Mapping[str, Any]) -> str:
    items, records = summary["items"], summary["records"]
    timing, places = summary["timing_error_ms"], summary["position_error_mm"]
    shown = [
        (
            "separate items found",
            percent(items["found_separate_share"]),
            f"{items['found_separate']} of {items['separate']}; {items['true']} items in all",
            items["found_separate"] < items["separate"],
        ),
        (
            "doubled, phantoms",
            f"{items['doubled']}, {items['phantoms']}",
            f"{items['decided']} decisions",
            items["doubled"] + items["phantoms"] > 0,
        ),
        (
            "records lost, doubled",
            f"{records['lost']}, {records['doubled']}",
            f"{records['fired']} fired, {records['passed']} passed, {records['missed']} missed",
            records["lost"] + records["doubled"] > 0,
        ),
        (
            "fired late",
            str(records["fired_late"]),
            f"p99 off its time: {number(timing['p99'], 'ms')}",
            records["fired_late"] > 0,
        ),
        (
            "place at the diverter, p99",
            number(places["p99"], "mm"),
            f"{places['n']} commands, median {number(places['p50'], 'mm')}",
            False,
        ),
        (
            "reached their bin",
            percent(summary["sorting"]["sorted_right"]),
            f"decided right: {percent(summary['sorting']['decided_right'])}",
            False,
        ),
    ]
    tiles = "".join(
        f'<div><dt>{name}</dt><dd{_bad(is_bad)}>{value}</dd><dd class="small">{more}</dd></div>'
        for name, value, more, is_bad in shown
    )
    return f'<dl class="tiles">{tiles}</dl>'


def _bad(is_bad: bool) -> str:
    return ' class="bad"' if is_bad else ""


def _table(caption: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table whose first column names the row; cells are HTML already."""
    top = "".join(
        f'<th scope="col" class="{"n" if i else ""}">{name}</th>' for i, name in enumerate(heads)
    )
    body = "".join(
        f'<tr><th scope="row">{row[0]}</th>{"".join(map(_cell, row[1:]))}</tr>' for row in rows
    )
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{caption}"><table>'
        f"<caption>{caption}</caption><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"
        "</div>"
    )


def _cell(content: str) -> str:
    return content if content.startswith("<td") else f'<td class="n">{content}</td>'


def _bins(summary: Mapping[str, Any]) -> str:
    rows = [
        [
            escape(row["bin"]), str(row["items"]), percent(row["purity"]), str(row["due"]),
            percent(row["recovery"]), percent(row["recovery_separate"]),
            percent(row["purity_decided"]), percent(row["recovery_decided"]),
        ]
        for row in summary["bins"]
    ]  # fmt: skip
    heads = (
        "bin", "items in it", "purity", "items due", "recovery", "of separate items",
        "purity as decided", "recovery as decided",
    )  # fmt: skip
    caption = (
        "Purity: share of the bin's content that belongs there. Recovery: share of what belongs "
        "there that reached it. As decided: had each item fallen where its decision said."
    )
    return _table(caption, heads, rows)


def _contamination(view: RunView) -> str:
    table = view.summary["contamination"]
    materials = list(next(iter(table.values()), {}))
    rows = []
    for name, counts in table.items():
        total = max(1, sum(counts.values()))
        cells = [escape(name) if name else "no bin"]
        for material in materials:
            look = "hit" if view.bin_of.get(material) == name else "miss"
            part = 100 * counts[material] / total
            cells.append(f'<td class="n {look}" style="--p: {part:.1f}">{counts[material]}</td>')
        rows.append(cells)
    heads = ["bin", *map(escape, materials)]
    return _table("Items by bin (rows) and true material (columns).", heads, rows)


def _classifier(summary: Mapping[str, Any]) -> str:
    sorting = summary["sorting"]
    rows = []
    for name, one in (
        ("all found items", summary["classifier"]),
        ("separate items", summary["classifier"]["separate"]),
    ):
        rows.append(
            [name, str(one["items"]), str(one["crops"])]
            + [
                percent(one[key])
                for key in ("crop_accuracy", "centre_accuracy", "best_accuracy", "fused_accuracy")
            ]
        )
    heads = ("", "items", "pictures", "each picture", "picture in the middle",
             "surest picture", "all pictures of an item")  # fmt: skip
    lost = sorting["lost_points"]
    text = (
        f"The right bin was decided for {percent(sorting['decided_right'])} of the separate items "
        f"and reached by {percent(sorting['sorted_right'])}: tracking and timing cost "
        f"{'–' if lost is None else f'{lost:.2f}'} points."
    )
    caption = "How often the true material was named, by what was asked."
    return f"<p>{text}</p>{_table(caption, heads, rows)}"


def _timing(view: RunView) -> str:
    records = [item.record for item in view.items if item.record is not None]
    figures = (
        ("Command issued less its time", "ms",
         [(r.issued_ns - r.scheduled_ns) / 1e6 for r in records if r.issued_ns and r.scheduled_ns]),
        ("True less planned place at the diverter", "mm",
         [1e3 * item.error_m for item in view.items if item.error_m is not None]),
        ("From picture to decision", "ms",
         [item.latency_ns / 1e6 for item in view.items if item.latency_ns is not None]),
    )  # fmt: skip
    drawn = "".join(
        f"<figure>{draw_histogram(values, unit, name)}<figcaption>{name}</figcaption></figure>"
        for name, unit, values in figures
        if values
    )
    rows = [
        [name, str(one["n"]), *(number(one[key], unit) for key in ("p50", "p95", "p99", "max"))]
        for name, unit, one in (
            ("off its time", "ms", view.summary["timing_error_ms"]),
            ("off its place", "mm", view.summary["position_error_mm"]),
            ("picture to decision", "ms", view.summary["latency_ms"]),
        )
    ]
    table = _table("Sizes of the errors.", ("", "n", "p50", "p95", "p99", "greatest"), rows)
    return f'{table}<div class="row">{drawn}</div>'


def _faults(items: Sequence[JudgedItem]) -> str:
    wrong = [
        item
        for item in items
        if look_of(item) in ("missed", "unseen") and (item.is_counted or item.truth is None)
    ]
    if not wrong:
        return "<p>None.</p>"
    listed = "".join(f"<li>{escape(describe(item))}</li>" for item in wrong[:_MAX_LISTED])
    more = len(wrong) - _MAX_LISTED
    return f"<ul>{listed}</ul>" + (f"<p>{more} more are in the log.</p>" if more > 0 else "")


def _timeline(view: RunView) -> str:
    strips, left_out_sec = draw_timeline(view.items, view.track, view.marks)
    if not strips:
        return "<p>Nothing moved.</p>"
    key = (
        '<p class="hint key">Time to the right, place downward; each bar is an item. '
        '<i style="background:var(--accent)"></i>fired'
        '<i style="background:var(--pass)"></i>passed'
        '<i style="background:var(--bad)"></i>missed; dashed: never decided. Dots: commands.</p>'
    )
    shown = "".join(
        '<figure class="strip scroll" tabindex="0" role="region" '
        f'aria-label="Strip {i}">{strip}</figure>'
        for i, strip in enumerate(strips, 1)
    )
    rest = f"<p>The last {left_out_sec:.0f} s are not drawn.</p>" if left_out_sec > 0 else ""
    return f"{key}{shown}{rest}"
