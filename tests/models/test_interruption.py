"""A training that is killed and started again ends as if nothing had happened."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import scratchnet as sn
from scratchnet import layers
from scratchnet.callbacks import BackupAndRestore, LambdaCallback

SCRIPT = Path(__file__).parent / "interrupted_run.py"


def run(folder: Path, *where: int) -> tuple[int, list[int], str]:
    """(exit status, epochs that were begun, what was printed at the end)."""
    done = subprocess.run(
        [sys.executable, SCRIPT, folder, *map(str, where)], capture_output=True, text=True, timeout=120, check=False
    )
    lines = done.stdout.splitlines()
    assert done.returncode in {0, -signal.SIGKILL}, done.stderr
    last = lines.pop() if done.returncode == 0 else ""
    return done.returncode, [int(line) for line in lines], last


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[int], str, str]:
    folder = tmp_path_factory.mktemp("uninterrupted")
    status, epochs, last = run(folder)
    assert status == 0
    return epochs, last, (folder / "history.csv").read_text()


def test_the_run_uses_all_that_must_survive(uninterrupted: tuple[list[int], str, str]) -> None:
    epochs, last, _ = uninterrupted
    numbers, history = json.loads(last.split(maxsplit=1)[1])
    assert numbers == epochs
    assert len(set(history["learning_rate"])) > 1, "the plateau must have been reached"
    assert 4 < len(epochs) < 9, "training must have stopped early"


@pytest.mark.parametrize("where", [(0, 1), (2, 3), (4, 0)], ids=lambda where: "epoch {}, batch {}".format(*where))
def test_a_killed_run_goes_on_to_the_same_weights_state_and_history(
    where: tuple[int, int], uninterrupted: tuple[list[int], str, str], tmp_path: Path
) -> None:
    epochs, expected, table = uninterrupted
    status, begun, _ = run(tmp_path, *where)
    assert status == -signal.SIGKILL
    assert begun == list(range(where[0] + 1))
    status, repeated, last = run(tmp_path)
    assert status == 0
    assert repeated == epochs[where[0] :], "only the epoch that was under way is lost"
    assert last == expected
    assert (tmp_path / "history.csv").read_text() == table


def test_a_network_built_anew_in_the_same_process_goes_on_too(tmp_path: Path) -> None:
    x, y = np.eye(8, dtype=np.float32), np.arange(8) % 2

    def fit(folder: str, stop: int) -> sn.Model:
        class Stop(LambdaCallback):
            def on_epoch_begin(self, epoch: int, logs: object = None) -> None:
                if epoch == stop:
                    raise KeyboardInterrupt

        sn.set_random_seed(0)
        model = sn.Sequential([layers.Input((8,)), layers.Dense(6), layers.Dropout(0.5), layers.Dense(2)])
        model.compile("adam", sn.losses.SparseCategoricalCrossentropy(from_logits=True))
        model.fit(x, y, batch_size=4, epochs=4, verbose=0, callbacks=[Stop(), BackupAndRestore(tmp_path / folder)])
        return model

    expected = fit("whole", stop=9)
    with pytest.raises(KeyboardInterrupt):
        fit("parts", stop=2)
    for mine, other in zip(fit("parts", stop=9).get_weights(), expected.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, other)


def test_a_run_killed_twice_ends_the_same(uninterrupted: tuple[list[int], str, str], tmp_path: Path) -> None:
    run(tmp_path, 1, 2)
    status, begun, _ = run(tmp_path, 3, 1)
    assert (status, begun) == (-signal.SIGKILL, [1, 2, 3])
    _, _, last = run(tmp_path)
    assert last == uninterrupted[1]
