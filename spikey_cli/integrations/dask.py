"""Blocks on a cluster of Dask: `spikey compress --dask ADDRESS`, and the argument `workers` of `spikey_cli.compress`.

    client       reads the sources, takes their checksums, writes the archive
    scheduler    passes blocks on, as bytes that it need not understand, and knows who has which
    workers      code blocks, or decode them, one on each of their threads

A block takes with it all that coding it takes: workers share no files with the client. The scheduler keeps it until
the client has what became of it, so that where a worker dies another one begins its blocks anew. Blocks are written in
their order, whoever coded them: the archive is the one that is written without a cluster.
"""

from __future__ import annotations

import asyncio
import atexit
import gc
import itertools
import logging
import pickle
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError, Executor, Future
from concurrent.futures import wait as wait_for
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

import spikey_cli

from ..errors import ClusterError, MissingPackageError, SelfTestError
from ..system.progress import logger
from ..system.workers import Result, Task, Workers, processors

try:
    import dask
    from distributed import Client, KilledWorker, LocalCluster, WorkerPlugin, get_worker
except ImportError as error:
    raise MissingPackageError("a cluster needs Dask: pip install 'spikey-cli[dask]'") from error

LOCAL = "local"
"""Stands for the address of a cluster that is made for a while, of processes on this machine."""

PATIENCE = 60.0
"""Seconds without any worker, after which none is waited for any longer."""

_BLOCKS_A_THREAD = 2  # one that is coded, and one that waits for its turn there while others travel
_ANSWER = 10.0  # seconds for a scheduler to answer
_ANY_PORT = "127.0.0.1:0"
_GRACE = 0.5  # seconds for a local worker to end, before it is killed
_POLL = 1.0  # seconds from one look at the workers to the next
_REMEDY = "install the same release of spikey-cli there: pip install spikey-cli=={}"


class Cluster(Workers):
    """Workers of a Dask cluster, as many as there are at a time. Made by `open_cluster`."""

    pool: _Pool

    @property
    def max_pending(self) -> int:
        """Blocks that are on their way or coded at a time: so many are in the memory of scheduler and client."""
        return _BLOCKS_A_THREAD * self.pool.threads

    def map(self, function: Callable[[Task], Result], tasks: Sequence[Task]) -> list[Result]:
        """Results of `function` for each of `tasks`, in order."""
        return list(self.in_turn(function, tasks))

    def result(self, future: Future[Result]) -> Result:
        """What a task gave, or the exception that it raised. Raises ClusterError where the cluster fails."""
        return self.pool.result(future)


@contextmanager
def open_cluster(
    given: str | Client = LOCAL, *, workers: int | None = None, patience: float = PATIENCE
) -> Iterator[Cluster]:
    """A cluster for a while, to be given as `workers` to `spikey_cli.compress`, `decompress` or `verify`.

    Args:
        given: the address of a scheduler, such as "tcp://10.0.0.1:8786"; a `distributed.Client`, which stays open; or
            "local", for one of processes on this machine, which ends with the context.
        workers: how many a local one has; by default one for each processor. Of any other, how many threads have blocks
            of ours at a time, where it has more: others may work there too, and each block lies in the scheduler's
            memory.
        patience: how many seconds to wait where there is no worker, at first or later.

    Raises ClusterError where no scheduler answers, no worker comes, or one has another release of spikey-cli.
    """
    # a block is meant to travel with its task: where its worker dies, there is nowhere else to get it from
    with dask.config.set({"distributed.admin.large-graph-warning-threshold": "1 TiB"}):
        if isinstance(given, Client):
            yield _checked(given, workers, patience)
        elif given == LOCAL:
            with _local(workers or processors()) as client:
                yield _checked(client, workers, patience)
        else:
            with _connected(given) as client:
                yield _checked(client, workers, patience)


@contextmanager
def _local(count: int) -> Iterator[Client]:
    with (
        LocalCluster(
            n_workers=count, threads_per_worker=1, dashboard_address=_ANY_PORT, silence_logs=logging.ERROR
        ) as local,
        Client(local, set_as_default=False) as client,
    ):
        client.register_plugin(_LocalWorker())
        try:
            yield client
        except BaseException:
            local.sync(_end_at_once, local)
            raise


class _LocalWorker(WorkerPlugin):
    """Makes the end of a process that lives no longer than the client short and silent."""

    def setup(self, worker: object) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C at a terminal is for the client, which ends its workers
        atexit.register(gc.freeze)  # a look for garbage among what Numba makes finds none, in two seconds


async def _end_at_once(cluster: LocalCluster) -> None:
    # what they are at is wanted no more
    await asyncio.gather(*(nanny.close(timeout=_GRACE) for nanny in cluster.workers.values()))


def _connected(address: str) -> Client:
    try:
        return Client(address, timeout=_ANSWER, set_as_default=False)
    except (OSError, ValueError) as error:
        raise ClusterError(
            f"{address}: no scheduler of Dask answers there ({error}); check the address, and that `dask scheduler` "
            "runs there"
        ) from error


