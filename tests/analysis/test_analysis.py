"""The study of recordings, on generated ones whose figures are known."""

from __future__ import annotations

import json
import math
import sys

import numpy as np
import pytest
from support import slow_twins
from support.command import run
from support.network_twin import NetworkTwin
from support.random_models import random_model
from support.recordings import n1_samples, neural, wav_bytes, write_session

from spikey_cli.analysis.density import bin_ratios, code_counts, pattern_correlation
from spikey_cli.analysis.entropy import conditional_entropy, entropy
from spikey_cli.analysis.excerpt import LEAST_FRAMES, frames_of_excerpts, record
from spikey_cli.analysis.spectrum import SEGMENT, periodogram, spectral_lines
from spikey_cli.analysis.study import study
from spikey_cli.analysis.survey import survey
from spikey_cli.analysis.whiteness import autocorrelation, bits_left, correlation_matrix, ljung_box
from spikey_cli.codec.streams import run_group
from spikey_cli.core.quantizer import N1, identity
from spikey_cli.core.residual_log import ResidualLog
from spikey_cli.model.graph import read_graph
from spikey_cli.model.predictor import Predictor, default_predictor
from spikey_cli.system.workers import Workers
from spikey_cli.topology.references import ReferenceGraph

ONE = Workers(None, 1)
PNG = b"\x89PNG\r\n\x1a\n"


def test_entropy_of_known_sources(random):
    coin = random.choice(4, size=60_000, p=[0.5, 0.25, 0.125, 0.125])
    found = entropy(coin)
    assert found.plug_in <= found.corrected
    assert found.corrected == pytest.approx(1.75, abs=0.01)
    assert found.plug_in < found.adaptive < found.plug_in + 0.01
    walk = np.cumsum(random.choice([-1, 1], size=60_000)) % 50
    given = conditional_entropy(walk)
    assert given.corrected == pytest.approx(1.0, abs=0.01)
    assert given.contexts == 50
    short = conditional_entropy(random.integers(0, 200, 3000))
    assert short.plug_in < math.log2(200) < short.adaptive, "the truth lies in the bracket"


def test_bins_show_in_the_density(random):
    widths = np.tile([0.6, 1.4, 1.0, 1.3, 0.7], 60)
    edges = np.concatenate([[0], np.cumsum(widths)])
    codes = np.searchsorted(edges, random.normal(150, 30, 2_000_000)) - 1
    codes = codes[(codes >= 0) & (codes < 300)]
    ratios = bin_ratios(code_counts(codes, 300))
    known = np.isfinite(ratios)
    assert known.sum() > 100
    np.testing.assert_allclose(ratios[known], widths[known], atol=0.12)
    halves = [bin_ratios(code_counts(codes[k::2], 300)) for k in (0, 1)]
    assert pattern_correlation(*halves)[0] > 0.95
    smooth = [
        bin_ratios(code_counts(np.clip(np.rint(random.normal(150, 30, 500_000)), 0, 299).astype(int), 300))
        for _ in range(2)
    ]
    assert abs(pattern_correlation(*smooth)[0]) < 0.5


def test_a_sine_is_a_line_and_noise_is_flat(random):
    rate, n = 20_000, 100_000
    noise = random.normal(size=n)
    frequency, density = periodogram(noise.astype(np.float32), rate)
    assert frequency.size == SEGMENT // 2 + 1
    assert density.sum() * rate / SEGMENT == pytest.approx(1.0, abs=0.05)
    assert spectral_lines(frequency, density) == []
    hum = noise + np.sin(2 * np.pi * 3000 / rate * np.arange(n))
    ((hertz, decibels),) = spectral_lines(*periodogram(hum.astype(np.float32), rate))
    assert hertz == pytest.approx(3000, abs=rate / SEGMENT)
    assert decibels > 10


def test_white_noise_is_white_and_coloured_is_not(random):
    noise = random.normal(size=50_000)
    valid = np.ones(noise.size, dtype=bool)
    found, n = autocorrelation(noise, valid)
    assert n == noise.size
    assert np.mean(np.abs(found) > 1.96 / n**0.5) < 0.15
    assert ljung_box(found, n)[1] > 0.001
    assert bits_left(found, n) < 0.001
    coloured = noise[1:] + 0.3 * noise[:-1]
    found, n = autocorrelation(coloured, valid[1:])
    assert found[0] == pytest.approx(0.3 / 1.09, abs=0.02)
    assert ljung_box(found, n)[1] < 1e-6
    assert bits_left(found, n) == pytest.approx(-0.5 * math.log2(1 - found[0] ** 2), abs=0.01)


