"""Progress of several passes, and the duration of a stage."""

from __future__ import annotations

import logging

import pytest

from spikey_cli.system.progress import stages, timed, waiting, waits_for


def test_passes_report_one_operation():
    reported = []
    first, second = stages(lambda *report: reported.append(report), 2)
    first(50, 100, 2.5)
    first(100, 100, 2.5)
    second(100, 100)
    assert reported == [(50, 200, 2.5), (100, 200, 2.5), (200, 200, None)]


def test_without_a_callback_there_is_nothing_to_report():
    assert stages(None, 3) == [None, None, None]


def test_the_duration_of_a_stage_is_logged(caplog):
    with caplog.at_level(logging.INFO, "spikey_cli"), timed("compressed"):
        pass
    assert caplog.messages == ["compressed in 0.00 s"]


def test_a_failed_stage_is_not_logged(caplog):
    with (
        caplog.at_level(logging.INFO, "spikey_cli"),
        pytest.raises(ZeroDivisionError),
        timed("compressed"),
    ):
        _ = 1 // 0
    assert caplog.messages == []


def test_what_is_waited_for():
    assert waits_for() == ""
    with waiting("the first"):
        with pytest.raises(ZeroDivisionError), waiting("the second"):
            _ = 1 // (waits_for() != "the second")
        assert waits_for() == "the first"
    assert waits_for() == ""
