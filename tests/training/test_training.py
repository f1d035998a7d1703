"""Training, freezing, and what the codec makes of the result. Needs the extra `train`."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from support.recordings import n1_samples, neural, wav_bytes, write_session

torch = pytest.importorskip("torch", reason="torch is not installed: pip install -e '.[train]'")

from spikey_cli.api.compress import Encoding, compress  # noqa: E402
from spikey_cli.api.decompress import decompress, verify  # noqa: E402
from spikey_cli.cli import main  # noqa: E402
from spikey_cli.codec.streams import decode_channels, encode_channels  # noqa: E402
from spikey_cli.core.coders import CODERS  # noqa: E402
from spikey_cli.core.quantizer import N1  # noqa: E402
from spikey_cli.errors import InputError, ModelError  # noqa: E402
from spikey_cli.model.predictor import read_model  # noqa: E402
from spikey_cli.model.self_test import digest_of, known_inputs  # noqa: E402
from spikey_cli.system.workers import Workers  # noqa: E402
from spikey_cli.topology.references import ReferenceGraph  # noqa: E402
from spikey_cli.training.batches import at_moments, of_groups  # noqa: E402
from spikey_cli.training.config import Config  # noqa: E402
from spikey_cli.training.export import freeze, onnx_bytes  # noqa: E402
from spikey_cli.training.fit import fit, held_out_bits  # noqa: E402
from spikey_cli.training.layers import scale_gradient  # noqa: E402
from spikey_cli.training.loss import code_length  # noqa: E402
from spikey_cli.training.network import IntegerNetwork  # noqa: E402
from spikey_cli.training.profile import estimate  # noqa: E402
from spikey_cli.training.recordings import load, read_split  # noqa: E402

torch.set_num_threads(1)
SILENT = lambda look: None  # noqa: E731


@pytest.fixture
def folder(tmp_path, random) -> Path:
    """Recordings with a sessions.csv: three sessions to train on and one to measure."""
    rows = [["file", "session", "split"]]
    for name, split in (("a", "train"), ("b", "train"), ("c", "val"), ("d", "train")):
        for path in write_session(tmp_path / "data" / name, random, 2, 9000):
            rows.append([f"{name}/{path.name}", name, split])
    with (tmp_path / "data" / "sessions.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    return tmp_path / "data"


def config(**keys) -> Config:
    """A small configuration, with some of its keys replaced."""
    training = {"steps": 60, "batch": 256, "evaluate_every": 30, "unroll": 6} | keys.pop("training", {})
    base = {
        "window": 12,
        "features": [{"kind": "identity", "last": 12}],
        "projector": {"shape": [8]},
        "profile": "none",
        "training": training,
    }
    return Config.model_validate(base | keys)


KINDS = {
    "fully connected": {},
    "features": {
        "features": [
            {"kind": "identity", "last": 5},
            {"kind": "wavelet", "name": "dmey", "levels": 2},
            {"kind": "fourier", "last": 8},
        ],
        "predictor": {"shape": [6]},
        "value_scale": 0.5,
    },
    "cnn": {"features": [{"kind": "cnn", "filters": 3, "width": 5, "stride": 2}, {"kind": "identity", "last": 2}]},
    "no delta shift": {"predictor": {"shape": [5], "delta_shift": False}},
    "recurrent": {"projector": {"kind": "recurrent", "shape": [6, 4]}},
    "recurrent at once": {"projector": {"kind": "recurrent", "shape": [4]}},
    "peers": {"middle_out": {"peers": 1}},
    "regions alone": {"middle_out": {"peers": 3, "shape": [5], "residual": False}, "predictor": {"shape": [4]}},
    "recurrent peers": {"projector": {"kind": "recurrent", "shape": [5]}, "middle_out": {"peers": 2}},
}


def threads_of(folder: Path, of: Config, split: str = "train"):
    files = [file for session in getattr(read_split(folder, 0), split) for file in session]
    return load(files, None, of.middle_out.peers if of.middle_out else 0)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_trains_freezes_and_codes(folder, tmp_path, kind):
    """Fewer bits than untrained, an exact graph that equals the network, and recordings that come back."""
    of = config(**KINDS[kind], training={"steps": 300, "batch": 512, "learning_rate": 0.01, "evaluate_every": 150})
    training = threads_of(folder, of)
    untrained = held_out_bits(IntegerNetwork(of), training)
    network = fit(of, training, training, None, SILENT)
    trained = held_out_bits(network, training)
    assert trained < untrained - 0.02, f"{untrained:.3f} bits/sample before, {trained:.3f} after"
    predictor = read_model(freeze(network, tmp_path, "some"))
    assert predictor.window == 12
    assert bool(predictor.latent_rows) == of.in_parts
    files = sorted(folder.glob("a/*.wav"))
    compress(files, tmp_path / "out.spk", coder=Encoding("range", predictor), workers=1)
    decompress(tmp_path / "out.spk", tmp_path / "back", predictor=predictor, workers=2)
    for file in files:
        assert (tmp_path / "back" / file.name).read_bytes() == file.read_bytes()
    with pytest.raises(ModelError, match=r"give the file it was written with as --model"):
        verify(tmp_path / "out.spk")


def test_training_repeats(folder):
    of = config(training={"steps": 100})
    training = threads_of(folder, of)
    assert onnx_bytes(fit(of, training, training, None, SILENT)) == onnx_bytes(
        fit(of, training, training, None, SILENT)
    )


@pytest.mark.parametrize("kind", ["fully connected", "recurrent peers"])
def test_training_resumes_where_it_stopped(folder, tmp_path, kind):
    of = config(**KINDS[kind])
    training = threads_of(folder, of)
    looks: list[list] = [[], []]
    whole = fit(of, training, training, tmp_path / "whole.pt", looks[0].append)

    class StoppedError(Exception):
        pass

    def stop(look) -> None:
        if looks[1]:
            raise StoppedError
        looks[1].append(look)

    with pytest.raises(StoppedError):
        fit(of, training, training, tmp_path / "cut.pt", stop)
    assert (tmp_path / "cut.pt").exists()
    assert onnx_bytes(fit(of, training, training, tmp_path / "cut.pt", looks[1].append)) == onnx_bytes(whole)
    assert [look.held_out_bits for look in looks[0]] == [look.held_out_bits for look in looks[1]]
    with pytest.raises(InputError, match=r"cut.pt: is of another configuration"):
        fit(config(**KINDS[kind], value_scale=2.0), training, training, tmp_path / "cut.pt", SILENT)


def test_training_stops_early_and_keeps_the_best(folder):
    of = config(training={"steps": 2000, "evaluate_every": 5, "patience": 2, "learning_rate": 1.0})
    training = threads_of(folder, of)
    looks: list = []
    network = fit(of, training, training, None, looks.append)
    assert looks[-1].step < 2000
    best = min(look.held_out_bits for look in looks)
    assert [look.held_out_bits for look in looks[-2:]] > [best, best]
    assert held_out_bits(network, training) == best


@pytest.mark.parametrize("shape", [(3,), (16, 8, 4)])
@pytest.mark.parametrize("spread", [0.1, 1.0, 30.0])
def test_frozen_networks_are_exact_however_large_their_weights(tmp_path, shape, spread):
    for kind in ({}, {"middle_out": {"peers": 1}}):
        torch.manual_seed(1)
        network = IntegerNetwork(config(projector={"shape": shape}, **kind))
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.mul_(spread)
        predictor = read_model(freeze(network, tmp_path, "some"))
        assert predictor.window == 12
        assert digest_of(predictor.evaluate(known_inputs(predictor.inputs))) == predictor.self_test != ""


def test_what_differs_from_its_network_is_not_frozen(tmp_path, monkeypatch):
    network = IntegerNetwork(config())
    other = IntegerNetwork(config())
    monkeypatch.setattr("spikey_cli.training.export.onnx_bytes", lambda *_: onnx_bytes(other))
    with pytest.raises(ModelError, match=r"differs from the trained network in \d+ of 300000 values of 'outputs'"):
        freeze(network, tmp_path, "some")
    assert not list(tmp_path.iterdir())


def test_the_loss_is_what_the_range_coder_spends(random, tmp_path):
    """The frozen network codes a thread in about as many bits as the loss says: both see the same inputs."""
    codes = neural(random, 8192, 1)[:, 0]
    (tmp_path / "long.wav").write_bytes(wav_bytes(n1_samples(codes)))
    channels = load([tmp_path / "long.wav"])
    np.testing.assert_array_equal(channels.codes.numpy(), codes)
    network = fit(config(training={"steps": 400, "batch": 512}), channels, channels, None, SILENT)
    predictor = read_model(freeze(network, tmp_path, "some"))
    workers = Workers(None, 1)
    batch = at_moments(channels, np.zeros(8192 - 13, dtype=np.int64), np.arange(13, 8192), 12, 1)
    expected = code_length(network(batch), batch).mean().item()
    for coder, slack in (("range", 0.01), ("rice", 0.25)):
        rest = ([N1], ReferenceGraph.independent(1), 8192, CODERS[coder], predictor, workers)
        streams = encode_channels([codes], *rest)
        (decoded,) = decode_channels(streams, [codes.size], *rest)
        np.testing.assert_array_equal(decoded, codes)
        # what is learnt on the way saves some
        assert expected - 0.1 < 8 * len(streams[0].data) / codes.size < expected + slack


def test_batches_hold_the_same_moments_of_a_group(folder):
    channels = load([file for session in read_split(folder, 0).train for file in session], None, 1)
    assert channels.group_length.tolist() == [9000] * 3
    assert np.diff(channels.first_message).tolist() == [1, 1, 1]
    group, at = np.array([2, 0, 2]), np.array([100, 13, 7000])
    batch = of_groups(channels, group, at, 12, 4)
    assert batch.windows.shape == (6, 4, 12)
    values = channels.values.numpy().reshape(6, 9000) / 64
    for row, (channel, first) in enumerate([(4, 100), (5, 100), (0, 13), (1, 13), (4, 7000), (5, 7000)]):
        step = np.diff(values[channel, first - 13 : first + 4])
        np.testing.assert_allclose(batch.delta[row], step[12:])
        scaled = np.array([step[i : i + 12] for i in range(4)])
        assert np.corrcoef(scaled.ravel(), batch.windows[row].numpy().ravel())[0, 1] > 0.999
    passes = batch.passes.numpy()
    for receiver, sender in zip(batch.receiver, batch.sender, strict=True):
        assert receiver // 2 == sender // 2
        assert passes[sender] < passes[receiver]
    assert sorted((batch.receiver // 2).tolist()) == [0, 1, 2]


def test_without_peers_the_region_is_zero(folder):
    """A thread alone is predicted as if there were no messages."""
    of = config(middle_out={"peers": 1}, predictor={"shape": [4]})
    network = IntegerNetwork(of)
    channels = threads_of(folder, of)
    batch = of_groups(channels, np.array([0]), np.array([500]), 12, 1)
    outputs = network(batch)
    independent = network.conclude(network.project(batch.windows, None))
    first = batch.passes == 0
    assert first.sum() == 1
    torch.testing.assert_close(outputs[first], independent[first], rtol=0, atol=0)
    assert (outputs[~first] != independent[~first]).any()


def test_gradients_to_peers_are_scaled():
    x = torch.ones(3, requires_grad=True)
    (scale_gradient(x, 0.25) * 8).sum().backward()
    assert x.grad.tolist() == [2.0, 2.0, 2.0]


def test_a_converters_profile_is_found(random, tmp_path):
    """Bins of known widths, under a network that predicts well, are found again."""
    like = np.array([0.6, 1.4, 1.0, 1.3, 0.7, 1.0, 1.5, 0.5])
    edges = np.concatenate([[0], np.cumsum(np.tile(like, 128))]) - 0.5
    slow = np.zeros(240_000)
    for i, push in enumerate(random.normal(0, 0.5, slow.size - 1)):
        slow[i + 1] = 0.9999 * slow[i] + push
    voltages = 500 + slow + random.normal(0, 6, slow.size)
    codes = np.clip(np.searchsorted(edges, voltages) - 1, 0, 1023).astype(np.int32)
    (tmp_path / "a.wav").write_bytes(wav_bytes(n1_samples(codes)))
    channels = load([tmp_path / "a.wav"])
    network = fit(config(training={"steps": 500, "batch": 512}), channels, channels, None, SILENT)
    profile = estimate(network, channels)
    for _ in range(2):
        channels = load([tmp_path / "a.wav"], profile)
        profile = estimate(network, channels)
    widths = np.diff(profile.edges)[480:560] / 64
    np.testing.assert_allclose(widths, np.tile(like, 10), rtol=0.2)


def test_what_cannot_be_trained_on_is_named(tmp_path, random):
    (tmp_path / "short.wav").write_bytes(wav_bytes(n1_samples(neural(random, 10)[:, 0])))
    (tmp_path / "empty.wav").write_bytes(wav_bytes(np.zeros(0)))
    (tmp_path / "other.wav").write_bytes(wav_bytes(neural(random, 500)[:, 0]))
    short = load([tmp_path / "short.wav"])
    with pytest.raises(InputError, match=r"no recording is longer than 13 samples"):
        fit(config(), short, short, None, SILENT)
    with pytest.raises(InputError, match=r"empty\.wav: is no WAV"):
        load([tmp_path / "short.wav", tmp_path / "empty.wav"])
    with pytest.raises(InputError, match=r"on 2 grids"):
        load([tmp_path / "short.wav", tmp_path / "other.wav"])


class TestSplit:
    def test_sessions_are_found_without_a_list(self, tmp_path, random):
        for i in range(6):
            write_session(tmp_path / f"s{i}", random, 2, 9000)
        split = read_split(tmp_path, 0)
        assert (len(split.train), len(split.val)) == (5, 1)
        for session in split.train + split.val:
            assert len(session) == 2
            assert session[0].parent == session[1].parent

    def test_held_out_sessions_are_whole(self, folder):
        fitted, kept = read_split(folder, 0).hold_out(0.1, 3)
        assert (len(fitted), len(kept)) == (2, 1)
        assert sorted(fitted + kept) == sorted(read_split(folder, 0).train)

    @pytest.mark.parametrize(
        ("listing", "reason"),
        [
            ("file,session,split\na/thread0.wav,a,train\na/thread1.wav,a,val\n", "in both splits"),
            ("file,session,split\na/thread0.wav,a,train\n", "1 sessions to train on and 0 to measure on"),
            ("name,split\nx,train\n", "no columns"),
        ],
    )
    def test_lists_that_leak_or_lack_are_refused(self, folder, listing, reason):
        (folder / "sessions.csv").write_text(listing)
        with pytest.raises(InputError, match=reason):
            read_split(folder, 0)

    def test_an_empty_folder_is_refused(self, tmp_path):
        with pytest.raises(InputError, match=r"holds no WAV files"):
            read_split(tmp_path, 0)


def test_the_command_writes_a_model_its_card_and_logs(folder, tmp_path):
    (tmp_path / "small.yaml").write_text(json.dumps(config().model_dump(mode="json", exclude_none=True)))
    out = tmp_path / "out"
    arguments = ["train", tmp_path / "small.yaml", "small", "--data", folder, "--out", out, "--threads", 1]
    result = CliRunner().invoke(main, [str(a) for a in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    assert "min left" in result.output
    (model,) = out.glob("small-*.onnx")
    card = json.loads(model.with_suffix(".json").read_text(encoding="utf-8"))
    assert card["sha256"] == read_model(model).digest.hex()
    assert card["bytes"] == model.stat().st_size
    assert Config.model_validate(card["config"]) == config()
    assert card["files"] == {"fitted": 4, "stopped_early_by": 2, "val": 2}
    assert [measured["coder"] for measured in card["val"]] == ["rice", "range"]
    for measured in card["val"]:
        assert measured["files"] == 2
        assert 1 < measured["ratio"] < 16
    with (out / "small" / "log.csv").open() as file:
        assert [row["step"] for row in csv.DictReader(file)] == ["30", "60"]
    assert list((out / "small").glob("events.out.tfevents.*"))
    for picture in ("curves.png", "residuals.png"):
        assert (out / "small" / picture).read_bytes().startswith(b"\x89PNG")
    assert not (out / "small" / "checkpoint.pt").exists()
    again = CliRunner().invoke(main, [str(a) for a in arguments])
    assert again.exit_code == 1
    assert "exists; choose another name" in again.output
    result = CliRunner().invoke(
        main, [*(str(a) for a in arguments), "--steps", "30", "-f", "-q"], catch_exceptions=False
    )
    assert (result.exit_code, result.output) == (0, "")
    (model,) = out.glob("small-*.onnx")
    with (out / "small" / "log.csv").open() as file:
        assert [row["step"] for row in csv.DictReader(file)] == ["30"], "a new training begins a new log"
    archive = tmp_path / "out.spk"
    wavs = [str(path) for path in sorted(folder.glob("c/*.wav"))]
    for command in (["compress", "--model", model, *wavs, archive], ["test", "--model", model, archive]):
        result = CliRunner().invoke(main, [str(a) for a in command], catch_exceptions=False)
        assert result.exit_code == 0, result.output