def test_common_noise_shows_in_the_matrix(random):
    own, shared = random.normal(size=(3, 40_000)), random.normal(size=40_000)
    channels = [own[0] + shared, own[1] + shared, own[2]]
    matrix = correlation_matrix(channels, [np.ones(40_000, dtype=bool)] * 3)
    np.testing.assert_allclose(matrix, [[1, 0.5, 0], [0.5, 1, 0], [0, 0, 1]], atol=0.03)


@pytest.mark.parametrize("quantizer", [N1, identity(2)], ids=["profiled", "wide"])
def test_the_ledger_equals_its_twin(random, quantizer):
    """What plain-Python lanes predict, and what the range coder's frequencies make of it, sample by sample."""
    model = random_model(window=5, edges=default_predictor().profile.edges.tolist())
    predictor, network = Predictor(model), NetworkTwin(read_graph(model))
    codes = neural(random, 120)[:, 0] * (1 if quantizer is N1 else 40)
    coded_group = run_group([codes], [quantizer], ReferenceGraph.independent(1), [0], 60, ResidualLog, predictor)
    (page,) = coded_group.coder.pages()
    edges = predictor.profile.edges.tolist()
    converter = slow_twins.Converter(edges) if quantizer is N1 else slow_twins.Converter.equal(quantizer.size)
    halves = [codes[:60].tolist(), codes[60:].tolist()]
    learner = slow_twins.ThreadTwin([slow_twins.LaneTwin(half, converter) for half in halves])
    assert page.step.tolist() == [*range(60), *range(60)]
    assert page.mass[[0, 60]].tolist() == [0, 0]
    for step in range(1, 60):
        for i, lane in enumerate(learner.lanes):
            at, normalised_error = 60 * i + step, 0
            if step <= network.window:
                centre, scale, tail = lane.values[step - 1], 2 * lane.gain - 32, 12
            else:
                lane.see(step, network)
                said = network.outputs(lane.inputs, lane.latent, [])
                centre, scale, tail = lane.predict(step, learner.terms(i, step, []), learner.weights, said)
                normalised_error = (lane.values[step] - lane.raw) * slow_twins.inverse_spread(lane.place) >> 21
            away = lane.values[step] - centre
            assert page.residual[at] == away, f"lane {i}, step {step}"
            assert page.corrected[at] == slow_twins.clip(away * slow_twins.inverse_spread(scale) >> 21, 32767)
            assert page.normalised_error[at] == slow_twins.clip(normalised_error, 32767)
            if quantizer is N1:
                code = lane.codes[step]
                below, above = (
                    slow_twins.cumulative(code + k, 1024, edges[code + k], centre, scale, tail) for k in (0, 1)
                )
                assert page.mass[at] == above - below
        if step > network.window:
            learner.learn(step, [])
    masses = page.mass[page.mass > 0].tolist()
    assert len(masses) == 118
    assert page.bits() == pytest.approx(sum(24 - math.log2(mass) for mass in masses) + page.rest.sum(dtype=int))


@pytest.fixture
def folder(tmp_path, random):
    """Two sessions of two threads, one thread alone, and what is no recording."""
    for i in range(2):
        write_session(tmp_path / "in" / f"s{i}", random, 2, 30_000)
    (tmp_path / "in" / "alone.wav").write_bytes(wav_bytes(n1_samples(neural(random, 30_000)[:, 0])))
    (tmp_path / "in" / "note.txt").write_text("no recording")
    return tmp_path / "in"


def test_ideal_and_written_bits_agree(folder):
    found = survey([folder], ONE, recursive=True)
    records = record(found, frames_of_excerpts(found, None), default_predictor(), ONE)
    assert len(records) == 5
    for one in records:
        assert one.codes.size == 30_000
        assert one.ideal_bits == pytest.approx(one.written_bits, rel=0.01)
        assert one.corrected[one.predicted].std() == pytest.approx(1, abs=0.25)
        far = np.abs(one.corrected) > 1
        assert (np.sign(one.residual[far]) == np.sign(one.corrected[far])).all()


