"""Golden files decode to the same bytes, encode to the same streams, or are refused for the same reason."""

from __future__ import annotations

import hashlib
import io
import json
import re
from typing import Any

import pytest
from golden.make_golden import ARCHIVES, LISTING, STREAMS, array_digest, chunk, predictor
from support.archive_builder import ArchiveParts
from support.paths import GOLDEN

import spikey_cli
from spikey_cli.api.chunk import decode_chunk
from spikey_cli.container.archive import ArchiveReader
from spikey_cli.container.directory import directory_tables
from spikey_cli.container.parts import Method
from spikey_cli.streaming.pipe import decompress_pipe

LISTED: dict[str, dict[str, Any]] = json.loads(LISTING.read_text(encoding="utf-8"))


def decoded(name: str, folder) -> dict[str, bytes]:
    recipe = ARCHIVES[name.removesuffix(".spk")]
    model = None if recipe.embed_model else predictor(recipe.model)
    spikey_cli.decompress(GOLDEN / name, folder, predictor=model)
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def parts_of(data: bytes, folder) -> tuple[object, ...]:
    """An archive without what deflate and LZMA may compress differently in another release of theirs."""
    parts = ArchiveParts.of(data, folder)
    with ArchiveReader(io.BytesIO(data)) as reader:
        tables = [reader.read_table(i) for i in range(len(reader.index.blocks))]
        streams = [
            (entry.method, None if entry.method == Method.XZ else stream)
            for i, table in enumerate(tables)
            for _, entry, stream in reader.read_streams(i, table, range(1000))
        ]
        directory = [(table.fields, table.tail) for table in directory_tables(reader.directory)]
    spans = [(table.steps, table.parts) for table in tables]
    return parts.start, directory, spans, streams, parts.sha256


def test_every_golden_file_is_listed():
    names = {path.name for path in GOLDEN.glob("*.spk*")}
    assert names == {name for kind in LISTED.values() for name in kind}


@pytest.mark.parametrize("name", LISTED["archives"])
def test_archives_decode_and_encode(name, tmp_path):
    files = decoded(name, tmp_path)
    digests = LISTED["archives"][name]
    assert {file: hashlib.sha256(data).hexdigest() for file, data in files.items()} == digests
    archive = ARCHIVES[name.removesuffix(".spk")].archive({file: files[file] for file in digests})
    assert parts_of(archive, tmp_path) == parts_of((GOLDEN / name).read_bytes(), tmp_path)


@pytest.mark.parametrize("name", LISTED["refused"])
def test_refused_archives(name, tmp_path):
    with pytest.raises(spikey_cli.SpikeyError, match=re.escape(LISTED["refused"][name])):
        spikey_cli.decompress(GOLDEN / name, tmp_path)


@pytest.mark.parametrize("name", LISTED["streams"])
def test_streams_decode_and_encode(name):
    data = (GOLDEN / name).read_bytes()
    recipe = STREAMS[name.removeprefix("stream-").removesuffix(".spks")]
    restored: list[bytes] = []
    decompress_pipe(io.BytesIO(data), restored.append, predictor=predictor(recipe.model))
    assert hashlib.sha256(b"".join(restored)).hexdigest() == LISTED["streams"][name]
    frames = spikey_cli.StreamDecoder(predictor=predictor(recipe.model)).push(data)
    assert recipe.stream(frames) == data


@pytest.mark.parametrize("name", LISTED["chunks"])
def test_chunks_decode_and_encode(name, tmp_path):
    data = (GOLDEN / name).read_bytes()
    array = decode_chunk(data)
    assert array_digest(array) == LISTED["chunks"][name]
    assert parts_of(chunk(array), tmp_path) == parts_of(data, tmp_path)
