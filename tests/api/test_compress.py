"""compress: its arguments, its result, and that nothing wrong is kept."""

from __future__ import annotations

import numpy as np
import pytest
from support.random_models import random_model
from support.recordings import recorded, write_session

import spikey_cli
from spikey_cli.api import compress as module
from spikey_cli.core.coders import CODERS
from spikey_cli.errors import ArchiveError, InputError
from spikey_cli.model.predictor import Predictor, default_predictor


@pytest.mark.parametrize("coder", CODERS)
def test_a_coder_is_named_or_part_of_an_encoding(tmp_path, session, coder):
    spikey_cli.compress(session, tmp_path / "named.spk", coder=coder)
    spikey_cli.compress(session, tmp_path / "encoding.spk", coder=spikey_cli.Encoding(coder))
    assert (tmp_path / "named.spk").read_bytes() == (tmp_path / "encoding.spk").read_bytes()
    assert spikey_cli.info(tmp_path / "named.spk")["coder"] == coder


@pytest.mark.parametrize(
    ("encoding", "coder"),
    [({}, "range"), ({"preset": "fast"}, "rice"), ({"preset": "best"}, "range"), ({"coder": "huffman"}, "huffman")],
)
def test_presets_and_options_name_their_coder(tmp_path, session, encoding, coder):
    spikey_cli.compress(session, tmp_path / "a.spk", coder=spikey_cli.Encoding(**encoding))
    assert spikey_cli.info(tmp_path / "a.spk")["coder"] == coder


def test_an_unknown_coder_is_refused(tmp_path, session):
    with pytest.raises(ValueError, match="there is no coder 'magic'; choose one of rice"):
        spikey_cli.compress(session, tmp_path / "a.spk", coder="magic")


def test_one_path_instead_of_a_list_is_refused(tmp_path):
    with pytest.raises(TypeError, match=r"pass \['a.wav'\]"):
        spikey_cli.compress("a.wav", tmp_path / "a.spk")


def test_without_inputs_there_is_no_archive(tmp_path):
    with pytest.raises(InputError, match="there are no inputs"):
        spikey_cli.compress([], tmp_path / "a.spk")
    assert list(tmp_path.iterdir()) == []


def test_the_result(tmp_path, session):
    result = spikey_cli.compress([*session, tmp_path / "absent"], tmp_path / "a.spk", skip_failing=True)
    assert (result.files, result.removed, result.warnings) == (2, 0, ())
    assert result.source_bytes == sum(path.stat().st_size for path in session)
    assert result.archive_bytes == (tmp_path / "a.spk").stat().st_size
    assert result.ratio == result.source_bytes / result.archive_bytes
    assert ["absent: cannot read" in str(failure) for failure in result.failures] == [True]


def test_an_unreadable_input_is_raised_unless_skipped(tmp_path, session):
    with pytest.raises(InputError, match="absent: cannot read"):
        spikey_cli.compress([*session, tmp_path / "absent"], tmp_path / "a.spk")
    assert not (tmp_path / "a.spk").exists()


def test_independent_channels(tmp_path, session):
    sizes = {}
    for peers in (True, False):
        encoding = spikey_cli.Encoding(peers=peers)
        sizes[peers] = spikey_cli.compress(session, tmp_path / f"{peers}.spk", coder=encoding).archive_bytes
        channels = spikey_cli.info(tmp_path / f"{peers}.spk")["channels"]
        assert [[bool(channel["references"]), bool(channel["later_references"])] for channel in channels] == [
            [False, peers],
            [peers, False],
        ]
    assert sizes[True] < sizes[False]


@pytest.mark.parametrize(("embed", "embedded"), [(None, False), (False, False), (True, True)])
def test_models_are_embedded_on_request_or_if_they_are_small_beside_the_archive(tmp_path, random, embed, embedded):
    paths = write_session(tmp_path / "in", random, frames=400)
    predictor = Predictor(random_model(latent=4, peers=1, edges=default_predictor().profile.edges.tolist()))
    encoding = spikey_cli.Encoding(predictor=predictor, embed_model=embed)
    spikey_cli.compress(paths, tmp_path / "a.spk", coder=encoding)
    model = spikey_cli.info(tmp_path / "a.spk")["model"]
    assert (model["name"], model["embedded"]) == (None, embedded)
    for known in ({"predictor": predictor}, {}) if embedded else ({"predictor": predictor},):
        assert spikey_cli.verify(tmp_path / "a.spk", **known).files == 2


def test_models_are_embedded_by_default_beside_large_sources():
    predictor = default_predictor()
    assert module._embedded_model(predictor, None, 1 << 40) == predictor.onnx
    assert module._embedded_model(predictor, None, 1 << 20) == b""
    assert module._embedded_model(None, True, 1 << 40) == b""


def test_progress_covers_all_passes(tmp_path, random):
    paths = write_session(tmp_path / "in", random)
    reports = []
    spikey_cli.compress(paths, tmp_path / "a.spk", remove_source=True, progress=lambda *report: reports.append(report))
    total = 3 * 2 * 2 * 4000  # passes, files, bytes per sample, samples
    assert [report[:2] for report in reports] == [(total * i // 3, total) for i in (1, 2, 3)]
    assert [report[2] is not None for report in reports] == [True, False, False]


def test_an_archive_that_does_not_decode_to_its_inputs_is_deleted(tmp_path, session, monkeypatch):
    written = module.Written
    monkeypatch.setattr(module, "Written", lambda length, digest: written(length, bytes(32)))
    with pytest.raises(ArchiveError, match="differs from what was read; the archive is deleted"):
        spikey_cli.compress(session, tmp_path / "a.spk")
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_a_source_that_changes_is_left_out(tmp_path, random):
    class Changing(spikey_cli.ArraySource):
        statuses = 0

        def status(self):
            self.statuses += 1
            status = super().status()
            return status if self.statuses < 3 else type(status)(status.size, 1)

    kept = spikey_cli.ArraySource(recorded(random, 500, 2), "kept.npy")
    changing = Changing(recorded(random, 500, 2), "changing.npy")
    result = spikey_cli.compress([changing, kept], tmp_path / "a.spk", skip_failing=True)
    assert [str(failure).split(";")[0] for failure in result.failures] == ["changing.npy: changed while it was read"]
    assert [file["name"] for file in spikey_cli.info(tmp_path / "a.spk")["files"]] == ["kept.npy"]
    with pytest.raises(InputError, match=r"changing\.npy: changed while it was read"):
        spikey_cli.compress([Changing(np.zeros(9, np.int16), "changing.npy")], tmp_path / "b.spk")
    assert not (tmp_path / "b.spk").exists()
