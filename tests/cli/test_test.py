"""`spikey test`."""

from __future__ import annotations

from support.command import run


def test_an_intact_archive(archive):
    assert run("test", archive) == f"{archive}: 2 files, 120.09 kB decoded and compared: OK\n"


def test_a_model_that_the_archive_does_not_need_is_not_used(archive):
    """As docs/command-line.md says."""
    assert run("test", "--model", "n1-peers", archive) == run("test", archive)


def test_damage_is_named(damaged):
    printed = run("test", damaged, status=1)
    assert "decoded and compared: damaged\n" in printed
    assert "are lost" in printed
    assert "or recover what is intact (spikey decompress --keep-going)" in printed


def test_a_limit_is_no_damage(archive):
    printed = run("test", "--max-expansion", "1", archive, status=1)
    assert printed.startswith(f"{archive}: 0 files, 0 B decoded and compared: not completely\n")
    assert "take longer to decode than is usual; if you trust it, raise the limit (--max-expansion)\n" in printed
    assert "damaged" not in printed


def test_a_live_stream(live):
    assert run("test", live) == f"{live}: live stream, 500 frames decoded and compared: OK\n"
    assert "leave out --threads" in run("test", "--threads", "2", live, status=2)


def test_files_that_are_not_archives(wavs):
    for command in ("info", "test"):
        assert f"{wavs[0].name}: not a Spikey archive of files" in run(command, wavs[0], status=1)
