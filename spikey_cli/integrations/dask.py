"""Compression, decompression and verification of blocks on a Dask cluster.

    client       reads the sources, computes their checksums, writes the archive
    scheduler    distributes blocks to workers, as bytes that it does not interpret
    workers      encode or decode blocks, one on each of their threads

Workers share no files with the client: a block is sent with everything needed to code it. The scheduler keeps a block
until its result has reached the client, and sends it to another worker if the first one dies. The client writes blocks
in order, so the archive does not depend on the cluster.
"""

from __future__ import annotations

import asyncio
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
from ..system.progress import logger, waiting
from ..system.workers import Result, Task, Workers, processors

try:
    import dask
    from distributed import Client, KilledWorker, LocalCluster, WorkerPlugin, get_worker
except ImportError as error:
    raise MissingPackageError("a cluster needs Dask: pip install dask distributed") from error

LOCAL = "local"
"""Instead of an address: processes on this machine, which end with the context."""

PATIENCE = 60.0
"""Seconds to wait while a cluster has no worker."""

_BLOCKS_PER_THREAD = 2  # one is coded while the next one is sent
_CONNECT_TIMEOUT = 10.0  # seconds
_ANY_PORT = "127.0.0.1:0"
_CLOSE_TIMEOUT = 0.5  # seconds for a local worker to end before it is killed
_POLL_INTERVAL = 1.0  # seconds between two checks of the workers
_INSTALL = "install spikey-cli {} there with pip, from the same wheel or checkout as here"


class Cluster(Workers):
    """Threads of the workers of a Dask cluster; their number may change. `open_cluster` creates it."""

    pool: _Pool

    @property
    def max_pending(self) -> int:
        """Blocks sent or coded at a time: the scheduler and the client hold as many in memory."""
        return _BLOCKS_PER_THREAD * self.pool.threads

    def map(self, function: Callable[[Task], Result], tasks: Sequence[Task]) -> list[Result]:
        """Results of `function` for each of `tasks`, in order."""
        return list(self.in_turn(function, tasks))

    def result(self, future: Future[Result]) -> Result:
        """Result of a task, or the exception it raised. Raises ClusterError if the cluster fails."""
        return self.pool.result(future)


@contextmanager
def open_cluster(
    address: str | Client = LOCAL, *, workers: int | None = None, patience: float = PATIENCE
) -> Iterator[Cluster]:
    """Connect to a Dask cluster, or start one, for the duration of a context.

    The result is the argument `workers` of `spikey_cli.compress`, `spikey_cli.decompress` and `spikey_cli.verify`.

    Parameters
    ----------
    address : str or distributed.Client, optional
        Address of a scheduler, such as ``"tcp://10.0.0.1:8786"``; a client, which stays open; or ``"local"`` for worker
        processes on this machine, which end with the context.
    workers : int, optional
        Local: number of worker processes; by default one for each processor. Otherwise: the greatest number of worker
        threads that code blocks of this client at a time; by default all. It also bounds the memory that blocks take in
        the scheduler.
    patience : float, optional
        Seconds to wait while the cluster has no worker, at first and later.

    Yields
    ------
    Cluster

    Raises
    ------
    ClusterError
        If no scheduler answers, no worker joins in time, or the scheduler or a worker has another release of
        spikey-cli.

    Examples
    --------
    >>> from spikey_cli.integrations.dask import open_cluster
    >>> with open_cluster("tcp://10.0.0.1:8786") as cluster:  # doctest: +SKIP
    ...     spikey_cli.compress(["left.wav"], "session.spk", workers=cluster)
    """
    # Dask advises against large tasks, but workers have no other way to get a block
    with dask.config.set({"distributed.admin.large-graph-warning-threshold": "1 TiB"}):
        if isinstance(address, Client):
            yield _checked(address, workers, patience)
        elif address == LOCAL:
            with _start_local(workers or processors()) as client:
                yield _checked(client, workers, patience)
        else:
            with _connect(address) as client:
                yield _checked(client, workers, patience)


def _local_cluster(n_workers: int) -> LocalCluster:
    try:
        return LocalCluster(
            n_workers=n_workers, threads_per_worker=1, dashboard_address=_ANY_PORT, silence_logs=logging.CRITICAL
        )
    except (OSError, RuntimeError) as error:
        raise ClusterError(
            f"worker processes cannot be started on this machine ({error}); work without a cluster"
        ) from error


@contextmanager
def _start_local(n_workers: int) -> Iterator[Client]:
    with _local_cluster(n_workers) as local, Client(local, set_as_default=False) as client:
        client.register_plugin(_LocalWorker())
        try:
            yield client
        except BaseException:
            local.sync(_close_workers, local)
            raise


class _LocalWorker(WorkerPlugin):
    """Lets a local worker process end quickly and without output."""

    def setup(self, worker: object) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in a terminal is for the client, which ends its workers


async def _close_workers(cluster: LocalCluster) -> None:
    """Close workers at once: their results are not needed."""
    await asyncio.gather(*(nanny.close(timeout=_CLOSE_TIMEOUT) for nanny in cluster.workers.values()))


def _connect(address: str) -> Client:
    try:
        return Client(address, timeout=_CONNECT_TIMEOUT, set_as_default=False)
    except (OSError, ValueError) as error:
        raise ClusterError(
            f"{address}: no Dask scheduler answers ({error}); check the address and that `dask scheduler` runs there"
        ) from error


