# SPDX-License-Identifier: Apache-2.0
"""Writing many pictures: a plan, a resumable run over it, a truth table."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import cv2

from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.render import cutout, scene
from recycle_sorter.render.catalogue import CATALOGUE

TRUTH_NAME = "truth.csv"
BOARD_FOLDER = "board"
FIELDS = ("file", "material", "shape", "pose", "seed", "board", "samples", "scene")


@dataclass(frozen=True)
class Job:
    """One picture to write.

    Attributes:
        out: folder of the whole run.
        material: what to render; None is the empty board.
        seed: the picture's seed.
        width_px: width.
        height_px: height.
        samples: samples a pixel; an item that light passes through gets twice as many.
        kind: the kind of scene, see `scene.SceneKind`.
        alone: the item alone, see `cutout.render_cutout`.
    """

    out: Path
    material: str | None
    seed: int
    width_px: int
    height_px: int
    samples: int
    kind: scene.SceneKind = "free"
    alone: bool = False

    @property
    def file(self) -> str:
        """Name of the picture below `out`, with forward slashes."""
        folder = self.material or BOARD_FOLDER
        return f"{folder}/{folder}_{self.seed:06d}.png"


@dataclass(frozen=True)
class Settings:
    """What a run makes.

    Attributes:
        out: folder to write to.
        first_seed: seed of the first picture of every material.
        count: pictures a material.
        materials: keys of the catalogue, in order; empty makes empty boards only.
        width_px: width.
        height_px: height.
        samples: samples a pixel.
        kind: the kind of scene, see `scene.SceneKind`.
        alone: items alone, see `cutout.render_cutout`.
    """

    out: Path
    first_seed: int
    count: int
    materials: tuple[str, ...] = tuple(CATALOGUE)
    width_px: int = 640
    height_px: int = 480
    samples: int = 64
    kind: scene.SceneKind = "free"
    alone: bool = False

    def __post_init__(self) -> None:
        """Check the ranges.

        Raises:
            InvalidInputError: naming the setting, its value and what was expected.
        """
        unknown = [name for name in self.materials if name not in CATALOGUE]
        if unknown:
            raise InvalidInputError("materials", unknown, f"some of {', '.join(CATALOGUE)}")
        if self.kind not in scene.SCENES:
            raise InvalidInputError("scene", self.kind, f"one of {', '.join(scene.SCENES)}")
        limits = (
            ("first_seed", 0, 999_999),
            ("count", 1, 100_000),
            ("width_px", 8, 8192),
            ("height_px", 8, 8192),
            ("samples", scene.PASSES, 65_536),
        )
        for name, low, high in limits:
            value = int(getattr(self, name))
            if not low <= value <= high:
                raise InvalidInputError(name, value, f"{low} to {high}")


def plan(settings: Settings) -> list[Job]:
    """Return the pictures of a run, material by turns so that an early stop stays balanced."""
    kinds: Sequence[str | None] = settings.materials or (None,)
    seeds = range(settings.first_seed, settings.first_seed + settings.count)
    return [
        Job(
            settings.out,
            kind,
            seed,
            settings.width_px,
            settings.height_px,
            settings.samples,
            settings.kind,
            settings.alone,
        )
        for seed in seeds
        for kind in kinds
    ]


def remaining(jobs: Iterable[Job]) -> list[Job]:
    """Return the jobs whose picture or row of truth is missing.

    Raises:
        InvalidInputError: if a picture is there already, but of another kind of scene.
    """
    known: dict[Path, dict[str, str]] = {}
    left = []
    for job in jobs:
        if job.out not in known:
            known[job.out] = _known_files(job.out / TRUTH_NAME)
        there = known[job.out].get(job.file, "")
        # Tables written before there were kinds of scenes do not tell; they are believed.
        if there not in ("", job.kind):
            raise InvalidInputError(
                "scene", job.kind, f"{there}, as {job.file} in {job.out} is", "choose another --out"
            )
        if job.file not in known[job.out] or not (job.out / job.file).is_file():
            left.append(job)
    return left


def run(jobs: Sequence[Job], processes: int) -> Iterator[str]:
    """Render the jobs, write pictures and truth; yield each picture's name when it is written.

    Args:
        jobs: what to render (see `remaining`).
        processes: worker processes; 1 renders in this one, on all cores.

    Raises:
        scene.MitsubaMissingError: if Mitsuba is not installed.
        OSError: if a picture or the table cannot be written.
    """
    scene.load_mitsuba()
    if processes <= 1:
        for job in jobs:
            yield _record(job, make_picture(job))
        return
    threads = max(1, (os.cpu_count() or 1) // processes)
    with ProcessPoolExecutor(
        processes, get_context("spawn"), scene.limit_threads, (threads,)
    ) as pool:
        for job, row in zip(jobs, pool.map(make_picture, jobs), strict=True):
            yield _record(job, row)


def make_picture(job: Job) -> dict[str, str]:
    """Render one job and write its picture; return its row of truth."""
    shot = scene.draw_shot(job.material, job.seed, job.kind)
    clear = shot.item is not None and scene.is_clear(shot.item)
    samples = job.samples * 2 if clear else job.samples
    draw = cutout.render_cutout if job.alone else scene.render
    picture = draw(shot, job.width_px, job.height_px, samples)
    target = job.out / job.file
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_suffix(".part.png")
    order = cv2.COLOR_RGBA2BGRA if job.alone else cv2.COLOR_RGB2BGR
    if not cv2.imwrite(str(part), cv2.cvtColor(picture, order)):
        raise OSError(f"cannot write {part}; check that the folder is writable and not full")
    # Renamed when whole: an interrupted run never leaves half a picture behind.
    part.replace(target)
    return {
        "file": job.file,
        "material": job.material or "",
        "shape": shot.item.shape if shot.item else "",
        "pose": shot.pose,
        "seed": str(job.seed),
        "board": shot.board.name,
        "samples": str(samples),
        "scene": job.kind,
    }


def _record(job: Job, row: dict[str, str]) -> str:
    path = job.out / TRUTH_NAME
    fields = _fields(path)
    with path.open("a", newline="", encoding="utf-8") as file:
        # A table that an older version began keeps its columns.
        writer = csv.DictWriter(file, fields or FIELDS, extrasaction="ignore")
        if not fields:
            writer.writeheader()
        writer.writerow(row)
    return row["file"]


def _fields(path: Path) -> list[str]:
    """Return the columns of a table; empty where there is none."""
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file).fieldnames or ())


def _known_files(path: Path) -> dict[str, str]:
    """Return the kind of scene of each file of a table; empty where it is not told."""
    if not path.is_file():
        return {}
    with path.open(newline="", encoding="utf-8") as file:
        rows = csv.DictReader(file)
        return {row["file"]: row.get("scene") or "" for row in rows if row.get("file")}
