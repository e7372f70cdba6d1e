# SPDX-License-Identifier: Apache-2.0
"""The lineage across run folders, from the local records alone."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from typer.testing import CliRunner

from recycle_sorter.cli.app import app
from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.ml.artifacts import ArtifactRef, describe
from recycle_sorter.ml.lineage import Edge, Lineage, Node, draw_mermaid, read_lineage
from recycle_sorter.ml.lineage_svg import draw_svg
from recycle_sorter.ml.record import Record

SVG = "{http://www.w3.org/2000/svg}"


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def train(root: Path, name: str) -> ArtifactRef:
    """A training that used the data all share, and its test in a record of its own."""
    data = [write(root / "data" / f"{number}.txt", "x" * number) for number in range(3)]
    job = Record(root / name, job_name=f"{name}_v1_train", job_type="train", config={})
    job.use(job.describe(describe("trashnet", "raw_data", data)))
    split = job.log(describe("split", "split_data", [write(root / name / "split.csv", "a,b\n")]))
    model = job.log(describe(name, "model", [write(root / name / "weights", name)]))
    job.finish()
    test = Record(root / name / "test", job_name=f"{name}_v1_test", job_type="test", config={})
    test.use(split)
    test.use(model)
    return model


def kinds(lineage: Lineage) -> dict[str, str]:
    return {node.title: node.kind for node in lineage.nodes}


def links(lineage: Lineage) -> set[tuple[str, str, str]]:
    titles = {node.key: node.title for node in lineage.nodes}
    return {(titles[edge.source], edge.kind, titles[edge.target]) for edge in lineage.edges}


def test_runs_are_linked_by_what_they_share(tmp_path: Path) -> None:
    train(tmp_path, "resnet18")
    train(tmp_path, "resnet34")
    lineage = read_lineage([tmp_path / "resnet18", tmp_path / "resnet34"])
    assert kinds(lineage) == {
        "trashnet": "raw_data",
        "split": "split_data",
        "resnet18": "model",
        "resnet34": "model",
        "resnet18_v1_train": "job",
        "resnet18_v1_test": "job",
        "resnet34_v1_train": "job",
        "resnet34_v1_test": "job",
    }
    of_each = {(f"{name}_v1_train", "log", name) for name in ("resnet18", "resnet34")}
    for name in ("resnet18", "resnet34"):
        of_each |= {
            ("trashnet", "use", f"{name}_v1_train"),
            (f"{name}_v1_train", "log", "split"),
            ("split", "use", f"{name}_v1_test"),
            (name, "use", f"{name}_v1_test"),
        }
    assert links(lineage) == of_each
    details = {node.title: node.detail for node in lineage.nodes}
    assert re.fullmatch(r"[0-9a-f]{8}, 3 files, 3 B", details["trashnet"])
    assert details["resnet18_v1_train"] == "train, finished"
    assert details["resnet18_v1_test"] == "test, running"


def test_time_runs_from_left_to_right(tmp_path: Path) -> None:
    train(tmp_path, "resnet18")
    lineage = read_lineage([tmp_path])
    layers = lineage.layers()
    assert all(layers[edge.source] < layers[edge.target] for edge in lineage.edges)
    columns = {node.title: layers[node.key] for node in lineage.nodes}
    assert columns["trashnet"] == 0
    assert columns["resnet18_v1_test"] == 3


def test_the_drawing_stands_alone_and_shows_everything(tmp_path: Path) -> None:
    train(tmp_path, "resnet18")
    train(tmp_path, "resnet34")
    lineage = read_lineage([tmp_path])
    text = draw_svg(lineage)
    root = ET.fromstring(text)
    assert len(root.findall(f".//{SVG}g")) == len(lineage.nodes)
    assert len(root.findall(f"{SVG}path")) == len(lineage.edges)
    shown = {element.text for element in root.iter(f"{SVG}text")}
    assert {node.title for node in lineage.nodes} <= shown
    # Nothing is fetched: the only address is the name of the format.
    assert re.findall(r"https?://[^\"]*", text) == ["http://www.w3.org/2000/svg"]
    assert not {"script", "image", "style", "use"} & {e.tag.removeprefix(SVG) for e in root.iter()}
    boxes = [
        tuple(float(box.get(name, "0")) for name in ("x", "y", "width", "height"))
        for box in root.findall(f".//{SVG}g/{SVG}rect")
    ]
    for at, (x, y, width, height) in enumerate(boxes):
        assert x >= 0
        assert y >= 0
        assert x + width <= float(root.get("width", "0"))
        for left, top, _, _ in boxes[:at]:
            assert abs(left - x) >= width or abs(top - y) >= height, "boxes overlap"


def test_names_cannot_break_the_drawing(tmp_path: Path) -> None:
    job = Record(tmp_path, job_name='<b>&"quoted"', job_type="train", config={})
    job.log(describe("x" * 128, "model", [write(tmp_path / "weights", "w")]))
    lineage = read_lineage([tmp_path])
    texts = [element.text for element in ET.fromstring(draw_svg(lineage)).iter(f"{SVG}text")]
    assert '<b>&"quoted"' in texts
    assert "x" * 27 + "…" in texts
    assert "&lt;b>&amp;&quot;quoted&quot;<br/>" in draw_mermaid(lineage)


def test_the_same_as_a_flowchart(tmp_path: Path) -> None:
    train(tmp_path, "resnet18")
    lineage = read_lineage([tmp_path])
    lines = draw_mermaid(lineage).splitlines()
    assert lines[0] == "flowchart LR"
    assert len([line for line in lines if "-->" in line]) == len(lineage.edges)
    names = {
        match[2]: match[1]
        for line in lines
        if (match := re.match(r'  (n\d+)(?:\[|\(\[)"([^<]*)<br/>', line))
    }
    assert f"  {names['resnet18_v1_train']} -->|log| {names['resnet18']}" in lines
    assert f"  {names['resnet18']} -->|use| {names['resnet18_v1_test']}" in lines


def test_a_job_that_used_what_it_made_is_drawn_too(tmp_path: Path) -> None:
    job = Record(tmp_path, job_name="again", job_type="train", config={})
    job.use(job.log(describe("weights", "model", [write(tmp_path / "weights", "w")])))
    lineage = read_lineage([tmp_path])
    assert links(lineage) == {("again", "log", "weights"), ("weights", "use", "again")}
    assert sorted(lineage.layers().values()) == [0, 1]
    assert len(ET.fromstring(draw_svg(lineage)).findall(f"{SVG}path")) == 2


def test_a_run_whose_manifest_is_gone_keeps_its_links(tmp_path: Path) -> None:
    model = train(tmp_path, "resnet18")
    assert model.manifest is not None
    model.manifest.unlink()
    lineage = read_lineage([tmp_path])
    assert {n.detail for n in lineage.nodes if n.title == "resnet18"} == {model.digest[:8]}
    assert ("resnet18", "use", "resnet18_v1_test") in links(lineage)


def test_a_chain_of_thousands_is_no_deep_recursion() -> None:
    nodes = tuple(Node(str(n), "job", str(n), "") for n in range(3000))
    edges = tuple(Edge(str(n), str(n + 1), "log") for n in range(2999))
    assert Lineage(nodes, edges).layers()["2999"] == 2999


def test_the_command_draws_by_the_files_suffix(tmp_path: Path) -> None:
    train(tmp_path / "runs", "resnet18")
    run = CliRunner().invoke
    for name, start in (("out/lineage.svg", "<svg "), ("lineage.mmd", "flowchart LR")):
        done = run(app, ["lineage", str(tmp_path / "runs"), "--out", str(tmp_path / name)])
        assert done.exit_code == 0, done.output
        assert "2 jobs, 3 artifacts, 5 links" in done.output
        assert (tmp_path / name).read_text("utf-8").startswith(start)
    wrong = run(app, ["lineage", str(tmp_path / "runs"), "--out", str(tmp_path / "l.pdf")])
    assert isinstance(wrong.exception, InvalidInputError)
    assert ".svg or .mmd" in str(wrong.exception)
    beyond = ["--out", str(tmp_path / "lineage.mmd" / "x.svg")]
    unwritable = run(app, ["lineage", str(tmp_path / "runs"), *beyond])
    assert isinstance(unwritable.exception, InvalidInputError)
    assert "x.svg" in str(unwritable.exception)
    with pytest.raises(InvalidInputError, match="no record"):
        read_lineage([tmp_path / "nothing"])
