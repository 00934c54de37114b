"""Evaluation of several variants on all cores.

Processes are forked: they start at once and share what was imported and loaded.  Ctrl-C ends them
with the command.
"""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from .errors import DseError
from .evaluation import Evaluation, evaluate
from .space import Space
from .variants import Variant
from .workloads import Network

__all__ = ["evaluate_all"]


def evaluate_all(
    variants: Sequence[Variant], space: Space, network: Network, **models: Any
) -> list[Evaluation]:
    """Evaluate each variant on every point of the space, in the order of `variants`.

    `models` are those of `dse.evaluation.evaluate`.

    Raises
    ------
    DseError
        A process was killed.
    """
    pool = ProcessPoolExecutor(
        mp_context=multiprocessing.get_context("fork"),
        initializer=signal.signal,
        initargs=(signal.SIGINT, signal.SIG_IGN),
    )
    try:
        tasks = [pool.submit(evaluate, v, space, network, **models) for v in variants]
        results = [task.result()[0] for task in tasks]
    except BrokenProcessPool:
        raise DseError(
            "an evaluating process was killed (out of memory?); explore fewer --samples or one "
            "kind of --spads at a time"
        ) from None
    except KeyboardInterrupt:
        for process in list((pool._processes or {}).values()):
            process.terminate()
        raise
    pool.shutdown()
    return results
