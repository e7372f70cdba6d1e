# SPDX-License-Identifier: Apache-2.0
"""``recycle-sorter calibrate``: where on the belt each pixel looks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from recycle_sorter.cli.help import with_examples
from recycle_sorter.core.errors import InvalidInputError, SorterError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from recycle_sorter.vision.belt_calibration import BeltCalibration
    from recycle_sorter.vision.board_pattern import BoardPattern

_EXAMPLES = """
[bold]Examples[/bold]

recycle-sorter calibrate --print board.png [dim]print at 100 %, measure a square[/dim]

recycle-sorter calibrate shot1.png shot2.png --square-mm 29.8 --preview check.png
[dim]the board flat on the belt, one edge along it[/dim]

recycle-sorter calibrate first.png last.png --align travel --direction left
[dim]the belt carried the board from one place to the other[/dim]

recycle-sorter calibrate --px-per-mm 0.8 --width-px 640 --height-px 480 [dim]by hand[/dim]

Then name the file in config/belt.yaml: camera.calibration.
"""


def calibrate(
    images: Annotated[
        list[Path] | None, typer.Argument(help="Pictures of the board on the belt.")
    ] = None,
    out: Annotated[Path, typer.Option(help="File to write.")] = Path(
        "config/belt_calibration.yaml"
    ),
    board: Annotated[str, typer.Option(help="charuco or checker.")] = "charuco",
    square_mm: Annotated[float, typer.Option(help="Side of a square as printed: measure it.")] = 30,
    squares_x: Annotated[int, typer.Option(help="Squares across.")] = 8,
    squares_y: Annotated[int, typer.Option(help="Squares down; for a checker e.g. 5.")] = 6,
    direction: Annotated[
        str, typer.Option(help="Where in the picture the belt travels: right, left, down, up.")
    ] = "right",
    align: Annotated[
        str,
        typer.Option(
            help="What lies exactly along the travel: the board's edge, the picture's edge, or "
            "the way from the first picture's board to the last's (board, picture, travel)."
        ),
    ] = "board",
    max_error_mm: Annotated[float, typer.Option(help="A fit worse than this is refused.")] = 1.0,
    px_per_mm: Annotated[
        float | None, typer.Option(help="By hand: a camera that looks straight down.")
    ] = None,
    width_px: Annotated[int, typer.Option(help="By hand: width of the pictures.")] = 640,
    height_px: Annotated[int, typer.Option(help="By hand: height of the pictures.")] = 480,
    print_to: Annotated[
        Path | None, typer.Option("--print", help="Write the board as PNG and stop.")
    ] = None,
    dpi: Annotated[float, typer.Option(help="Dots an inch of --print.")] = 300.0,
    preview: Annotated[
        Path | None, typer.Option(help="Write the last picture with a grid of 50 mm.")
    ] = None,
) -> None:
    """Calibrate the belt's camera from a printed board, or by hand."""
    # OpenCV is loaded here, so that other commands start without it.
    from recycle_sorter.vision import board_fit
    from recycle_sorter.vision.belt_calibration import BeltCalibration
    from recycle_sorter.vision.board_pattern import BoardPattern

    paths = images or []
    if print_to is not None:
        _print_board(BoardPattern(board, squares_x, squares_y, square_mm), dpi, print_to)
        return
    if (px_per_mm is None) == (not paths):
        shown = "both" if paths else "neither"
        raise InvalidInputError("IMAGES or --px-per-mm", shown, "one of the two", "see --help")
    pictures: list[NDArray[np.uint8]] = []
    if px_per_mm is None:
        pattern = BoardPattern(board, squares_x, squares_y, square_mm)
        pictures = [_read(path) for path in paths]
        calibration = board_fit.calibrate(pictures, pattern, direction, align, max_error_mm)
    else:
        calibration = BeltCalibration.from_px_per_m(
            px_per_mm * 1000.0, width_px, height_px, direction
        )
    if preview is not None:
        _write_preview(calibration, pictures[-1] if pictures else None, preview)
    calibration.save(out)
    typer.echo(_summary(calibration, out))


calibrate.__doc__ = with_examples(calibrate, _EXAMPLES)


def _print_board(pattern: BoardPattern, dpi: float, path: Path) -> None:
    picture = pattern.draw(dpi)
    _write(path, picture, dpi)
    across_mm, down_mm = (round(side / dpi * 25.4) for side in picture.shape[::-1])
    typer.echo(
        f"{path}: {pattern.kind}, {pattern.squares_x} x {pattern.squares_y} squares of "
        f"{pattern.square_mm:g} mm, {across_mm} x {down_mm} mm at {dpi:g} dpi. Print at 100 %, "
        "then measure a square and give it as --square-mm."
    )


def _summary(calibration: BeltCalibration, out: Path) -> str:
    length_m, width_m = calibration.view_m
    error_mm = calibration.reprojection_error_mm
    fit = "by hand" if error_mm is None else f"reprojection error {error_mm:.2f} mm"
    return (
        f"{out}: {calibration.made_from}; {fit}; view {length_m * 1000:.0f} mm along, "
        f"{width_m * 1000:.0f} mm across, {calibration.m_per_px * 1000:.2f} mm a pixel"
    )


def _read(path: Path) -> NDArray[np.uint8]:
    import cv2
    import numpy as np

    pixels = cv2.imread(str(path), cv2.IMREAD_COLOR) if path.is_file() else None
    if pixels is None:
        raise InvalidInputError("IMAGES", str(path), "a readable picture", "check the path")
    return np.asarray(pixels, np.uint8)


def _write(path: Path, picture: NDArray[np.uint8], dpi: float | None = None) -> None:
    import cv2

    good, data = cv2.imencode(".png", picture)
    if not good:
        raise SorterError(f"cannot encode {path}")
    content = data.tobytes()
    if dpi is not None:
        content = _with_size(content, dpi)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    except OSError as error:
        raise SorterError(f"cannot write {path}: {error}") from error


def _with_size(png: bytes, dpi: float) -> bytes:
    """Adds the PNG's physical size (chunk pHYs), which OpenCV leaves out and printers heed."""
    import struct
    import zlib

    dots_per_m = round(dpi / 0.0254)
    body = b"pHYs" + struct.pack(">IIB", dots_per_m, dots_per_m, 1)
    chunk = struct.pack(">I", 9) + body + struct.pack(">I", zlib.crc32(body))
    after_header = 8 + 25  # signature, IHDR
    return png[:after_header] + chunk + png[after_header:]


def _write_preview(
    calibration: BeltCalibration, picture: NDArray[np.uint8] | None, path: Path
) -> None:
    import numpy as np

    from recycle_sorter.vision.belt_grid import draw_grid

    if picture is None:
        size = (calibration.height_px, calibration.width_px, 3)
        picture = np.full(size, 60, np.uint8)
    _write(path, draw_grid(picture, calibration))
