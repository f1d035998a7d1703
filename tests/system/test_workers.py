"""Work is shared among threads, and results keep their order."""

from __future__ import annotations

import pickle
import threading

import pytest

from spikey_cli.system.workers import Workers, open_workers, processors


@pytest.mark.parametrize("count", [1, 3])
def test_results_are_in_the_order_of_the_tasks(count):
    with open_workers(count) as workers:
        assert workers.count == count
        assert workers.map(lambda x: x * x, range(50)) == [x * x for x in range(50)]
        assert list(workers.in_turn(lambda x: x * x, iter(range(50)))) == [x * x for x in range(50)]


def test_there_is_one_thread_per_processor_by_default():
    for default in (None, 0):
        with open_workers(default) as workers:
            assert workers.count == processors()


def test_negative_numbers_of_threads_are_refused():
    with pytest.raises(ValueError, match="workers=-1: pass a number of threads, or None"), open_workers(-1):
        pass


def test_tasks_are_taken_as_workers_become_free():
    """At most one task more than there are workers is pending, so that few blocks are in memory."""
    taken = []

    def tasks():
        for i in range(20):
            taken.append(i)
            yield i

    with open_workers(2) as workers:
        for done, _ in enumerate(workers.in_turn(lambda x: x, tasks())):
            assert len(taken) <= done + 3


def test_an_error_cancels_the_tasks_that_have_not_started():
    started = []
    release = threading.Event()

    def work(i):
        started.append(i)
        if i == 0:
            raise ValueError("the first one")
        release.wait(10)
        return i

    with open_workers(2) as workers:
        results = workers.in_turn(work, range(100))
        with pytest.raises(ValueError, match="the first one"):
            next(results)
        release.set()
    assert len(started) <= 4


@pytest.mark.parametrize(("blocks", "across", "within"), [(1, 1, 3), (5, 1, 3), (6, 3, 1), (100, 3, 1)])
def test_many_blocks_are_coded_in_parallel_and_few_one_after_another(blocks, across, within):
    workers = Workers(None, 3)
    assert [w.count for w in workers.for_blocks(blocks)] == [across, within]


def test_a_cluster_takes_all_blocks():
    cluster = Workers(None, 8)
    with open_workers(cluster) as workers:
        across, within = workers.for_blocks(1)
    assert across is cluster
    assert within.cluster is None


def test_pickled_workers_work_alone():
    with open_workers(3) as workers:
        assert pickle.loads(pickle.dumps(workers)) == Workers(None, 1)