def _checked(client: Client, max_threads: int | None, patience: float) -> Cluster:
    """The cluster of a client, once it has a worker and all of it has this release."""
    address = client.scheduler.address
    try:
        with waiting("waiting for workers"):
            client.wait_for_workers(1, timeout=patience)
    except TimeoutError as error:
        raise ClusterError(f"{address}: has no workers; start some with `dask worker {address}`") from error
    try:
        releases = {"the scheduler": client.run_on_scheduler(_release)}
    except Exception as error:  # Dask raises its own error if the scheduler cannot import this module
        releases = {"the scheduler": error}
    answers = client.run(_release, on_error="return")
    # an OSError means that the worker is gone
    releases |= {worker: answer for worker, answer in answers.items() if not isinstance(answer, OSError)}
    for node, release in releases.items():
        if release != spikey_cli.__version__:
            state = f"cannot import spikey-cli ({release})" if isinstance(release, Exception) else f"has {release}"
            raise ClusterError(
                f"{address}: {node} {state}, and this is {spikey_cli.__version__}; "
                + _INSTALL.format(spikey_cli.__version__)
            )
    pool = _Pool(client, max_threads, patience)
    logger.info("%s: workers: %d, threads: %d", address, len(releases) - 1, pool.threads)
    return Cluster(pool, pool.threads)


def _release() -> str:
    return spikey_cli.__version__


class _Pool(Executor):
    """Executor on the workers of a cluster, whose presence it checks while it waits."""

    def __init__(self, client: Client, max_threads: int | None, patience: float) -> None:
        self._client = client
        self._address = client.scheduler.address
        self._executor = client.get_executor(pure=False)
        self._patience = patience
        self._max_threads = max_threads
        self._last_worker_time = time.monotonic()
        self.threads = 0
        """Threads of all workers at the last check, at most `max_threads`."""
        self._check_workers()

    def submit(self, function: Callable[..., Any], /, *arguments: Any, **named: Any) -> Future[Any]:
        """Call `function` on a worker."""
        return self._executor.submit(_run, spikey_cli.__version__, Parcel.of((function, *arguments)))

    def result(self, future: Future[Any]) -> Any:
        """Result of a call. Raises ClusterError if the cluster fails."""
        while not wait_for([future], timeout=_POLL_INTERVAL).done:
            self._check_workers()
        if time.monotonic() > self._check_time + _POLL_INTERVAL:
            self._check_workers()
        try:
            return future.result().opened()
        except CancelledError as error:
            raise self._failed("the connection to the scheduler is lost", "check its log and try again") from error
        except KilledWorker as error:
            raise self._failed(
                f"several workers died while coding the same block ({error})",
                "give workers more memory, or fewer threads each",
            ) from error
        except ImportError as error:
            raise self._failed(
                f"a worker cannot import spikey-cli ({error})", _INSTALL.format(spikey_cli.__version__)
            ) from error

    def _check_workers(self) -> None:
        """Count the workers' threads. Raises ClusterError if there have been none for too long."""
        try:
            threads = sum(self._client.nthreads().values())
        except (OSError, ValueError) as error:  # ValueError: the client is closed
            raise self._failed(
                f"the connection to the scheduler is lost ({error})", "check its log and try again"
            ) from error
        self.threads = min(threads, self._max_threads or threads)
        self._check_time = time.monotonic()
        if threads:
            self._last_worker_time = self._check_time
        elif self._check_time > self._last_worker_time + self._patience:
            raise self._failed(
                f"has had no workers for {self._patience:.0f} s", f"start some with `dask worker {self._address}`"
            )

    def _failed(self, reason: str, remedy: str) -> ClusterError:
        return ClusterError(f"{self._address}: {reason}; {remedy}")


@dataclass(frozen=True)
class Parcel:
    """A pickled object that the scheduler passes on without unpickling it.

    Its large buffers are one array, which Dask sends without the copies that it makes of bytes.
    """

    pickled: bytes
    sizes: list[int]
    """Size of each buffer in bytes."""
    buffers: np.ndarray
    """All buffers, uint8."""

    @classmethod
    def of(cls, content: object) -> Parcel:
        """Pickle an object."""
        parts: list[pickle.PickleBuffer] = []
        pickled = pickle.dumps(content, pickle.HIGHEST_PROTOCOL, buffer_callback=parts.append)
        arrays = [np.frombuffer(part.raw(), np.uint8) for part in parts]
        return cls(pickled, [array.size for array in arrays], np.concatenate([np.zeros(0, np.uint8), *arrays]))

    def opened(self) -> Any:
        """Unpickle the object."""
        ends = list(itertools.accumulate(self.sizes, initial=0))
        return pickle.loads(
            self.pickled, buffers=[self.buffers.data[first:stop] for first, stop in itertools.pairwise(ends)]
        )


def _run(release: str, call: Parcel) -> Parcel:
    """Run a call on a worker. Raises ClusterError if the worker has another release or computes wrongly."""
    if release != spikey_cli.__version__:
        raise ClusterError(
            f"{get_worker().address}: has spikey-cli {spikey_cli.__version__}, and the client has {release}; "
            + _INSTALL.format(release)
        )
    function, *arguments = call.opened()
    try:
        result = function(*arguments)
    except SelfTestError as error:  # do not write a larger archive because of one machine
        raise ClusterError(f"{get_worker().address}: {error}; or take that worker out of the cluster") from error
    return Parcel.of(result)
