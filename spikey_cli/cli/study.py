"""The commands that study recordings: their threads' graph, what they are made of, training and codecs on them."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import click

from ..errors import MissingPackageError
from .options import FORCE, MODEL, PATH, PICTURE, RECURSIVE, THREADS, find_model
from .report import QUIET, Report, report_failures, reporting

_RECORDINGS = click.argument("inputs", nargs=-1, required=True, type=PATH, metavar="IN.wav...")


@contextmanager
def _picture(path: Path | None, force: bool) -> Iterator[Callable[[bytes], None] | None]:
    """A picture, where one is wanted: what can keep it from being written does so before anything is measured."""
    if path is None:
        yield None
        return
    from ..analysis.plotting import check_installed
    from ..system.whole_file import begun

    check_installed()
    with begun(path, force=force) as write:
        yield write


@click.command(short_help="Tell which threads were recorded together.")
@_RECORDINGS
@click.option("--plot", type=PICTURE, metavar="OUT.png", help="Draw the graph of the threads.")
@click.option("--json", "as_json", is_flag=True, help="Print everything, as JSON.")
@RECURSIVE
@THREADS
@FORCE
def topology(
    inputs: tuple[Path, ...], plot: Path | None, as_json: bool, recursive: bool, workers: int | None, force: bool
) -> None:
    """Tell which threads were recorded together, and how near they are.

    Example:

    \b
        spikey topology --plot graph.png recordings/*.wav
    """
    from ..analysis.sessions import describe_sessions, summarise_sessions
    from ..analysis.survey import survey
    from ..system.workers import open_workers

    with _picture(plot, force) as write, open_workers(workers) as pool:
        found = survey(inputs, pool, recursive=recursive)
        description = describe_sessions(found)
        click.echo(json.dumps(description, indent=2) if as_json else summarise_sessions(description))
        if write:
            from ..analysis.topology_plot import draw_topology

            write(draw_topology(found))
    report_failures(found.failures)


@click.command()
@_RECORDINGS
@click.option("--out", type=PATH, required=True, metavar="DIR", help="Where the report goes.")
@click.option(
    "--seconds",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help="Look at so much of each file, at most.",
)
@MODEL
@RECURSIVE
@THREADS
@FORCE
@reporting
def analyze(
    inputs: tuple[Path, ...],
    out: Path,
    seconds: float | None,
    model: str | None,
    recursive: bool,
    workers: int | None,
    force: bool,
    report: Report,
) -> None:
    """Measure what recordings are made of: a report with pictures.

    Value grid, code density, spectrum, whiteness and correlation of the residuals, entropies, and the ideal ratio under
    the model. Example:

    \b
        spikey analyze --out report/ recordings/*.wav
    """
    from ..analysis.report import write_report
    from ..analysis.study import study
    from ..analysis.survey import survey
    from ..model.predictor import default_predictor
    from ..system.workers import open_workers

    predictor = find_model(model) or default_predictor()
    with write_report(out, force=force) as write, open_workers(workers) as pool:
        found = survey(inputs, pool, recursive=recursive)
        with report.progress("analysing") as progress:
            text = write(study(found, predictor, pool, seconds=seconds, progress=progress))
    report.say(text.removesuffix("\n"))
    report_failures(found.failures)


@click.command(short_help="Train a predictor of your own.")
@click.argument("config", type=PATH, metavar="CONFIG.yaml")
@click.argument("name")
@click.option("--data", type=PATH, required=True, metavar="DIR", help="Recordings, and their sessions.csv if any.")
@click.option("--out", type=PATH, default=Path("."), show_default=True, metavar="DIR", help="Where the model goes.")
@click.option("--steps", type=click.IntRange(min=1), metavar="N", help="In place of the configuration's.")
@THREADS
@FORCE
@QUIET
def train(
    config: Path,
    name: str,
    data: Path,
    out: Path,
    steps: int | None,
    workers: int | None,
    force: bool,
    quiet: bool,
) -> None:
    """Train a predictor of your own on a folder of WAV files, and freeze it.

    The result, NAME-<hash>.onnx, goes to --model. Beside it are a card of what it reaches, and a folder NAME of logs;
    called again, a training that was cut off goes on. Needs the extra `train`. Example:

    \b
        spikey train examples/training/n1.yaml mine --data recordings/
        spikey compress --model mine-*.onnx recordings/*.wav out.spk
    """
    try:
        import torch

        from ..training.config import read_config
        from ..training.train import train as run
    except ModuleNotFoundError as error:
        raise MissingPackageError(f"training needs {error.name}: pip install 'spikey-cli[train]'") from error
    if workers:
        torch.set_num_threads(workers)
    recipe = read_config(config)
    if steps:
        recipe = recipe.model_copy(update={"training": recipe.training.model_copy(update={"steps": steps})})
    run(recipe, data, name, out, force=force, report=(lambda line: None) if quiet else click.echo)


@click.command(short_help="Measure Spikey beside other codecs.")
@click.argument(
    "files", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True, dir_okay=False), metavar="IN.wav..."
)
@click.option(
    "--coders",
    default="range,rice",
    show_default=True,
    metavar="NAMES",
    help="Coders of Spikey, with a model behind a colon where it is not the default: range:n1-peers.",
)
@click.option(
    "--rivals",
    default="all",
    show_default=True,
    metavar="NAMES",
    help="Other codecs, by name or first words of it; or none.",
)
@click.option(
    "--repeats", default=3, show_default=True, type=click.IntRange(min=1), metavar="N", help="Runs that count."
)
@click.option("--json", "json_file", type=PATH, metavar="OUT.json", help="Write all figures here.")
@click.option("--plot", type=PICTURE, metavar="OUT.png", help="Draw ratio against speed.")
@FORCE
@QUIET
def bench(
    files: tuple[Path, ...],
    coders: str,
    rivals: str,
    repeats: int,
    json_file: Path | None,
    plot: Path | None,
    force: bool,
    quiet: bool,
) -> None:
    """Measure Spikey, and other codecs that are installed, on the same files in the same run.

    Whole processes each way, the median of several runs that take turns after one that does not count; all that comes
    back is compared. Real time is 1024 threads at 19,531 Hz. Example:

    \b
        spikey bench --rivals "flac -8,wavpack" --plot speed.png recordings/*.wav
    """
    from ..bench.report import as_json, run_bench, summarise
    from ..system.whole_file import begun

    def tell(line: str) -> None:
        if not quiet and sys.stderr.isatty():
            click.echo(line, err=True)

    with _picture(plot, force) as draw, begun(json_file, force=force) if json_file else nullcontext() as write:
        result = run_bench(files, coders.split(","), rivals, repeats, tell)
        click.echo(summarise(result))
        if write:
            write((json.dumps(as_json(result), indent=1) + "\n").encode())
        if draw:
            from ..bench.plot import draw_benchmark

            draw(draw_benchmark(result.rows))
