"""The loss equals what the range coder writes."""

from __future__ import annotations

import numpy as np
import pytest
from support.recordings import n1_samples, neural, wav_bytes
from support.training_cases import config, ignore

from spikey_cli.codec.presets import EFFORT
from spikey_cli.codec.streams import MAX_LANE_GROUP, decode_channels, encode_channels
from spikey_cli.core.coders import CODERS
from spikey_cli.core.quantizer import N1
from spikey_cli.model.predictor import read_model
from spikey_cli.system.workers import Workers
from spikey_cli.topology.references import ReferenceGraph
from spikey_cli.training.batches import channel_batch
from spikey_cli.training.export import export_model
from spikey_cli.training.fit import fit
from spikey_cli.training.loss import code_length
from spikey_cli.training.recordings import load_recordings

pytestmark = pytest.mark.slow


def test_the_loss_is_the_code_length_of_the_range_coder(random, tmp_path):
    """The exported network codes a channel in about as many bits as the loss: both see the same inputs."""
    codes = neural(random, 8192, 1)[:, 0]
    (tmp_path / "long.wav").write_bytes(wav_bytes(n1_samples(codes)))
    dataset = load_recordings([tmp_path / "long.wav"])
    np.testing.assert_array_equal(dataset.codes.numpy(), codes)
    network = fit(config(training={"steps": 400, "batch": 512}), dataset, dataset, None, ignore)
    predictor = read_model(export_model(network, tmp_path, "some"))
    workers = Workers(None, 1)
    batch = channel_batch(dataset, np.zeros(8192 - 13, dtype=np.int64), np.arange(13, 8192), 12, 1)
    expected = code_length(network(batch), batch).mean().item()
    for coder, slack in (("range", 0.01), ("rice", 0.25)):
        rest = ([N1], ReferenceGraph.independent(1), 8192, CODERS[coder], predictor, workers)
        streams = encode_channels([codes], *rest)
        (decoded,) = decode_channels(streams, [codes.size], *rest, MAX_LANE_GROUP, EFFORT)
        np.testing.assert_array_equal(decoded, codes)
        # adaptation saves some bits
        assert expected - 0.1 < 8 * len(streams[0].data) / codes.size < expected + slack
