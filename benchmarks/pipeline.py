"""A pipeline of SpikeInterface over recordings that several codecs have saved: `python benchmarks/pipeline.py`.

A generated recording (int16, 0.195 uV a step) is saved by each codec, read again, compared, filtered, referenced to its
common median, and sorted. Spikey saves it to Zarr and to archives, with each preset. Then the same
recording is written as SpikeGLX does, archived as a folder, opened, and restored.

Processor time is that of this process and of the workers of SpikeInterface, which end with each step.

Requires `pip install "spikeinterface==0.105.*" "zarr<3" "numcodecs<0.16" scikit-learn numba`; wavpack-numcodecs and
flac-numcodecs if they shall take part.
"""

from __future__ import annotations

import filecmp
import importlib
import importlib.util
import shutil
import sys
import tempfile
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import click
import numpy as np

import spikey_cli
from spikey_cli.bench.clock import processor_seconds, processor_seconds_of_children
from spikey_cli.bench.machine import describe_machine
from spikey_cli.codec.presets import PRESETS
from spikey_cli.integrations.spikeinterface import read_spikey, write_spikey

sys.path.append(str(Path(__file__).resolve().parent.parent / "tests"))
from support.sidecars import write_neuropixels_spikeglx

RATE = 30_000
GAIN = 0.195
"""Microvolts of a step."""

Save = Callable[[Any, Path, int], Any]
"""Saves a recording under a path with some jobs, and returns it as it is read again."""


def in_zarr(module: str, codec: str, **options: object) -> Save | None:
    """Save to Zarr with a codec of numcodecs; None if its package is not installed."""
    if importlib.util.find_spec(module) is None:
        return None

    def save(recording: Any, path: Path, jobs: int) -> Any:
        compressor = getattr(importlib.import_module(module), codec)(**options)
        chunks = {"n_jobs": jobs, "pool_engine": "process", "progress_bar": False}
        return recording.save(format="zarr", folder=path, compressor=compressor, **chunks)

    return save


def in_archive(preset: str) -> Save:
    """Save to an archive with a preset."""

    def save(recording: Any, path: Path, jobs: int) -> Any:
        archive = path.with_suffix(".spk")
        write_spikey(recording, archive, coder=spikey_cli.Encoding(preset=preset), verify=False, workers=jobs)
        return read_spikey(archive)

    return save


def savers() -> dict[str, Save | None]:
    """All ways to save a recording, by their names."""
    spikey, blosc = ("spikey_cli", "Spikey"), ("numcodecs", "Blosc")
    return {
        "Spikey, Zarr (`range`)": in_zarr(*spikey),
        **{
            f"Spikey, Zarr, preset {preset} (`{coder}`)": in_zarr(*spikey, coder=coder, preset=preset)
            for preset, coder in {name: preset.coder or "rice" for name, preset in PRESETS.items()}.items()
        },
        **{f"Spikey, archive, preset {preset}": in_archive(preset) for preset in PRESETS},
        "WavPack, level 3": in_zarr("wavpack_numcodecs", "WavPack", level=3),
        "FLAC, level 8": in_zarr("flac_numcodecs", "Flac", level=8),
        "Blosc-zstd 9, bits shuffled": in_zarr(*blosc, cname="zstd", clevel=9, shuffle=2),
        "Blosc-zstd 5, bits shuffled": in_zarr(*blosc, cname="zstd", clevel=5, shuffle=2),
    }


def generated(channels: int, seconds: float, folder: Path) -> Any:
    """SpikeInterface's ground truth as int16 in a file, so that making it takes no part in the times."""
    import spikeinterface.core as si
    from spikeinterface.preprocessing import scale

    microvolts, _ = si.generate_ground_truth_recording(
        durations=[seconds], num_channels=channels, num_units=channels // 2, sampling_frequency=RATE, seed=1
    )
    recording = scale(microvolts, gain=1 / GAIN).astype("int16", round=True).save(folder=folder, progress_bar=False)
    recording.set_channel_gains(GAIN)
    recording.set_channel_offsets(0.0)
    return recording


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    """The result of work, and its processor time with that of the processes that ended meanwhile."""
    results: list[Any] = []
    own: list[float] = []
    children = processor_seconds_of_children(lambda: own.append(processor_seconds(lambda: results.append(work()))))
    return results[0], own[0] + children


def stored_bytes(path: Path) -> int:
    """Bytes of the samples below a path, or of an archive."""
    archive = path.with_suffix(".spk")
    if archive.exists():
        return archive.stat().st_size
    return sum(file.stat().st_size for file in (path / "traces_seg0").rglob("*") if not file.name.startswith("."))


def preprocessed(recording: Any, folder: Path, jobs: int) -> Any:
    """The recording, filtered and referenced, in a folder."""
    from spikeinterface.preprocessing import bandpass_filter, common_reference

    filtered = common_reference(bandpass_filter(recording, freq_min=300, freq_max=6000), reference="global")
    return filtered.save(folder=folder, n_jobs=jobs, pool_engine="process", progress_bar=False)


