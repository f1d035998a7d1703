"""Benchmarks: the choice of codecs, and the table of results."""

from __future__ import annotations

import json

import pytest
from support.command import run
from support.recordings import write_session

from spikey_cli.bench import report
from spikey_cli.bench.comparison import OTHER_CODECS
from spikey_cli.bench.report import Result, as_json, choose_codecs, run_bench, summarise
from spikey_cli.bench.row import Row
from spikey_cli.errors import InputError


def test_codecs_are_chosen_by_name_or_first_words():
    assert choose_codecs("none") == []
    assert choose_codecs("all") == list(OTHER_CODECS)
    assert [codec.name for codec in choose_codecs("flac,flac -8,wavpack")] == [
        "flac -8",
        "flac -8ep",
        "wavpack -hh -x6",
    ]
    assert [codec.name for codec in choose_codecs("simple-ans")] == ["simple-ans, deltas"]
    with pytest.raises(InputError, match="unknown codec 'lzma'; choose from: flac -8; ") as error:
        choose_codecs("lzma")
    assert error.value.parameter == "rivals"


def test_unknown_settings_are_refused(tmp_path):
    with pytest.raises(InputError, match="unknown setting 'lzma'; choose from: fast, default, best, ") as error:
        run_bench([tmp_path / "absent.wav"], ["lzma"], "none", 1, lambda line: None)
    assert error.value.parameter == "settings"


def test_files_that_cannot_be_read_are_named(tmp_path):
    for path, fault in ((tmp_path / "absent.wav", "cannot read: No such file"), (tmp_path, "is a folder; name a file")):
        printed = run("bench", "--rivals", "none", path, status=1)
        assert printed.startswith(f"spikey: {path}: {fault}")


@pytest.fixture
def result() -> Result:
    row = Row("some", "samples", 1_000_000, 2_000_000, 500_000)
    row.seconds = {"compress": [0.5, 0.4, 9.0], "decompress": [0.25, 0.2, 0.3]}
    row.processor_seconds = {"compress": [0.8, 0.7, 9.0], "decompress": [0.3, 0.2, 0.4]}
    row.peak_bytes = {"compress": 3_000_000}
    return Result("a machine", 1, row.samples, 3, [row], ["absent"], ["flac -8: 12 channels"], [row], [row])


def test_the_table_has_medians(result):
    text = "\n".join(summarise(result))
    assert "| some | samples | 4.0000 | 4.0000 | 2.00 | 4.00 | 0.10, 0.20 | 800 | 300 | 3 |" in text
    assert "absent: not installed" in text
    assert "left out: flac -8: 12 channels" in text
    assert "compress 0.50 s, of which 500 ms are coding" in text
    assert "they are without it" in text


def test_the_start_of_a_process_is_not_counted_for_small_files(tmp_path, random, monkeypatch):
    monkeypatch.setattr(report, "_SINGLE_FILE_REPEATS", 1)
    path = write_session(tmp_path, random, 1, 3000)[0]
    result = run_bench([path], ["fast"], "none", 1, lambda line: None)
    assert [row.peak_bytes for row in result.rows] == [{}, {}], "measured in this process"
    assert set(result.one_file[0].peak_bytes) == {"compress", "decompress"}
    assert all(row.ratio > 1 and row.seconds["compress"] for row in result.rows)


def test_results_are_json_data(result):
    data = json.loads(json.dumps(as_json(result)))
    assert data["rows"][0]["samples_per_second"] == {"compress": 2e6, "decompress": 4e6}
    assert data["rows"][0]["processor_ns_per_sample"] == {"compress": 800, "decompress": 300}
    assert data["not_installed"] == ["absent"]
