"""Processes and threads that work beside another one: with their share of the processors, and not longer than it."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from multiprocessing import current_process
from threading import Event, Thread, current_thread, main_thread

LOOK_SECONDS = 0.3


def end_with_parent(main: int) -> None:
    """End this process when its parent has ended, so that it does not go on beside the worker of the next run.

    Whatever it is doing then: its work must be written so that this does no harm.

    Args:
        main: id of the process that wants the work. It started joblib's own workers itself, and may be gone already;
            those of other backends have other parents.
    """
    if current_process().name.startswith("LokyProcess") and os.getppid() != main:
        os._exit(1)
    _end_with(os.getppid())


@cache
def _end_with(parent: int) -> None:
    def look() -> None:
        while os.getppid() == parent:
            time.sleep(LOOK_SECONDS)
        os._exit(1)

    Thread(target=look, daemon=True).start()


@contextmanager
def meanwhile(action: Callable[[], None], seconds: float) -> Iterator[None]:
    """Do something again and again, in another thread, and once more at the end.

    Args:
        action: must not raise.
        seconds: between one time and the next.
    """
    over = Event()

    def repeat() -> None:
        while not over.wait(seconds):
            action()
        action()

    thread = Thread(target=repeat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@contextmanager
def without_interrupts() -> Iterator[None]:
    """Ignore Ctrl-C for a moment, and for ever in the processes that are started meanwhile, which inherit that."""
    if current_thread() is not main_thread():  # where Python allows no other answer to signals
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def limit_threads(threads: int, *, tensorflow: bool = False) -> Iterator[None]:
    """Let this thread's work use at most so many threads: our kernels, linear algebra and OpenCV.

    Args:
        threads: at least 1.
        tensorflow: limit TensorFlow too. This lasts as long as the process, and has no effect where it has computed
            something already.
    """
    import cv2
    import numba
    from threadpoolctl import threadpool_limits

    kernels, pictures = numba.get_num_threads(), cv2.getNumThreads()
    if tensorflow:
        _limit_tensorflow(threads)
    # Numba can only use as many as its pool was started with
    numba.set_num_threads(min(threads, numba.config.NUMBA_NUM_THREADS))
    cv2.setNumThreads(threads)
    try:
        with threadpool_limits(threads):
            yield
    finally:
        cv2.setNumThreads(pictures)
        numba.set_num_threads(kernels)


def _limit_tensorflow(threads: int) -> None:
    from pipelines.twin import import_keras

    import_keras()  # says what is missing, and how TensorFlow is to be loaded
    import tensorflow

    try:
        tensorflow.config.threading.set_intra_op_parallelism_threads(threads)
        tensorflow.config.threading.set_inter_op_parallelism_threads(threads)
    except RuntimeError:  # it is at work already: a worker's second fold, which has the limit of the first
        return