def sorted_spikes(recording: Any, folder: Path, jobs: int) -> Any:
    """The spikes that SpikeInterface's simple sorter finds in a recording, as an array; None without scikit-learn."""
    from spikeinterface.core.recording_tools import get_random_sample_slices
    from spikeinterface.sorters import run_sorter

    if importlib.util.find_spec("sklearn") is None:
        return None
    # the sorter estimates the noise from excerpts, for which it takes no seed
    drawn = partial(get_random_sample_slices, seed=1)
    with patch("spikeinterface.core.recording_tools.get_random_sample_slices", drawn):
        sorting = run_sorter(
            "simple",
            recording,
            folder=folder,
            apply_preprocessing=False,
            clusterer="kmeans",
            clusterer_kwargs={"n_clusters": 10, "random_state": 1},
            seed=1,
            job_kwargs={"n_jobs": jobs},
        )
    return sorting.to_spike_vector()


def spikeglx_round_trip(traces: np.ndarray, folder: Path) -> str:
    """Write traces as SpikeGLX does, archive the folder, open and restore it; what came of it, in a line."""
    from spikeinterface.extractors import read_spikeglx

    samples = np.column_stack([traces, np.zeros(len(traces), np.int16)])  # the last channel: synchronisation
    run = write_neuropixels_spikeglx(folder, samples)
    result, seconds = timed(lambda: spikey_cli.compress([run], folder / "run.spk", recursive=True))
    restored, restoring = timed(lambda: spikey_cli.decompress(folder / "run.spk", folder / "restored"))
    files = [path.relative_to(run) for path in run.rglob("*") if path.is_file()]
    _, different, missing = filecmp.cmpfiles(run, folder / "restored", map(str, files), shallow=False)
    acquired = read_spikeglx(run, stream_id="imec0.ap")
    archived = read_spikey(folder / "run.spk", channels=["run_g0_imec0/run_g0_t0.imec0.ap.bin:signals"])
    same = np.array_equal(acquired.get_traces(), archived.get_traces())
    same &= np.array_equal(acquired.get_channel_gains(), archived.get_channel_gains())
    same &= np.array_equal(acquired.get_channel_locations(), archived.get_channel_locations())
    if different or missing or not same or restored.failures:
        raise SystemExit(f"SpikeGLX: differences in {different or missing or 'the recording'}")
    return (
        f"SpikeGLX: {len(files)} files, ratio {result.ratio:.3f}, compressed in {seconds:.1f} processor s, "
        f"restored in {restoring:.1f}; every byte, traces, gains and places of channels are equal"
    )


@click.command()
@click.option("--channels", default=64, show_default=True)
@click.option("--seconds", default=60.0, show_default=True)
@click.option("--jobs", default=2, show_default=True, help="Processes of SpikeInterface, threads of Spikey.")
def main(channels: int, seconds: float, jobs: int) -> None:
    """Print a table of all codecs that are installed, and a line on SpikeGLX."""
    import spikeinterface

    spikeinterface.set_global_job_kwargs(progress_bar=False)
    warnings.filterwarnings("ignore")
    click.echo(
        f"{channels} channels x {seconds:g} s at {RATE:,} Hz; spikeinterface {spikeinterface.__version__}, "
        f"{describe_machine()}; {jobs} jobs\n"
    )
    click.echo(
        "| saved by | ratio | save, processor s | read, filter and reference, processor s | spikes |\n"
        "|---|---|---|---|---|"
    )
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        recording = generated(channels, seconds, work / "original")
        traces = recording.get_traces()
        reference = preprocessed(recording, work / "reference", jobs)
        spikes = None
        for saver, save in savers().items():
            if save is None:
                click.echo(f"| {saver} | not installed | | | |")
                continue
            path = work / "saved.zarr"
            saved, saving = timed(lambda save=save, path=path: save(recording, path, jobs))
            ratio = traces.nbytes / stored_bytes(path)
            filtered, filtering = timed(lambda saved=saved: preprocessed(saved, work / "filtered", jobs))
            if not np.array_equal(saved.get_traces(), traces) or not np.array_equal(
                filtered.get_traces(), reference.get_traces()
            ):
                raise SystemExit(f"{saver}: the traces were not restored")
            found = sorted_spikes(filtered, work / "sorting", jobs)
            spikes = found if spikes is None else spikes
            if found is not None and not np.array_equal(found, spikes):
                raise SystemExit(f"{saver}: the sorter found other spikes")
            count = "" if found is None else len(found)
            click.echo(f"| {saver} | {ratio:.3f} | {saving:.1f} | {filtering:.1f} | {count} |")
            for folder in ("saved.zarr", "filtered", "sorting"):
                shutil.rmtree(work / folder, ignore_errors=True)
            path.with_suffix(".spk").unlink(missing_ok=True)
        click.echo("\nAll traces were equal, before and after filtering, and so were the spikes.\n")
        click.echo(spikeglx_round_trip(traces, work))


if __name__ == "__main__":
    main()
