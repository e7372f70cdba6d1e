# SPDX-License-Identifier: Apache-2.0
"""``recycle-sorter cutouts``: items for the digital twin out of labelled pictures."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from recycle_sorter.cli.help import with_examples
from recycle_sorter.core.errors import InvalidInputError, SourceError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from recycle_sorter.sources.pictures import Picture
    from recycle_sorter.twin.cutouts import Refusal
    from recycle_sorter.twin.library import Cutout

_LISTED = 5
_EXAMPLES = """
[bold]Examples[/bold]

recycle-sorter cutouts photographs --out my_cutouts [dim]photographs/glass/1.jpg, ...[/dim]

recycle-sorter cutouts photographs --split split.csv --out my_cutouts [dim]to train on[/dim]

recycle-sorter simulate --library my_cutouts

recycle-sorter render --alone --scene station --out renders --seed 700000 --count 12
--width-px 400 --height-px 300 --samples 8 [dim]how the shipped ones were made, and then:[/dim]

recycle-sorter cutouts renders --out samples/cutouts
"""


def cutouts(
    pictures: Annotated[
        Path, typer.Argument(help="Folder with one folder of pictures for each material.")
    ],
    out: Annotated[Path, typer.Option(help="Folder to write to; must hold no library yet.")],
    count: Annotated[
        int | None, typer.Option(min=1, help="At most so many of each material.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the items' lengths.")] = 1,
    split: Annotated[
        Path | None, typer.Option(help="CSV of path,material,split: only one part of the pictures.")
    ] = None,
    split_name: Annotated[
        str, typer.Option(help="Which part: what is trained on, or what is measured on.")
    ] = "train",
) -> None:
    """Cuts single items out of labelled pictures, for the digital twin.

    A picture shows one item on a plain, light board. Where it is transparent, that tells the item
    from the board; otherwise colour does, and pictures in which it does so badly are left out. No
    picture tells how long an item is: each gets a length that is plausible for its material.

    Where crops of these items are to train a model, give the model's --split: cut-outs of pictures
    that it is measured on would make its figures flatter, and nothing can tell afterwards.
    """
    from recycle_sorter.credit_file import copy_licences, write_credits
    from recycle_sorter.ml.provenance import made_from
    from recycle_sorter.sources.pictures import find_pictures, pick_split
    from recycle_sorter.twin.cutouts import Refusal, write_library

    found = find_pictures(pictures)
    if split is not None:
        found = pick_split(found, split, split_name)
    found = [picture for picture in found if picture.material]
    if not found:
        raise InvalidInputError(
            "pictures", str(pictures), "one folder for each material", "sort the pictures into them"
        )
    made: list[Cutout] = []
    refused: list[Refusal] = []
    by_material: Counter[str] = Counter()
    for picture in found:
        if count is not None and by_material[picture.material] >= count:
            continue
        result = _cut(picture, seed)
        if isinstance(result, Refusal):
            refused.append(result)
            continue
        by_material[picture.material] += 1
        made.append(result)
    for refusal in refused[:_LISTED]:
        typer.echo(f"left out {refusal.source}: {refusal.why}", err=True)
    if len(refused) > _LISTED:
        typer.echo(f"left out {len(refused)} pictures in all", err=True)
    if not made:
        raise SourceError(f"no item could be cut out of the {len(found)} pictures in {pictures}")
    size_mb = write_library(out, made) / 1e6
    write_credits(out, [made_from(pictures, "cut-outs of")])
    copy_licences(pictures, out)
    listed = ", ".join(f"{name} {by_material[name]}" for name in sorted(by_material))
    typer.echo(f"{out}: {len(made)} cut-outs ({listed}), {size_mb:.2f} MB")


cutouts.__doc__ = with_examples(cutouts, _EXAMPLES)


def _cut(picture: Picture, seed: int) -> Cutout | Refusal:
    from recycle_sorter.ml.dataset.masks import item_mask
    from recycle_sorter.sources.pictures import load_picture
    from recycle_sorter.twin.cutouts import Refusal, cut_out, length_of

    try:
        pixels = load_picture(picture.path)
    except SourceError as error:
        return Refusal(picture.label, str(error))
    drawn = _drawn(picture.path)
    mask: NDArray[np.uint8] | None
    if drawn is None:
        mask = item_mask(pixels)
    else:
        pixels, mask = drawn
    return cut_out(
        pixels,
        mask,
        picture.material,
        picture.label,
        length_of(picture.material, picture.label, seed),
        is_exact=drawn is not None,
    )


def _drawn(path: Path) -> tuple[NDArray[np.uint8], NDArray[np.uint8]] | None:
    """The picture's colour and alpha; None if it has no alpha, or is opaque all over.

    Both of one decoding, as they lie in the file: colour alone would be turned as EXIF data says.
    """
    import cv2
    import numpy as np

    pixels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if pixels is None or pixels.ndim != 3 or pixels.shape[2] != 4 or pixels.dtype != np.uint8:
        return None
    alpha = np.array(pixels[..., 3], np.uint8)
    if bool((alpha == 255).all()):
        return None
    return np.ascontiguousarray(pixels[..., :3], np.uint8), alpha
