"""Processes and threads that work beside another one: with their share of the processors, and not longer than it."""

import ctypes
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from multiprocessing import current_process
from pathlib import Path
from threading import Event, Thread, current_thread, main_thread
from types import FrameType

from joblib import Parallel, delayed
from joblib.parallel import get_active_backend

from pipelines.files import remove_leftovers
from pipelines.interruption import ENDING

LOOK_SECONDS = 0.3
PR_SET_PDEATHSIG = 1  # of Linux's prctl


@contextmanager
def started_workers(jobs: int | None, tasks: int) -> Iterator[Parallel]:
    """Workers that leave Ctrl-C and its like to this process, and end with it however it ends.

    Args:
        jobs: how many; None as joblib is configured, which may name another backend.
        tasks: for how many they are started.
    """
    own = type(get_active_backend()[0]).__name__ == "LokyBackend"  # others do not take an initializer
    begin = {"initializer": _begin, "initargs": (os.getpid(),)} if own else {}
    with ExitStack() as stack:
        # a worker that Ctrl-C reached while it starts would fill the screen with what it was importing
        with postponed_interrupts():
            parallel = stack.enter_context(Parallel(n_jobs=jobs, batch_size=1, **begin))
            parallel(delayed(os.getpid)() for _ in range(tasks))
        yield parallel


def _begin(main: int) -> None:
    # Ctrl-C reaches every process of a terminal; the main one alone says what it means, and ends the workers
    for number in ENDING:
        signal.signal(number, signal.SIG_IGN)
    end_with_parent(main)


def end_with_parent(main: int) -> None:
    """End this process when its parent has ended, so that it does not go on beside the worker of the next run.

    Whatever it is doing then: its work must be written so that this does no harm. Nothing happens in the process that
    wants the work.

    Args:
        main: id of the process that wants the work. It started joblib's own workers itself, and may be gone already;
            those of other backends have other parents.
    """
    if os.getpid() == main:
        return
    if current_process().name.startswith("LokyProcess"):
        if sys.platform == "linux":  # at once, also while a kernel runs or is compiled
            with suppress(OSError, AttributeError):
                ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != main:
            os._exit(1)
    _end_with(os.getppid())


def remove_leftovers_below(folder: Path) -> None:
    """Remove the temporary files that workers who were ended left in a folder and in those below it."""
    for place in [folder, *(path for path in folder.rglob("*") if path.is_dir())]:
        remove_leftovers(place)


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
def postponed_interrupts() -> Iterator[None]:
    """Answer Ctrl-C and its like at the end, and never in processes started meanwhile: they inherit blocked signals."""
    if current_thread() is not main_thread():  # where Python allows no other answer to signals
        yield
        return
    missed: list[tuple[int, FrameType | None]] = []
    answers = {number: answer for number in ENDING if callable(answer := signal.getsignal(number))}
    for number in answers:
        signal.signal(number, lambda *about: missed.append(about))  # another thread may get it, which blocks nothing
    blocks = hasattr(signal, "pthread_sigmask")
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING) if blocks else set()
    try:
        yield
    finally:
        if blocks:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        for number, answer in answers.items():
            signal.signal(number, answer)
    for received, frame in missed[:1]:
        answers[signal.Signals(received)](received, frame)


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