def test_excerpts_are_bounded(folder, monkeypatch):
    found = survey([folder], ONE, recursive=True)
    assert frames_of_excerpts(found, 0.5) == [9766] * 5
    monkeypatch.setattr("spikey_cli.analysis.excerpt.MAX_SAMPLES", 100_000)
    assert frames_of_excerpts(found, None) == [20_000] * 5
    monkeypatch.setattr("spikey_cli.analysis.excerpt.MAX_SAMPLES", 10)
    assert frames_of_excerpts(found, None) == [LEAST_FRAMES] * 5


def test_a_study_finds_what_was_put_in(folder):
    found = survey([folder], ONE, recursive=True)
    figures = study(found, default_predictor(), ONE).figures
    assert json.loads(json.dumps(figures)) == figures
    assert (figures["files"], figures["channels"], figures["sessions"]) == (5, 5, 3)
    assert figures["samples"] == figures["samples_in_all"] == 150_000
    assert figures["quantizers"] == [
        {"kind": "n1", "values": 1024, "sample_bits": 16, "files": 5, "steps": {"64": 958, "65": 64, "63": 1}}
    ]
    assert figures["correlation"]["pairs_of_peers"] == 2
    assert figures["correlation"]["of_peers_mean"] == pytest.approx(0.36 / 1.36, abs=0.05)
    model, order_0 = figures["model"], figures["entropy"]["order_0"]
    assert model["ideal_bits_per_sample"] < order_0["corrected"]
    assert model["ideal_bits_per_sample"] == pytest.approx(model["range_bits_per_sample"], rel=0.01)
    assert model["ideal_ratio"] == pytest.approx(16 / model["ideal_bits_per_sample"], abs=0.001)
    assert [one["samples"] for one in figures["per_thread"]] == [30_000] * 5


def test_the_commands(folder, tmp_path):
    printed = run("analyze", "-r", folder, "--out", tmp_path / "report")
    assert "note.txt: skipped" in printed
    report = tmp_path / "report"
    assert (report / "report.txt").read_text() == printed
    page = (report / "report.html").read_text()
    for picture in report.glob("*.png"):
        assert picture.read_bytes().startswith(PNG)
        assert f"src='{picture.name}'" in page
    assert len(list(report.iterdir())) == 8
    assert json.loads((report / "report.json").read_text())["channels"] == 5
    assert "exists already" in run("analyze", "-r", folder, "--out", report, status=1)
    run("analyze", "-r", folder, "--out", report, "-f", "-q", "--seconds", "0.3")
    assert "the first 29,300 of 150,000 samples" in " ".join((report / "report.txt").read_text().split())

    graph = tmp_path / "graph.png"
    printed = run("topology", "-r", folder, "--plot", graph)
    assert "5 threads of 5 files: 2 sessions of several threads, 1 threads alone" in printed
    assert graph.read_bytes().startswith(PNG)
    assert 5_000 < graph.stat().st_size < 500_000
    assert "exists already" in run("topology", "-r", folder, "--plot", graph, status=1)
    told = json.loads(run("topology", "--json", *sorted(folder.glob("*/*.wav"))))
    assert [len(session) for session in told["sessions"]] == [2, 2]
    assert {channel["coding_pass"] for session in told["sessions"] for channel in session} == {0, 1}


def test_what_cannot_be_studied_is_named(folder, tmp_path):
    assert "note.txt: no PCM WAV" in run("analyze", folder / "note.txt", "--out", tmp_path / "r", status=1)
    assert not list((tmp_path / "r").iterdir())
    assert "absent.wav" in run("topology", tmp_path / "absent.wav", status=1)
    printed = run("topology", folder / "alone.wav", tmp_path / "absent.wav", status=1)
    assert "absent.wav" in printed
    assert "alone.wav, wave 0: alone" in printed


def test_missing_matplotlib_is_named(folder, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    printed = run("topology", folder / "alone.wav", "--plot", tmp_path / "graph.png", status=1)
    assert "pip install 'spikey-cli[plot]'" in printed
    assert not (tmp_path / "graph.png").exists()
