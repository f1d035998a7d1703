"""Small files as acquisition systems write them, made from the formats' documents and not by the package's modules."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from spikey_cli.codec.scan import scan
from spikey_cli.io.layout import samples_from_bytes
from spikey_cli.io.source import FileSource

from .paths import ROOT
from .recordings import wav_bytes

MIDDLE = 32768


@dataclass(frozen=True)
class Made:
    """A file, and what must be found in it."""

    name: str
    data: bytes
    groups: list[np.ndarray]
    """Samples of the channels of each rate or stream, (samples, channels); unsigned ones less 32768."""
    rates: list[float]
    labels: list[str]
    units: list[str] = field(default_factory=list)
    gains: list[float | None] = field(default_factory=list)
    """Of all channels."""
    header: int = 0
    """Bytes before the first sample or record."""


def signals(random: np.random.Generator, frames: int, channels: int, scale: float = 30.0) -> np.ndarray:
    """Smooth noise: int64 of shape (frames, channels)."""
    steps = random.normal(scale=scale, size=(frames, channels))
    return np.rint(np.cumsum(steps, axis=0) * 0.2 + steps).astype(np.int64)


def _int24(samples: np.ndarray) -> bytes:
    return samples.astype("<i4").reshape(-1, 1).view(np.uint8).reshape(-1, 4)[:, :3].tobytes()


def _padded(texts: list[object], width: int) -> bytes:
    return b"".join(str(text).encode("latin-1").ljust(width) for text in texts)


def edf(random: np.random.Generator, *, bits: int = 16, records: int = 3, jump: float = 0.0) -> Made:
    """EDF+ or BDF+: two signals at 100 Hz, one at 20 Hz, annotations, and another one at 100 Hz; records of 0.5 s.

    Here and in other formats, the clock jumps by `jump` before the last record.
    """
    labels, per_record = (
        ["Fp1", "Fp2", "Temp", f"{'EDF' if bits == 16 else 'BDF'} Annotations", "Status"],
        [50, 50, 10, 24, 50],
    )
    n, top = len(labels), 2 ** (bits - 1)
    columns: list[tuple[list[object], int]] = [
        ([*labels], 16),
        ([""] * n, 80),
        (["uV", "uV", "degC", "", ""], 8),
        ([-3200, -3200, 0, -1, -1], 8),
        ([3200, 3200, 100, 1, 1], 8),
        ([-top] * n, 8),
        ([top - 1] * n, 8),
        ([""] * n, 80),
        ([*per_record], 8),
        ([""] * n, 32),
    ]
    version, kind = (b"0       ", "EDF+") if bits == 16 else (b"\xffBIOSEMI", "BDF+")
    kind += "D" if jump else "C"
    header = version + _padded(["X X X X", "Startdate 01-JAN-2026 X X X"], 80) + b"01.01.2612.00.00"
    header += _padded([256 * (1 + n)], 8) + kind.encode().ljust(44) + _padded([records, 0.5], 8) + _padded([n], 4)
    header += b"".join(_padded(texts, width) for texts, width in columns)
    fast, slow = signals(random, 50 * records, 3), signals(random, 10 * records, 1)
    pack = _int24 if bits == 24 else lambda samples: samples.astype("<i2").tobytes()
    body = b""
    for i in range(records):
        own = fast[50 * i : 50 * (i + 1)]
        text = f"+{i / 2 + jump * (i == records - 1)}\x14\x14\0".encode().ljust(24 * bits // 8, b"\0")
        body += pack(own[:, 0]) + pack(own[:, 1]) + pack(slow[10 * i : 10 * (i + 1), 0]) + text + pack(own[:, 2])
    gain = 6400 / (2 * top - 1)
    names, units = ["Fp1", "Fp2", "Status", "Temp"], ["uV", "uV", "", "degC"]
    gains = [gain, gain, 2 / (2 * top - 1), 100 / (2 * top - 1)]
    return Made(f"a.{kind[:3].lower()}", header + body, [fast, slow], [100, 20], names, units, gains, len(header))


def bdf(random: np.random.Generator, *, records: int = 3) -> Made:
    """BDF+, of 24 bits."""
    return edf(random, bits=24, records=records)


def _nsx_header(version: int, channels: int, resolution: int = 30_000) -> bytes:
    header = (b"BRSMPGRP" if version == 3 else b"NEURALCD") + struct.pack(
        "<BBI", version, 0 if version == 3 else 3, 314 + 66 * channels
    )
    header += b"2 ksamp/sec".ljust(16, b"\0") + b"comment".ljust(256, b"\0") + struct.pack("<II", 15, resolution)
    header += struct.pack("<8H", 2026, 1, 4, 1, 12, 0, 0, 0) + struct.pack("<I", channels)
    for i in range(channels):
        header += struct.pack(
            "<2sH16sBBhhhh16s", b"CC", i + 1, f"elec{i}".encode(), 1, i, -8192, 8192, -2048, 2048, b"uV"
        )
        header += struct.pack("<IIHIIH", 300, 4, 1, 7500, 3, 1)
    return header


def nsx(random: np.random.Generator, packets: tuple[int, ...] = (200,), channels: int = 3, pause: int = 0) -> Made:
    """Blackrock NSx 2.3 with packets of these lengths, and so many frames that are missing between two."""
    samples, at = signals(random, sum(packets), channels), 0
    header = data = _nsx_header(2, channels)
    for i, n in enumerate(packets):
        data += struct.pack("<BII", 1, 15 * (at + pause * i) + 1000, n) + samples[at : at + n].astype("<i2").tobytes()
        at += n
    labels = [f"elec{i}" for i in range(channels)]
    return Made("a.ns3", data, [samples], [2000], labels, ["uV"] * channels, [0.25] * channels, len(header))


def paused_nsx(random: np.random.Generator) -> Made:
    """Blackrock NSx with three packets."""
    return nsx(random, (7, 120, 80), pause=40)


def ptp_nsx(random: np.random.Generator, jump: int = 0) -> Made:
    """Blackrock NSx 3.0 with a packet and a PTP time for each frame, in nanoseconds."""
    samples, times = signals(random, 150, 2), 10**18 + np.arange(150) * 500_000 + random.integers(-9, 9, 150)
    times[100:] += jump
    header = _nsx_header(3, 2, 10**9)
    body = b"".join(
        struct.pack("<BQI", 1, int(t), 1) + row.astype("<i2").tobytes() for t, row in zip(times, samples, strict=True)
    )
    return Made("a.ns3", header + body, [samples], [2000], ["elec0", "elec1"], ["uV"] * 2, [0.25] * 2, len(header))


def old_nsx(random: np.random.Generator) -> Made:
    """Blackrock NSx 2.1, which has no packets."""
    samples = signals(random, 200, 2)
    header = b"NEURALSG" + b"30 kS/s".ljust(16, b"\0") + struct.pack("<IIII", 15, 2, 7, 8)
    return Made(
        "a.ns3",
        header + samples.astype("<i2").tobytes(),
        [samples],
        [2000],
        ["7", "8"],
        ["", ""],
        [None] * 2,
        len(header),
    )


def ncs(random: np.random.Generator, records: int = 4, jump: int = 0) -> Made:
    """Neuralynx NCS: the last record has fewer valid samples."""
    text = "######## Neuralynx Data File Header\r\n## Time Opened (m/d/y): 1/4/2026  (h:m:s.ms) 12:0:0.0\r\n"
    text += "-FileType NCS\r\n-AcqEntName CSC1\r\n-SamplingFrequency 32000\r\n-ADBitVolts 0.00000006103515625\r\n"
    text += "-InputInverted True\r\n-ADChannel 3\r\n"
    header = text.encode().ljust(16384, b"\0")
    samples = signals(random, 512 * records, 1)
    body = b""
    for i in range(records):
        valid = 512 if i < records - 1 else 100
        time = 10**12 + 16_000 * i + int(random.integers(0, 2)) + jump * (i == records - 1)
        body += struct.pack("<QIII", time, 3, 32_000, valid)
        body += samples[512 * i : 512 * (i + 1), 0].astype("<i2").tobytes()
    return Made("CSC1.ncs", header + body, [samples], [32_000], ["CSC1"], ["uV"], [-0.06103515625], len(header))


def _qt(text: str) -> bytes:
    return struct.pack("<I", 2 * len(text)) + text.encode("utf-16-le")


def _intan_channel(name: str, kind: int, number: int, is_rhs: bool) -> bytes:
    numbers = (number, number, kind, 1, number, *((0, 0) if is_rhs else (0,)), 0, 0, 0, 0)
    return _qt(name) + _qt(f"custom {name}") + struct.pack(f"<{len(numbers)}h", *numbers) + struct.pack("<ff", 1e6, -90)


def rhd(
    random: np.random.Generator,
    version: tuple[int, int] = (1, 5),
    records: int = 3,
    n_temperatures: int = 1,
    jump: int = 0,
) -> Made:
    """Intan RHD: 3 amplifiers, an auxiliary input, a supply voltage, a temperature, an analog input, digital inputs."""
    n = 60 if version < (2, 0) else 128
    board = ("ADC-00", "DIN-00", "DIN-01") if version < (3, 0) else ("ANALOG-IN-1", "DIGITAL-IN-01", "DIGITAL-IN-02")
    kinds = [
        ("A-000", 0),
        ("A-001", 0),
        ("A-002", 0),
        ("A-AUX1", 1),
        ("A-VDD1", 2),
        (board[0], 3),
        (board[1], 4),
        (board[2], 4),
    ]
    header = struct.pack("<Ihhfh6fhff", 0xC6912702, *version, 20_000, 1, 1, 0.1, 7500, 1, 0.1, 7500, 2, 1000, 1000)
    header += (
        _qt("note")
        + _qt("")
        + _qt("third")
        + struct.pack("<hh", n_temperatures, 0)
        + (_qt("REF") if version >= (2, 0) else b"")
    )
    header += struct.pack("<h", 1) + _qt("Port A") + _qt("A") + struct.pack("<hhh", 1, len(kinds), 3)
    header += b"".join(_intan_channel(name, kind, i, False) for i, (name, kind) in enumerate(kinds))
    amplifier, analog = signals(random, n * records, 3), signals(random, n * records, 1)
    auxiliary, supply = signals(random, n // 4 * records, 1), signals(random, records, 1)
    temperature, words = 2500 + signals(random, records, 1), random.integers(0, 4, (n * records, 1))
    body = b""
    for i in range(records):
        own, quarter, one = slice(n * i, n * (i + 1)), slice(n // 4 * i, n // 4 * (i + 1)), slice(i, i + 1)
        body += (np.arange(n * i, n * (i + 1), dtype="<i4") + jump * (i == records - 1)).tobytes()
        body += b"".join(
            (a[k].T + MIDDLE).astype("<u2").tobytes()
            for a, k in ((amplifier, own), (auxiliary, quarter), (supply, one))
        )
        body += (
            temperature[one].astype("<i2").tobytes() * n_temperatures
            + (analog[own] + MIDDLE).astype("<u2").tobytes()
            + words[own].astype("<u2").tobytes()
        )
    groups = [amplifier, auxiliary, supply, temperature, analog, words - MIDDLE]
    labels = ["A-000", "A-001", "A-002", "A-AUX1", "A-VDD1", "temperature 0", board[0], "digital input"]
    units, gains = ["uV"] * 3 + ["V", "V", "degC", "V", ""], [0.195] * 3 + [37.4e-6, 74.8e-6, 0.01, 50.354e-6, None]
    rates = [20_000, 5000, 20_000 / n, 20_000 / n, 20_000, 20_000]
    if not n_temperatures:
        del groups[3], rates[3], labels[5], units[5], gains[5]
    return Made("a.rhd", header + body, groups, rates, labels, units, gains, len(header))


def new_rhd(random: np.random.Generator, n_temperatures: int = 1) -> Made:
    """Intan RHD 3.0: 128 samples a record."""
    return rhd(random, (3, 0), n_temperatures=n_temperatures)


def write_intan_folder(folder: Path, by_channel: bool, jump: int = 0) -> dict[str, np.ndarray]:
    """Write a recording of Intan's software as a file for each type of signal, or for each channel.

    Returns the samples of each file, of shape (frames, channels).
    """
    made = new_rhd(np.random.default_rng(3), n_temperatures=0)
    amplifier, auxiliary, supply, analog, words = made.groups
    n, n_supply = len(amplifier), 128
    unsigned = (each + MIDDLE for each in (np.repeat(auxiliary, 4, 0), np.repeat(supply, n_supply, 0), analog, words))
    auxiliary, supply, analog, words = (each.astype(np.uint16) for each in unsigned)
    files = {
        "amplifier.dat": amplifier.astype(np.int16),
        "auxiliary.dat": auxiliary,
        "supply.dat": supply,
        "analogin.dat": analog,
        "digitalin.dat": words,
    }
    if by_channel:
        files = {f"amp-A-{i:03}.dat": files["amplifier.dat"][:, i : i + 1] for i in range(3)}
        files |= {"aux-A-AUX1.dat": auxiliary, "vdd-A-VDD1.dat": supply, "board-ANALOG-IN-1.dat": analog}
        files |= {f"board-DIGITAL-IN-{1 + i:02}.dat": words >> i & 1 for i in range(2)}
    folder.mkdir()
    for name, samples in files.items():
        (folder / name).write_bytes(np.ascontiguousarray(samples).tobytes())
    stamps = np.arange(n, dtype="<i4") + jump * (np.arange(n) >= n // 2)
    (folder / "time.dat").write_bytes(stamps.astype("<i4").tobytes())
    (folder / "info.rhd").write_bytes(made.data[: made.header])
    return files


def rhs(random: np.random.Generator, records: int = 3) -> Made:
    """Intan RHS: 2 amplifiers with DC and stimulation, an analog input and output, a digital input."""
    kinds = [("A-000", 0), ("A-001", 0), ("ANALOG-IN-1", 3), ("ANALOG-OUT-1", 4), ("DIGITAL-IN-1", 5)]
    header = struct.pack("<Ihhfh8fhff", 0xD69127AC, 3, 0, 30_000, 1, 1, 1, 1, 7500, 1, 1, 1, 7500, 2, 1000, 1000)
    header += struct.pack("<hhfff", 0, 0, 1e-6, 1e-9, 0) + _qt("") * 3 + struct.pack("<hh", 1, 13) + _qt("REF")
    header += struct.pack("<h", 1) + _qt("Port A") + _qt("A") + struct.pack("<hhh", 1, len(kinds), 2)
    header += b"".join(_intan_channel(name, kind, i, True) for i, (name, kind) in enumerate(kinds))
    n = 128
    groups = [signals(random, n * records, 2) for _ in range(2)] + [np.zeros((n * records, 2), np.int64) - MIDDLE]
    groups += [signals(random, n * records, 1) for _ in range(2)] + [random.integers(0, 2, (n * records, 1)) - MIDDLE]
    body = b""
    for i in range(records):
        body += np.arange(n * i, n * (i + 1), dtype="<i4").tobytes()
        body += b"".join((group[n * i : n * (i + 1)].T + MIDDLE).astype("<u2").tobytes() for group in groups)
    labels = ["A-000", "A-001"] * 3 + ["ANALOG-IN-1", "ANALOG-OUT-1", "digital input"]
    units = ["uV"] * 2 + ["mV"] * 2 + ["", "", "V", "V", ""]
    gains = [0.195] * 2 + [-19.23] * 2 + [None] * 2 + [312.5e-6] * 2 + [None]
    return Made("a.rhs", header + body, groups, [30_000] * 6, labels, units, gains, len(header))


def continuous(random: np.random.Generator, records: int = 2, jump: int = 0) -> Made:
    """Open Ephys .continuous."""
    fields = {
        "format": "'Open Ephys Data Format'",
        "version": "0.4",
        "header_bytes": "1024",
        "description": "'each record contains one 64-bit timestamp, ...'",
        "date_created": "'01-Jan-2026 120000'",
        "channel": "'CH1'",
        "channelType": "'Continuous'",
        "sampleRate": "30000",
        "blockLength": "1024",
        "bufferSize": "1024",
        "bitVolts": "0.195",
    }
    header = "".join(f"header.{key} = {value}; \n" for key, value in fields.items()).encode().ljust(1024)
    samples = signals(random, 1024 * records, 1)
    marker = bytes([0, 1, 2, 3, 4, 5, 6, 7, 8, 255])
    body = b"".join(
        struct.pack("<qHH", 5000 + 1024 * i + jump * (i == records - 1), 1024, 0)
        + samples[1024 * i : 1024 * (i + 1), 0].astype(">i2").tobytes()
        + marker
        for i in range(records)
    )
    return Made("100_CH1.continuous", header + body, [samples], [30_000], ["CH1"], ["uV"], [0.195], len(header))


def abf(random: np.random.Generator, channels: int = 2, frames: int = 300, floats: bool = False) -> Made:
    """Axon ABF 2, gap-free; a section follows the samples. Floats are the samples times 0.125."""
    samples = signals(random, frames, channels)
    texts = [b"", b"Clampex", b"IN 0", b"pA", b"IN 1", b"mV"]
    strings = b"SSCH" + bytes(40) + b"\0" + b"\0".join(texts) + b"\0"
    protocol = bytearray(512)
    struct.pack_into("<hf", protocol, 0, 3, 100.0)
    struct.pack_into("<ff", protocol, 110, 10.0, 10.0)
    struct.pack_into("<ii", protocol, 118, 32768, 32768)
    adc = b""
    for i in range(channels):
        one = bytearray(128)
        struct.pack_into("<h", one, 0, i)
        struct.pack_into("<fffffff", one, 28, 1.0, 1.0, 0.0, 0.001 * (i + 1), 0.0, 1.0, 0.0)
        struct.pack_into("<ii", one, 74, 2 + 2 * i, 3 + 2 * i)
        adc += bytes(one)
    header = bytearray(512)
    header[:8] = b"ABF2" + bytes([0, 0, 6, 2])
    struct.pack_into("<IIHHHH", header, 8, 512, 1, 0, 0, 1, 0)
    struct.pack_into("<HHH", header, 28, 1, int(floats), 1)
    sample_bytes = 4 if floats else 2
    data_blocks = -(-sample_bytes * samples.size // 512)
    sections = {
        76: (1, 512, 1),
        92: (2, 128, channels),
        220: (3, len(strings), len(texts)),
        236: (4, sample_bytes, samples.size),
    }
    sections[252] = (4 + data_blocks, 64, 1)  # tags
    for at, (block, size, count) in sections.items():
        struct.pack_into("<IIq", header, at, block, size, count)
    whole = bytes(header) + bytes(protocol) + adc.ljust(512, b"\0") + strings.ljust(512, b"\0")
    stored = (samples * 0.125).astype("<f4") if floats else samples.astype("<i2")
    body = stored.tobytes().ljust(512 * data_blocks, b"\0") + b"a tag".ljust(64, b"\0")
    gains = [1.0 if floats else 10.0 / 32768 / (0.001 * (i + 1)) for i in range(channels)]
    return Made(
        "a.abf",
        whole + body,
        [stored if floats else samples],
        [10_000],
        ["IN 0", "IN 1"][:channels],
        ["pA", "mV"][:channels],
        gains,
        len(whole),
    )


def float_abf(random: np.random.Generator) -> Made:
    """Axon ABF 2 of floats."""
    return abf(random, floats=True)


FORMATS: dict[str, Callable[[np.random.Generator], Made]] = {
    each.__name__: each
    for each in (edf, bdf, nsx, paused_nsx, ptp_nsx, old_nsx, ncs, rhd, new_rhd, rhs, continuous, abf, float_abf)
}
"""A writer of each format, and of its variants."""


def native_folder() -> Path | None:
    """Folder of real files: $SPIKEY_NATIVE, or ../shared/real/native beside the checkout; None without it."""
    given = os.environ.get("SPIKEY_NATIVE")
    folder = Path(given) if given else ROOT.parent / "shared" / "real" / "native"
    assert folder.is_dir() or not given, f"SPIKEY_NATIVE is {given}, which is no folder"
    return folder if folder.is_dir() else None


def as_wavs(path: Path, folder: Path) -> list[Path]:
    """Write the samples of a file as WAVs, one for each group of its channels."""
    source = scan(FileSource(path))
    folder.mkdir()
    paths = []
    for i, group in enumerate(source.groups or (source,)):
        layout = group.layout
        assert layout is not None
        samples = samples_from_bytes(group.read_frames(0, layout.n_frames), layout.channels, layout.sample_type)
        paths.append(folder / f"{i}.wav")
        paths[-1].write_bytes(wav_bytes(samples, layout.sample_bytes, layout.sample_rate))
    return paths