def _checked(client: Client, most_threads: int | None, patience: float) -> Cluster:
    """The cluster of a client, once a worker is there, and all have this release."""
    address = client.scheduler.address
    try:
        client.wait_for_workers(1, timeout=patience)
    except TimeoutError as error:
        raise ClusterError(f"{address}: has no workers; start some with `dask worker {address}`") from error
    try:
        found = {"the scheduler": client.run_on_scheduler(_release)}
    except Exception as error:  # that it cannot import this module, as Dask words it
        found = {"the scheduler": error}
    workers = client.run(_release, on_error="return")
    found |= {where: answer for where, answer in workers.items() if not isinstance(answer, OSError)}  # it is gone
    for where, release in found.items():
        if release != spikey_cli.__version__:
            has = f"has no spikey-cli that works ({release})" if isinstance(release, Exception) else f"has {release}"
            raise ClusterError(
                f"{address}: {where} {has}, and this is {spikey_cli.__version__}; "
                + _REMEDY.format(spikey_cli.__version__)
            )
    pool = _Pool(client, most_threads, patience)
    logger.info("%s: workers: %d, threads: %d", address, len(found) - 1, pool.threads)
    return Cluster(pool, pool.threads)


def _release() -> str:
    return spikey_cli.__version__


class _Pool(Executor):
    """The client of a cluster, and what is known of its workers."""

    def __init__(self, client: Client, most_threads: int | None, patience: float) -> None:
        self._client = client
        self._address = client.scheduler.address
        self._executor = client.get_executor(pure=False)
        self._patience = patience
        self._most_threads = most_threads
        self._seen = time.monotonic()
        self.threads = 0
        """Of all workers, when they were last looked at, or as many of them as are to be used."""
        self._look()

    def submit(self, function: Callable[..., Any], /, *arguments: Any, **named: Any) -> Future[Any]:
        """Begin `function` of one task."""
        return self._executor.submit(_work, spikey_cli.__version__, Parcel.of((function, *arguments)))

    def result(self, future: Future[Any]) -> Any:
        """What came of a task. Raises ClusterError where the cluster fails."""
        while not wait_for([future], timeout=_POLL).done:
            self._look()
        if time.monotonic() > self._asked + _POLL:
            self._look()
        try:
            return future.result().opened()
        except CancelledError as error:
            raise self._lost("the connection to the scheduler is lost", "look at its log, and try again") from error
        except KilledWorker as error:
            raise self._lost(
                f"worker after worker died with the same block ({error})",
                "give workers more memory, or fewer threads each",
            ) from error
        except ImportError as error:
            raise self._lost(
                f"a worker has no spikey-cli that works ({error})", _REMEDY.format(spikey_cli.__version__)
            ) from error

    def _look(self) -> None:
        """Count the workers' threads. Raises ClusterError where there were none for too long."""
        try:
            threads = sum(self._client.nthreads().values())
        except (OSError, ValueError) as error:  # what a client that is closed raises
            raise self._lost(
                f"the connection to the scheduler is lost ({error})", "look at its log, and try again"
            ) from error
        self.threads = min(threads, self._most_threads or threads)
        self._asked = time.monotonic()
        if threads:
            self._seen = self._asked
        elif self._asked > self._seen + self._patience:
            raise self._lost(
                f"has had no workers for {self._patience:.0f} s", f"start some with `dask worker {self._address}`"
            )

    def _lost(self, what: str, remedy: str) -> ClusterError:
        return ClusterError(f"{self._address}: {what}; {remedy}")


@dataclass(frozen=True)
class Parcel:
    """Anything that can be pickled, for Dask to pass on: only who opens it need know what is in it.

    Its large buffers lie in one array, which Dask sends as it stands, where it would copy bytes several times.
    """

    pickled: bytes
    sizes: list[int]
    """Bytes of each buffer."""
    buffers: np.ndarray

    @classmethod
    def of(cls, content: object) -> Parcel:
        """Pack something."""
        parts: list[pickle.PickleBuffer] = []
        pickled = pickle.dumps(content, pickle.HIGHEST_PROTOCOL, buffer_callback=parts.append)
        arrays = [np.frombuffer(part.raw(), np.uint8) for part in parts]
        return cls(pickled, [array.size for array in arrays], np.concatenate([np.zeros(0, np.uint8), *arrays]))

    def opened(self) -> Any:
        """What is in it."""
        ends = list(itertools.accumulate(self.sizes, initial=0))
        return pickle.loads(
            self.pickled, buffers=[self.buffers.data[first:stop] for first, stop in itertools.pairwise(ends)]
        )


def _work(release: str, task: Parcel) -> Parcel:
    """What a worker does with a block. Raises ClusterError where it cannot be trusted with it."""
    if release != spikey_cli.__version__:
        raise ClusterError(
            f"{get_worker().address}: has spikey-cli {spikey_cli.__version__}, and the client has {release}; "
            + _REMEDY.format(release)
        )
    function, *arguments = task.opened()
    try:
        done = function(*arguments)
    except SelfTestError as error:  # the archive need not be larger for one machine's sake
        raise ClusterError(f"{get_worker().address}: {error}; or take that worker out of the cluster") from error
    return Parcel.of(done)
