"""A tiny recipe, faces on disk in every layout, and the command as a user calls it."""

import csv
import signal
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import cv2
import pytest
from processes import without_stages
from tiny import TINY, Command, Done

from pipelines import cli, interruption
from pipelines.data.csv_source import EMOTIONS
from pipelines.data.drawn import DrawnFaces


@pytest.fixture
def stages() -> list[str]:
    """The stages that the last command has told."""
    return []


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], stages: list[str]) -> Command:
    """Run `scratchnet ...` in this process; its stages are not among what it says."""

    def run(*arguments: object) -> Done:
        monkeypatch.setattr(sys, "argv", ["scratchnet", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            cli.run()
        printed = capsys.readouterr()
        said = without_stages(printed.err)
        stages[:] = [line.removesuffix(" ...") for line in printed.err.splitlines() if line not in said.splitlines()]
        return Done(int(ended.value.code or 0), printed.out, said)

    return run


@pytest.fixture
def raising(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Signals are answered as while a command is at work."""
    before = {number: signal.getsignal(number) for number in interruption.ENDING}
    for number in before:
        signal.signal(number, signal.SIG_DFL)  # what runs in a shell's background ignores Ctrl-C
    monkeypatch.setattr(interruption, "_received", None)
    interruption.raise_interrupts()
    yield
    for number, answer in before.items():
        signal.signal(number, answer)


@pytest.fixture
def without_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Evaluations are not drawn, which takes seconds."""
    monkeypatch.setattr("pipelines.evaluation.saving.save_evaluation_figures", lambda *_: [])


@pytest.fixture(scope="session")
def tiny_recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recipe that trains in an instant."""
    path = tmp_path_factory.mktemp("recipes") / "tiny.toml"
    path.write_text(TINY)
    return path


@pytest.fixture(scope="session")
def faces(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The same 105 drawn faces as `folder` (not split), `split` (train and test), `zip` of that, and `csv`."""
    root = tmp_path_factory.mktemp("faces")
    source = DrawnFaces(105, size=16, test_fraction=0.2)
    with (root / "faces.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["emotion", "pixels", "Usage"])
        for number, sample in enumerate(source.samples):
            image, name = source.read(sample), source.class_names[sample.label]
            for path in (root / "folder" / name, root / "split" / sample.split / name):
                path.mkdir(parents=True, exist_ok=True)
                cv2.imwrite(str(path / f"{number}.png"), image)
            usage = "Training" if sample.split == "train" else "PrivateTest"
            table.writerow([EMOTIONS.index(name), " ".join(map(str, image.reshape(-1))), usage])
    with zipfile.ZipFile(root / "faces.zip", "w") as archive:
        for path in sorted((root / "split").rglob("*.png")):
            archive.write(path, path.relative_to(root / "split"))
    return {
        "folder": root / "folder",
        "split": root / "split",
        "zip": root / "faces.zip",
        "csv": root / "faces.csv",
    }
