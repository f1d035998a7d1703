"""remove_source: a source is deleted only after the archive was read back from the disk and compared with it."""

from __future__ import annotations

import errno
import itertools
import os
import re
import signal
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from support.fault_harness import OLD, FaultHarness, file_of, needs_faults
from support.fault_server import READING, WRITING, Fault, Outcome
from support.random_models import random_model
from support.recordings import write_session

import spikey_cli
from spikey_cli.api import remove_source
from spikey_cli.cli import main
from spikey_cli.errors import ArchiveError, InputError
from spikey_cli.model.predictor import default_predictor, read_model

pytestmark = needs_faults


class TestRemovingSources:
    def remaining(self, harness: FaultHarness) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in harness.paths if path.exists()}

    def check_nothing_is_lost(self, harness: FaultHarness, outcome: Outcome) -> None:
        remaining = self.remaining(harness)
        assert remaining.items() <= harness.sources.items(), outcome
        if remaining != harness.sources:
            failed = file_of(outcome)
            others = {name: data for name, data in harness.sources.items() if name != failed}
            complete = harness.files()["o.spk"] == harness.archive_of(harness.sources)
            assert complete or failed in remaining, outcome
            assert complete or harness.files()["o.spk"] == harness.archive_of(others), outcome

    def test_all_sources_are_deleted(self, harness):
        harness.reset({})
        outcome = harness.run(harness.job("compress", "--remove-source"))
        assert (outcome.status, self.remaining(harness)) == (0, {})
        assert "ratio " in outcome.output
        assert "; 3 sources deleted" in outcome.output
        spikey_cli.decompress(harness.out / "o.spk", harness.out / "back")
        assert {path.name: path.read_bytes() for path in (harness.out / "back").iterdir()} == harness.sources

    @pytest.mark.slow
    @pytest.mark.parametrize(
        "fault",
        [
            Fault("kill", 0, (*WRITING, *READING, "unlink")),
            Fault("raise", 0, (*WRITING, *READING, "unlink"), errno.EIO),
            Fault("signal", 0, (*WRITING, *READING, "unlink"), signal.SIGINT),
            Fault("flip", 0, ("write",)),
        ],
        ids=["kill", "EIO", "SIGINT", "flip"],
    )
    def test_nothing_is_lost(self, harness, fault):
        job = harness.job("compress", "--remove-source", "--threads", 1)
        partly = 0
        for at in itertools.count(1):
            harness.reset({})
            outcome = harness.run(job, replace(fault, at=at))
            if outcome.struck is None:
                break
            self.check_nothing_is_lost(harness, outcome)
            partly += 0 < len(self.remaining(harness)) < 3
            if outcome.status == 0:  # to drop the file from the cache failed, or to delete its other name, at first
                assert (outcome.struck[0], file_of(outcome)) in {("open", "o.spk"), ("unlink", "o.spk")}, outcome
        assert partly > 0 or fault.action == "flip"

    @pytest.mark.slow
    def test_a_source_that_changes_is_kept(self, harness):
        """It changes between any two system calls; if it is deleted, the archive holds the changed file."""
        name = "thread0.wav"
        changed = harness.sources | {name: harness.sources[name] + b"more"}
        job = harness.job("compress", "--remove-source", "--threads", 1)
        kept = 0
        for at in itertools.count(1):
            harness.reset({})
            fault = Fault("append", at, (*READING, *WRITING), path=str(harness.folder / "in" / name))
            outcome = harness.run(job, fault)
            if outcome.struck is None:
                break
            remaining = self.remaining(harness)
            if name in remaining:
                assert remaining == {name: changed[name]}
                assert outcome.status == 1
                assert re.search(f"{name}: changed (while|after) it was read", outcome.output)
                kept += 1
            else:
                assert harness.files() == {"o.spk": harness.archive_of(changed)}
        assert kept > 10

    def test_an_archive_that_is_damaged_on_the_disk_deletes_nothing(self, tmp_path, random, monkeypatch):
        def damage(archive: Path) -> None:
            data = bytearray(archive.read_bytes())
            data[len(data) // 2] ^= 1
            archive.write_bytes(data)

        monkeypatch.setattr(remove_source, "forget", damage)
        paths = write_session(tmp_path / "in", random)
        with pytest.raises(ArchiveError, match=r"o.spk: .*damaged: .*; no source is deleted; compress"):
            spikey_cli.compress(paths, tmp_path / "o.spk", remove_source=True)
        assert [path.exists() for path in paths] == [True, True]

    def test_a_source_that_is_left_out_is_kept(self, tmp_path, random):
        paths = write_session(tmp_path / "in", random)
        same = write_session(tmp_path / "other", random, 1)
        result = CliRunner().invoke(
            main, ["compress", "--remove-source", *map(str, [*paths, *same, tmp_path / "o.spk"])]
        )
        assert result.exit_code == 1
        assert "has the same name 'thread0.wav'" in result.output
        assert [path.exists() for path in (*paths, *same)] == [False, False, True]

    def test_a_link_is_kept(self, tmp_path, random):
        paths = write_session(tmp_path / "in", random)
        link = tmp_path / "link.wav"
        link.symlink_to(paths[0])
        with pytest.raises(InputError, match=r"link.wav: is a link or not a regular file, and is kept"):
            spikey_cli.compress([paths[1], link], tmp_path / "o.spk", remove_source=True)
        assert [path.exists() for path in (*paths, link)] == [True, False, True]

    def test_hard_links_are_all_deleted(self, tmp_path, random):
        (path,) = write_session(tmp_path / "in", random, 1, 600)
        os.link(path, tmp_path / "in" / "other.wav")
        os.link(path, tmp_path / "kept.wav")
        result = spikey_cli.compress([tmp_path / "in"], tmp_path / "o.spk", recursive=True, remove_source=True)
        assert (result.failures, list((tmp_path / "in").iterdir())) == ((), [])
        assert spikey_cli.verify(tmp_path / "o.spk").bytes == 2 * (tmp_path / "kept.wav").stat().st_size

    def test_dangerous_combinations_are_refused(self, tmp_path, random):
        paths = write_session(tmp_path / "in", random)
        archive = tmp_path / "o.spk"
        for options in ({"force": True}, {"verify": False}):
            with pytest.raises(ValueError, match="remove_source cannot be combined"):
                spikey_cli.compress(paths, archive, remove_source=True, **options)
        with pytest.raises(ValueError, match="some inputs are not files"):
            spikey_cli.compress([spikey_cli.BytesSource(b"1", "a")], archive, remove_source=True)
        archive.write_bytes(OLD)
        with pytest.raises(InputError, match="exists already"):
            spikey_cli.compress(paths, archive, remove_source=True)
        assert ([path.exists() for path in paths], archive.read_bytes()) == ([True, True], OLD)

    def test_an_own_model_must_be_embedded(self, tmp_path, random):
        paths = write_session(tmp_path / "in", random, frames=400)
        model = tmp_path / "mine.onnx"
        model.write_bytes(random_model(latent=4, peers=1, edges=default_predictor().profile.edges.tolist()))
        predictor = read_model(model)
        with pytest.raises(InputError, match="could not be restored without the model"):
            spikey_cli.compress(
                paths, tmp_path / "o.spk", remove_source=True, coder=spikey_cli.Encoding(predictor=predictor)
            )
        assert [path.exists() for path in paths] == [True, True]
        files = {path.name: path.read_bytes() for path in paths}
        spikey_cli.compress(
            paths,
            tmp_path / "o.spk",
            remove_source=True,
            coder=spikey_cli.Encoding(predictor=predictor, embed_model=True),
        )
        assert [path.exists() for path in paths] == [False, False]
        spikey_cli.decompress(tmp_path / "o.spk", tmp_path / "back")
        assert {path.name: path.read_bytes() for path in (tmp_path / "back").iterdir()} == files
