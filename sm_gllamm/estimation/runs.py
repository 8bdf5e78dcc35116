"""Runs from several starts, one after another or in threads."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Event, local
from typing import Any

import numpy as np

__all__ = ["available_threads", "runs_in_threads"]


def available_threads(asked: int | None) -> int:
    """Threads asked for, or as many as there are processors."""
    if asked is not None:
        return asked
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def runs_in_threads(
    run: Callable[[np.ndarray, Any], Any], starts: Iterable[np.ndarray], make: Callable[[], Any],
    threads: int, stop: Event,
) -> Iterator[Any]:  # fmt: skip
    """Outcomes of runs, in the order of their starts whatever the threads.

    Parameters
    ----------
    run : callable
        ``run(theta, likelihood)``.
    starts : iterable of ndarray
    make : callable
        A likelihood for a thread of its own.
    threads : int
    stop : Event
        Set when the user interrupts: runs have to end soon then.

    Yields
    ------
    object
        What `run` returns.
    """
    own = local()

    def task(theta):
        if not hasattr(own, "likelihood"):
            own.likelihood = make()
        return run(theta, own.likelihood)

    with ThreadPoolExecutor(threads) as pool:
        futures = []
        try:
            for theta in starts:
                futures.append(pool.submit(task, theta))
            for future in futures:
                yield future.result()
        except KeyboardInterrupt:
            stop.set()
            for future in futures:
                future.cancel()
            raise
