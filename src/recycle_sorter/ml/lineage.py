# SPDX-License-Identifier: Apache-2.0
"""The lineage of jobs and artifacts, from the local records alone.

A job and an artifact are linked where the job used it or logged it. An artifact is known by its
type, name and digest, so one that several jobs touched is one node, in whatever folders they lie.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.ml.artifacts import ArtifactRef, read_manifest
from recycle_sorter.ml.record_reader import JobRecord, find_records, read_record

JOB = "job"
USE, LOG = "use", "log"


@dataclass(frozen=True, slots=True)
class Node:
    """A job or an artifact.

    Attributes:
        key: Unique in the graph.
        kind: ``job``, or the artifact's type.
        title: Name of the job or artifact.
        detail: A second line: the job's type and state, or digest and size.
    """

    key: str
    kind: str
    title: str
    detail: str


@dataclass(frozen=True, slots=True)
class Edge:
    """An arrow in the direction in which data went.

    Attributes:
        source: Key of the node where it starts.
        target: Key of the node where it ends.
        kind: ``use`` (artifact to job) or ``log`` (job to artifact).
    """

    source: str
    target: str
    kind: str


@dataclass(frozen=True, slots=True)
class Lineage:
    """Jobs, artifacts, and what links them; in the order in which they came about."""

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]

    def layers(self) -> dict[str, int]:
        """Returns each node's column: to the right of everything that it came from.

        A job that used what it logged itself, as a resumed one does, closes a circle; the arrow
        that closes it does not count.
        """
        targets: dict[str, list[str]] = {node.key: [] for node in self.nodes}
        for edge in self.edges:
            targets[edge.source].append(edge.target)
        order, closing = _topological(targets)
        layers = dict.fromkeys(targets, 0)
        for key in order:
            for target in targets[key]:
                if (key, target) not in closing:
                    layers[target] = max(layers[target], layers[key] + 1)
        return layers


def read_lineage(folders: Iterable[Path]) -> Lineage:
    """Reads every record in or below folders.

    Raises:
        InvalidInputError: If a folder holds no record, or one is damaged.
    """
    records = [read_record(place) for place in find_records(folders)]
    return build_lineage(sorted(records, key=lambda record: record.started_unix_sec))


def build_lineage(records: Sequence[JobRecord]) -> Lineage:
    """Links jobs and artifacts."""
    nodes: dict[str, Node] = {}
    edges: dict[Edge, None] = {}
    for record in records:
        job = f"{JOB}:{record.run_id}"
        detail = f"{record.job_type}, {record.state}"
        nodes[job] = Node(job, JOB, record.job_name, detail)
        for kind, refs in ((USE, record.used), (LOG, record.logged)):
            for ref in refs:
                key = f"{ref.type}:{ref.name}:{ref.digest}"
                known = nodes.get(key)
                if known is None or "," not in known.detail:
                    nodes[key] = Node(key, ref.type, ref.name, _detail(ref))
                ends = (key, job) if kind == USE else (job, key)
                edges[Edge(*ends, kind)] = None
    return Lineage(tuple(nodes.values()), tuple(edges))


def draw_mermaid(lineage: Lineage) -> str:
    """Returns the lineage as a Mermaid flowchart, which GitHub and others draw."""
    names = {node.key: f"n{number}" for number, node in enumerate(lineage.nodes)}
    lines = ["flowchart LR"]
    for node in lineage.nodes:
        text = f'"{_mermaid_text(node.title)}<br/>{_mermaid_text(node.detail)}"'
        shape = f"[{text}]" if node.kind == JOB else f"([{text}])"
        lines.append(f"  {names[node.key]}{shape}:::{_mermaid_class(node.kind)}")
    lines += [
        f"  {names[edge.source]} -->|{edge.kind}| {names[edge.target]}" for edge in lineage.edges
    ]
    for kind in dict.fromkeys(node.kind for node in lineage.nodes):
        fill, line = colours(kind)
        style = f"fill:{fill},stroke:{line},color:#1c2430"
        lines.append(f"  classDef {_mermaid_class(kind)} {style}")
    return "\n".join(lines) + "\n"


def colours(kind: str) -> tuple[str, str]:
    """Returns fill and outline of a kind of node."""
    known = {
        JOB: ("#ffffff", "#3b4657"),
        "raw_data": ("#fdebc8", "#a86a00"),
        "split_data": ("#d8ecd9", "#2e7d4f"),
        "model": ("#d9e6fb", "#2c5aa0"),
    }
    return known.get(kind, ("#ece4f5", "#6b4a94"))


def _detail(ref: ArtifactRef) -> str:
    short = ref.digest[:8]
    if ref.manifest is None:
        return short
    try:
        manifest = read_manifest(ref.manifest)
    except InvalidInputError:
        return short  # the run that described it is not here
    count = len(manifest.files)
    files = "1 file" if count == 1 else f"{count:,} files"
    return f"{short}, {files}, {_size(manifest.size)}"


def _size(size: int) -> str:
    value = float(size)
    for unit in ("B", "kB", "MB"):
        if value < 1000:
            return f"{value:.3g} {unit}"
        value /= 1000
    return f"{value:.3g} GB"


def _mermaid_class(kind: str) -> str:
    return "".join(letter if letter.isalnum() else "_" for letter in kind)


def _mermaid_text(text: str) -> str:
    return text.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")


def _topological(targets: dict[str, list[str]]) -> tuple[list[str], set[tuple[str, str]]]:
    """Returns the keys, sources first, and the arrows that would close a circle."""
    order: list[str] = []
    closing: set[tuple[str, str]] = set()
    done: dict[str, bool] = {}  # False while the walk is below the node
    for start, first in targets.items():
        if start in done:
            continue
        done[start] = False
        walk = [(start, iter(first))]
        while walk:
            key, rest = walk[-1]
            following = next(rest, None)
            if following is None:
                done[key] = True
                order.append(key)
                walk.pop()
            elif following not in done:
                done[following] = False
                walk.append((following, iter(targets[following])))
            elif not done[following]:
                closing.add((key, following))
    return order[::-1], closing
