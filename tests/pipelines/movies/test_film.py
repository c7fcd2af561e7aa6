"""Frames come in order with the film's own times, whatever the header says and however the file ends."""

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from film_files import announce, numbered, read_number, turn, vary_rate, write_film

from pipelines.data.errors import DataError
from pipelines.movies.film import Film, time_code


@pytest.mark.parametrize("suffix", [".avi", ".mp4"])
def test_every_frame_is_yielded_once_in_order_at_its_time(tmp_path: Path, suffix: str) -> None:
    path = write_film(tmp_path / f"film{suffix}", map(numbered, range(30)), rate=10)
    with Film(path) as film:
        frames = list(film.frames())
        assert film.announced == 30
        assert film.announced_seconds == pytest.approx(3)
    assert [frame.number for frame in frames] == list(range(30))
    assert [read_number(frame.pixels) for frame in frames] == list(range(30))
    np.testing.assert_allclose([frame.seconds for frame in frames], np.arange(30) / 10, atol=1e-3)


@pytest.mark.parametrize("start", [0, 1, 17, 29, 30])
def test_a_later_start_yields_the_same_frames_and_times(tmp_path: Path, start: int) -> None:
    path = write_film(tmp_path / "film.mp4", map(numbered, range(30)))
    with Film(path) as film:
        whole = list(film.frames())[start:]
    with Film(path) as film:
        rest = list(film.frames(start))
    assert [(frame.number, frame.seconds) for frame in rest] == [(frame.number, frame.seconds) for frame in whole]
    for one, other in zip(rest, whole, strict=True):
        np.testing.assert_array_equal(one.pixels, other.pixels)


def test_a_variable_frame_rate_shows_in_the_times(tmp_path: Path) -> None:
    path = write_film(tmp_path / "film.mp4", map(numbered, range(8)), rate=10)
    durations = [1, 5, 1, 1, 10, 2, 1, 1]
    vary_rate(path, durations)
    with Film(path) as film:
        seconds = [frame.seconds for frame in film.frames()]
    np.testing.assert_allclose(seconds, np.cumsum([0, *durations[:-1]]) / 10, atol=1e-3)


def test_a_film_that_is_turned_by_its_metadata_is_upright(tmp_path: Path) -> None:
    path = write_film(tmp_path / "film.mp4", map(numbered, range(3)))
    turn(path)
    with Film(path) as film:
        frames = [frame.pixels for frame in film.frames()]
    assert frames[0].shape == (80, 48, 3)
    # turned back, the numbers can be read; turned the other way they would be mirrored
    assert [read_number(np.rot90(frame)) for frame in frames] == [0, 1, 2]


@pytest.mark.parametrize("promised", [0, 3, 5000, 2**31 - 1])
def test_a_wrong_frame_count_in_the_header_neither_adds_nor_hides_frames(tmp_path: Path, promised: int) -> None:
    path = write_film(tmp_path / "film.avi", map(numbered, range(20)))
    announce(path, promised)
    with Film(path) as film:
        assert [read_number(frame.pixels) for frame in film.frames()] == list(range(20))


def test_of_a_film_that_was_cut_off_all_whole_frames_are_yielded(tmp_path: Path) -> None:
    path = write_film(tmp_path / "film.avi", map(numbered, range(40)))
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    with Film(path) as film:
        numbers = [read_number(frame.pixels) for frame in film.frames()]
    assert 15 <= len(numbers) < 25
    assert numbers[:15] == list(range(15))


def test_after_a_damaged_stretch_the_film_goes_on(tmp_path: Path) -> None:
    path = write_film(tmp_path / "film.avi", map(numbered, range(60)))
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 3000] = bytes(3000)
    path.write_bytes(data)
    with Film(path) as film:
        frames = list(film.frames())
    assert len(frames) < 60
    assert read_number(frames[-1].pixels) == 59
    seconds = [frame.seconds for frame in frames]
    assert seconds == sorted(set(seconds))


def test_memory_does_not_grow_with_the_length_of_the_film(tmp_path: Path) -> None:
    peaks = []
    for length in (20, 200):
        path = write_film(tmp_path / f"{length}.avi", (numbered(n, (240, 320)) for n in range(length)))
        with Film(path) as film:
            tracemalloc.start()
            for _ in film.frames():
                pass
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
    assert peaks[1] < 1.5 * peaks[0] + 100_000


def _text(path: Path) -> None:
    path.write_text("this is no film\n" * 50)


def _moov_lost(path: Path) -> None:
    write_film(path, map(numbered, range(30)))
    data = path.read_bytes()
    path.write_bytes(data[: data.index(b"moov") - 4])


@pytest.mark.parametrize(
    ("make", "mentioned"),
    [
        (_text, "cannot be read as a film"),
        (_moov_lost, "index is lost"),
        (lambda path: path.write_bytes(b""), "is empty"),
        (lambda path: path.mkdir(), "is a folder"),
        (lambda path: None, "no such film"),
    ],
    ids=["text", "no index", "empty", "folder", "missing"],
)
def test_what_is_no_film_is_refused_in_one_sentence(tmp_path: Path, make: object, mentioned: str) -> None:
    path = tmp_path / "film [1].mp4"
    make(path)  # type: ignore[operator]
    with pytest.raises(DataError, match=mentioned) as caught:
        Film(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(0, "00:00:00.000"), (59.9996, "00:01:00.000"), (3661.0417, "01:01:01.042"), (360_000, "100:00:00.000")],
)
def test_time_codes_are_hours_minutes_seconds_and_milliseconds(seconds: float, expected: str) -> None:
    assert time_code(seconds) == expected


@pytest.mark.parametrize("name", ["Alien: Covenant.mp4", "2024-01-01T10:20:30.mp4", "file:x.mp4", "concat:a|b.mp4"])
def test_a_colon_in_a_films_name_is_no_protocol(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    write_film(tmp_path / "film.mp4", map(numbered, range(3))).rename(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    with Film(Path(name)) as film:
        assert [read_number(frame.pixels) for frame in film.frames()] == [0, 1, 2]
