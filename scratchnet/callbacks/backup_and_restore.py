"""Training that survives an interruption."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from scratchnet import random
from scratchnet.arrays import AnyArray
from scratchnet.callbacks.base import Callback, Logs
from scratchnet.formats.container import read_container, write_container
from scratchnet.formats.errors import ModelFileError

__all__ = ["BackupAndRestore"]

FILE_NAME = "backup.safetensors"
VERSION = 1
REMEDY = "delete it to start over"


class BackupAndRestore(Callback):
    """Backs the whole run up after every epoch, and goes on from there when `fit` is called again.

    The run that goes on ends bit for bit like one that was never interrupted: besides weights and optimiser, the state
    of all callbacks and of the random generators is restored. The model, the callbacks and the data must be the same.

    Args:
        backup_dir: a folder for the backup of this run alone.
        save_freq: must be `"epoch"`: between epochs is where a run can go on exactly.
        delete_checkpoint: whether to delete the backup when training has ended.

    Raises:
        ValueError: if an argument is none of these.
    """

    def __init__(
        self, backup_dir: str | os.PathLike[str], save_freq: str = "epoch", delete_checkpoint: bool = True
    ) -> None:
        super().__init__()
        if not os.fspath(backup_dir):
            raise ValueError("backup_dir must name a folder, got ''")
        if save_freq != "epoch":
            raise ValueError(f'save_freq must be "epoch", the only place to go on exactly from, got {save_freq!r}')
        self.backup_dir = os.fspath(backup_dir)
        self.save_freq = save_freq
        self.delete_checkpoint = delete_checkpoint

    @property
    def path(self) -> Path:
        """The backup's file."""
        return Path(self.backup_dir) / FILE_NAME

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Restore the backup, if there is one.

        Raises:
            ModelFileError: if it cannot be read, or was made with another model or other callbacks.
        """
        if not self.path.exists():
            return
        arrays, meta = read_container(self.path, REMEDY)
        if meta.get("version") != VERSION:
            raise ModelFileError(f"backup {self.path} is of another version of scratchnet; {REMEDY}")
        others = self._others()
        names = [type(callback).__name__ for callback in others]
        saved = [entry["class_name"] for entry in meta["callbacks"]]
        if names != saved:
            raise ModelFileError(
                f"callbacks must be those of the backup {self.path}, {saved}, got {names}; "
                "pass the same ones, or delete the backup to start over"
            )
        model_arrays = {key.removeprefix("model/"): value for key, value in arrays.items() if key.startswith("model/")}
        try:
            self.model.load_training_state(model_arrays, meta["model"])
        except ValueError as error:
            raise ModelFileError(f"backup {self.path} does not fit: {error}; {REMEDY}") from error
        for callback, entry in zip(others, meta["callbacks"], strict=True):
            callback.set_state(_unpack(entry["state"], arrays))
        random.set_random_state(meta["random"])
        self.model.stop_training = meta["stop_training"]
        if self.callback_list is not None:
            self.callback_list.initial_epoch = meta["next_epoch"]

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        model_arrays, model_meta = self.model.training_state()
        arrays = {f"model/{key}": value for key, value in model_arrays.items()}
        callbacks = [
            {"class_name": type(callback).__name__, "state": _pack(callback.get_state(), f"callbacks/{index}", arrays)}
            for index, callback in enumerate(self._others())
        ]
        meta = {
            "version": VERSION,
            "next_epoch": epoch + 1,
            "stop_training": bool(self.model.stop_training),
            "model": model_meta,
            "callbacks": callbacks,
            "random": random.get_random_state(),
        }
        write_container(self.path, arrays, meta)

    def on_train_end(self, logs: Logs | None = None) -> None:
        if not self.delete_checkpoint:
            return
        self.path.unlink(missing_ok=True)
        folder = Path(self.backup_dir)
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()

    def _others(self) -> list[Callback]:
        callbacks = self.callback_list.callbacks if self.callback_list is not None else []
        return [callback for callback in callbacks if not isinstance(callback, BackupAndRestore)]


def _pack(value: Any, key: str, arrays: dict[str, AnyArray]) -> Any:
    # Arrays go to the table of arrays and leave their key behind; everything else must be JSON-able.
    if isinstance(value, np.ndarray):
        arrays[key] = value
        return {"__array__": key}
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Mapping):
        return {str(name): _pack(item, f"{key}/{name}", arrays) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_pack(item, f"{key}/{index}", arrays) for index, item in enumerate(value)]
    return value


def _unpack(value: Any, arrays: Mapping[str, AnyArray]) -> Any:
    if isinstance(value, list):
        return [_unpack(item, arrays) for item in value]
    if isinstance(value, dict):
        if value.keys() == {"__array__"}:
            return arrays[value["__array__"]]
        return {name: _unpack(item, arrays) for name, item in value.items()}
    return value
