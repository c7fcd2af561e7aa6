"""Where nobody watches, long work says line by line what it is at, on the standard error alone."""

import io
import sys

import pytest

from pipelines import console
from pipelines.console import progress


@pytest.mark.parametrize("coloured", [False, True])
def test_a_stage_is_told_when_it_begins_with_what_is_under_way_in_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, coloured: bool
) -> None:
    # as a variable such as FORCE_COLOR has it, of outputs that are files all the same
    monkeypatch.setattr(console.console, "is_interactive", coloured)
    with progress("reading") as advance:
        advance(1, 2)
        with progress("decoding") as inner:
            inner(1, 2)
    with progress("writing") as advance:
        for done, section in enumerate(("curves", "features")):
            advance(done, 2, section)
            advance(done, 2, section)
    told = ["reading ...", "writing ...", "writing: curves (1 of 2) ...", "writing: features (2 of 2) ..."]
    printed = capsys.readouterr()
    assert (printed.out, printed.err.splitlines()) == ("", told)


def test_once_a_minute_a_stage_says_how_far_it_is(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    monkeypatch.setattr(console.time, "monotonic", lambda: now)
    with progress("reading") as advance:
        for done in range(1, 201):
            now += 1
            advance(done, 200)
    assert capsys.readouterr().err.splitlines() == [
        "reading ...", "reading: 60 of 200 ...", "reading: 120 of 200 ...", "reading: 180 of 200 ..."
    ]  # fmt: skip


def test_the_line_of_a_stage_is_flushed_before_its_work(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    # as Python opens a file for the standard error
    monkeypatch.setattr(sys, "stderr", io.TextIOWrapper(io.BufferedWriter(raw), encoding="utf-8"))  # type: ignore[arg-type]
    with progress("reading"):
        assert raw.getvalue() == b"reading ...\n"


def test_workers_beside_others_tell_nothing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(console, "_bars", False)
    with progress("reading") as advance:
        advance(1, 2, "half")
    assert capsys.readouterr() == ("", "")
