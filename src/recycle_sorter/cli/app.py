# SPDX-License-Identifier: Apache-2.0
"""The command line: one module a command, imported only when the command runs or shows its help."""

from __future__ import annotations

import sys

import typer

from recycle_sorter import __version__
from recycle_sorter.cli.calibrate_cmd import calibrate
from recycle_sorter.cli.classify_cmd import classify
from recycle_sorter.cli.compare_cmd import compare
from recycle_sorter.cli.cutouts_cmd import cutouts
from recycle_sorter.cli.data_cmd import data
from recycle_sorter.cli.doctor_cmd import doctor
from recycle_sorter.cli.evaluate_cmd import evaluate
from recycle_sorter.cli.export_cmd import export
from recycle_sorter.cli.lineage_cmd import lineage
from recycle_sorter.cli.make_bag_cmd import make_bag
from recycle_sorter.cli.render_cmd import render
from recycle_sorter.cli.replay_cmd import replay
from recycle_sorter.cli.run_cmd import run
from recycle_sorter.cli.simulate_cmd import simulate
from recycle_sorter.cli.soup_cmd import soup
from recycle_sorter.cli.sweep_cmd import sweep
from recycle_sorter.cli.train_cmd import train
from recycle_sorter.core.errors import SorterError

app = typer.Typer(
    name="recycle-sorter",
    help="Sorts recyclables: camera, classifier and diverters on ROS 2.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(asked: bool) -> None:
    if asked:
        typer.echo(f"recycle-sorter {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: bool = typer.Option(
        False, "--version", callback=_show_version, is_eager=True, help="Show the version."
    ),
) -> None:
    """Sorts recyclables: camera, classifier and diverters on ROS 2."""


app.command()(run)
app.command()(simulate)
app.command()(replay)
app.command()(classify)
app.command()(doctor)
app.command()(calibrate)
app.command(name="make-bag")(make_bag)
app.add_typer(data)
# Dashes and underscores are alike, as W&B's sweeps write `--learn_rate=0.001`.
app.command(context_settings={"token_normalize_func": lambda name: name.replace("_", "-")})(train)
app.command()(sweep)
app.command()(evaluate)
app.command()(compare)
app.command()(soup)
app.command()(export)
app.command()(lineage)
app.command()(render)
app.command()(cutouts)


def main() -> None:
    """Entry point: a ``SorterError`` becomes one line on stderr and exit code 2."""
    try:
        app()
    except SorterError as error:
        typer.echo(f"recycle-sorter: {error}", err=True)
        sys.exit(2)


if __name__ == "__main__":
    main()
