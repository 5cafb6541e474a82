"""Where tasks run: in this process, in processes of this machine, or on a cluster through Dask."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Protocol

from jetnae.errors import InputError, MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")
SCHEDULERS = {"htcondor": "HTCondorCluster", "slurm": "SLURMCluster"}


class Pool(Protocol):
    """Workers that take a function and what to call it with."""

    @property
    def n_workers(self) -> int:
        """How many work at the moment."""

    @property
    def n_slots(self) -> int:
        """How many tasks to hand out at once, so that nobody waits."""

    def submit(self, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
        """Begin to call a function somewhere."""

    def restart(self) -> None:
        """Replace workers that have died."""


class HerePool:
    """This process: one task after the other."""

    n_workers = n_slots = 1

    def submit(self, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
        """Call a function now."""
        future: Future[Any] = Future()
        future.set_result(function(*arguments))
        return future

    def restart(self) -> None:
        """Nothing to replace."""


class LocalPool:
    """Processes of this machine with one thread each, that end with this one, whatever ends it."""

    def __init__(self, n_workers: int) -> None:
        self.n_workers, self.n_slots = n_workers, 2 * n_workers
        self._executor: Executor = self._start()

    def _start(self) -> ProcessPoolExecutor:
        context = multiprocessing.get_context("spawn")  # a copy of a process with threads may hang
        return ProcessPoolExecutor(self.n_workers, mp_context=context, initializer=_begin_worker)

    def submit(self, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
        """Call a function in one of the processes."""
        return self._executor.submit(function, *arguments)

    def restart(self) -> None:
        """Begin with new processes: with one of them the executor gives up all."""
        self.close()
        self._executor = self._start()

    def close(self) -> None:
        """End the processes, also in the middle of their work: what they write appears only once complete."""
        processes = list((getattr(self._executor, "_processes", None) or {}).values())
        self._executor.shutdown(wait=False, cancel_futures=True)
        for process in processes:
            with suppress(OSError, ValueError):
                process.kill()
        for process in processes:
            with suppress(OSError, ValueError, AssertionError):
                process.join(timeout=10)


def _begin_worker() -> None:
    """One thread, deaf to the keyboard, and gone when the parent is gone: called before anything heavy is imported."""
    os.environ.update(dict.fromkeys(THREADS, "1"))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_follow, args=(parent,), daemon=True).start()


def _follow(parent: Any) -> None:
    parent.join()
    os._exit(1)


class DaskPool:
    """The workers of a Dask cluster, whoever started it."""

    def __init__(self, client: Any) -> None:
        self._client = client
        # a task that ends its worker is tried on others by the scheduler; all other retries are ours
        self._executor: Executor = client.get_executor(pure=False, retries=0)

    @property
    def n_workers(self) -> int:
        """Workers that are there now; on a batch system they come one by one."""
        return len(self._client.nthreads())

    @property
    def n_slots(self) -> int:
        """Enough for those that will come before anybody asks again."""
        return max(4 * self.n_workers, 16)

    def submit(self, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
        """Call a function on one of the workers."""
        return self._executor.submit(function, *arguments)

    def __enter__(self) -> DaskPool:
        return self

    def __exit__(self, *error: object) -> None:
        self._executor.shutdown(wait=False)  # which cancels what has not begun

    def restart(self) -> None:
        """The nannies of Dask and the batch system replace workers."""


@contextmanager
def here() -> Iterator[Pool]:
    """No other process."""
    yield HerePool()


@contextmanager
def local(n_workers: int) -> Iterator[Pool]:
    """Processes of this machine; raises `InputError` for less than one."""
    if n_workers < 1:
        raise InputError(f"{n_workers} workers, expected at least 1")
    pool = LocalPool(n_workers)
    try:
        yield pool
    finally:
        pool.close()


@contextmanager
def dask(address: str) -> Iterator[Pool]:
    """The workers of a running scheduler; raises `InputError` where there is none."""
    distributed = _distributed()
    try:
        client = distributed.Client(address, timeout=20)
    except (OSError, ValueError, TimeoutError) as error:
        raise InputError(f"--dask {address}: no scheduler answers ({error}), expected HOST:PORT") from error
    with client, DaskPool(client) as pool:
        yield pool


@contextmanager
def jobqueue(system: str, config: Path) -> Iterator[Pool]:
    """Workers as jobs of a batch system; `config` has the options of dask-jobqueue and `jobs`, how many of them.

    Raises `InputError` for an unknown system or options that cannot be understood.
    """
    from jetnae.config import read_toml

    if system not in SCHEDULERS:
        raise InputError(f"--dask-jobqueue {system}: expected one of {', '.join(SCHEDULERS)}")
    distributed = _distributed()
    try:
        import dask_jobqueue
    except ImportError as error:
        raise MissingExtraError("--dask-jobqueue needs dask-jobqueue: pip install dask-jobqueue") from error
    options = dict(read_toml(config))
    n_jobs = options.pop("jobs", 1)
    options = {"cores": 1, "processes": 1, **options}
    try:
        cluster = getattr(dask_jobqueue, SCHEDULERS[system])(**options)
        cluster.scale(jobs=int(n_jobs))
    except (TypeError, ValueError) as error:
        raise InputError(f"{config}: {error}") from error
    with cluster, distributed.Client(cluster) as client, DaskPool(client) as pool:
        yield pool


def _distributed() -> Any:
    try:
        import distributed
    except ImportError as error:
        raise MissingExtraError("a cluster needs Dask: pip install 'jetnae[dask]'") from error
    return distributed
