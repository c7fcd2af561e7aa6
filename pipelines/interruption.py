"""Ctrl-C, `kill` and a terminal that is closed: all three end a command in one sentence, when it has cleaned up.

This imports nothing heavy, so that it answers before anything else is imported.
"""

import os
import signal
from collections.abc import Callable
from types import FrameType

# a terminal that is closed sends SIGHUP, which not every system has
ENDING = tuple(number for number in signal.Signals if number.name in {"SIGINT", "SIGTERM", "SIGHUP"})

_received: int | None = None


def end_at_once() -> None:
    """From now on such a signal ends the process where it is: there is nothing to clean up, or it was done."""
    _answer(_end)


def raise_interrupts() -> None:
    """From now on such a signal raises KeyboardInterrupt in the main thread, so that all work cleans up."""
    _answer(_raise)


def exit_status() -> int:
    """The exit status of a command that was interrupted: 128 and the number of the signal, of Ctrl-C's by default."""
    return 128 + (_received or signal.SIGINT)


def _answer(answer: Callable[[int, FrameType | None], None]) -> None:
    for number in ENDING:
        # what nohup, or a shell for its background, has switched off stays so
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, answer)


def _end(number: int, frame: FrameType | None) -> None:
    try:
        if _received is None:  # else it has been said
            os.write(2, b"scratchnet: interrupted\n")
    finally:
        os._exit(128 + number)


def _raise(number: int, frame: FrameType | None) -> None:
    global _received
    _received = number
    raise KeyboardInterrupt
