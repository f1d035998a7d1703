"""Arrays whose chunks need every part of a decoder of chunks."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from support.recordings import n1_samples, neural

from spikey_cli.api.chunk import encode_chunk
from spikey_cli.model.zoo import shipped_models


def arrays() -> dict[str, tuple[np.ndarray, Mapping[str, object]]]:
    """Arrays and the options of `encode_chunk`, by names of what is special about them."""
    random = np.random.default_rng(5)
    codes = neural(random, 900, 4)
    samples = np.ascontiguousarray(n1_samples(codes))
    walk = np.cumsum(random.normal(0, 30, (1500, 3)), axis=0)
    wide = (walk * 40_000).astype(np.int64)
    volts = ((codes - 512) * 0.195).astype("<f4")
    gaps = (codes - 512) * 0.195
    gaps[100:130, 1] = np.nan
    gaps[500, 2] = 1e9
    constant = samples.astype("<f4") / 32768
    constant[:, 3], constant[::9, 3] = 0.25, np.inf
    odd = np.cumsum(random.integers(0, 3, 40)) * random.integers(1, 9)
    copied = np.column_stack([walk[:, 0], -walk[:, 0], walk[:, 1], np.full(1500, 5), walk[:, 0] + 7]).astype("<i2")
    copied[:, 1], copied[:, 4] = -copied[:, 0], copied[:, 0] + 7
    steps = np.rint(np.rint(walk) * 3.7).astype("<i2")
    lattice_and_gaps = steps.astype("<f4") / 32768
    lattice_and_gaps[40:60, 0] = np.nan
    filtered = walk[5:] - 0.4 * walk[:-5]
    filtered[300:340], filtered[500, 0], filtered[501, 1], filtered[502, 2] = 0.0, np.nan, -0.0, 1e-20
    plain: dict[str, np.ndarray] = {
        "n1": samples,
        "one channel": samples[:, 0].copy(),
        "one frame": samples[:1],
        "one sample": samples[:1, :1],
        "many channels": np.repeat(np.cumsum(random.integers(-90, 91, (150, 100)), axis=0), 3, axis=1).astype("<i2")
        + random.integers(-3, 4, (150, 300), "<i2"),
        "several parts": (np.arange(1_300_000) // 5000 % 7).astype("|u1"),
        "steps": (walk * 5).astype("<i2") * 12,
        "palette": odd[np.clip(walk + 20, 0, 39).astype(int)].astype("<i2"),
        "lattice": steps,
        "lattice and gaps": lattice_and_gaps,
        "copies": copied,
        "hum": np.rint(400 * np.sin(np.arange(2200) * 2 * np.pi / 200) ** 7 + random.normal(size=2200)).astype("<i2"),
        "noise": random.integers(-32768, 32768, (50, 3)).astype("<i2"),
        "noise beside silence": np.column_stack([random.integers(-32768, 32768, 300), np.zeros(300)]).astype("<i2"),
        "fortran": np.asfortranarray(samples),
        "channels in rows": samples.T.copy(),
        "channels in rows, fortran": np.asfortranarray(samples.T),
        "channels in rows, padded": np.pad(samples.T, ((0, 1), (0, 100)), constant_values=-7).astype(">u2"),
        "channels in rows of floats": volts.T.copy(),
        "few more columns": np.tile(samples[:20].T, (2, 1)),
        "matrices of frames": samples.reshape(9, 100, 4),
        "matrices of channels": samples.reshape(9, 100, 4).swapaxes(1, 2).astype(">u2", order="C"),
        "channels of two axes": samples.reshape(900, 2, 2).astype("<i4"),
        "one row": samples[:, 0].copy()[None],
        "big-endian": samples.astype(">i2"),
        "padded": np.pad(samples, ((0, 100), (0, 2)), constant_values=-7),
        "padded floats": np.pad(volts, ((0, 100), (0, 2)), constant_values=np.nan),
        "volts": volts,
        "divided": samples.astype("<f8") / 32768,
        "gaps": gaps,
        "a constant with gaps": constant,
        "integers times a number": np.rint(walk).astype("<i8") * 1_000_003 + 5,
        "unsigned integers times a number": (np.rint(walk) + 5000).astype("<u4") * 70_001,
        "zeros of both signs": np.where(codes > 500, volts, np.float32(-0.0)),
        "counters": wide,
        "large steps": (walk * 1000).astype("<i4") * 65536,
        "unsigned": (wide + (1 << 31)).astype("<u4"),
        "offset": (samples.astype(np.int32) + 32768).astype("<u2"),
        "signed bytes": (codes[:, 0] % 200 - 100).astype("i1"),
        "bytes": (codes % 256).astype("u1"),
        "large offset": samples.astype("<u8") % 4096 + (1 << 63),
        "filtered": filtered.astype("<f4"),
        "filtered, of 64 bits": filtered * 1e-6,
        "filtered beside a gain": np.column_stack([filtered[:, 0], np.rint(filtered[:, 1]) * 0.195]),
        "noise of floats": random.normal(size=(5, 4, 3)),
        "times": 100.0 + np.arange(400) / 30_000,
        "time stamps": np.cumsum(random.integers(1, 9, 500)).astype("<u8") << 40,
        "dates": np.arange(300).astype("<M8[ns]"),
        "complex": random.normal(size=100).astype("<c8"),
        "text": np.array(["a", "bcd", ""], "S3"),
        "fields": np.ones(7, [("a 'b", "<i2"), ("c", ">f8", (2,))]),
        "a number": np.array(5, "<i4"),
        "many dimensions": random.integers(0, 9, (3, 4, 5, 6)).astype("<i2"),
        "empty": np.zeros((0, 3), "<i2"),
        "empty in another way": np.zeros((4, 0, 2), ">f4"),
        "no bytes": np.zeros(3, "S0"),
    }
    listed: dict[str, tuple[np.ndarray, Mapping[str, object]]] = {name: (array, {}) for name, array in plain.items()}
    for coder in ("rice", "huffman"):
        for name in ("n1", "noise", "lattice", "counters", "copies"):
            listed[f"{name}, {coder}"] = (plain[name], {"coder": coder})
    for preset in ("fast", "best"):
        listed[f"n1, {preset}"] = (samples, {"preset": preset})
        listed[f"steps, {preset}"] = (plain["steps"], {"preset": preset})
    listed["hum, best"] = (plain["hum"], {"preset": "best"})
    listed["n1, without peers"] = (samples, {"peers": False})
    return listed


def chunks() -> dict[str, tuple[np.ndarray, bytes]]:
    """The same arrays, and their chunks."""
    assert "n1" in shipped_models()
    return {name: (array, encode_chunk(array, **options)) for name, (array, options) in arrays().items()}  # type: ignore[arg-type]
