"""Callbacks: what may watch and steer training."""

from scratchnet.callbacks.backup_and_restore import BackupAndRestore
from scratchnet.callbacks.base import Callback
from scratchnet.callbacks.callback_list import CallbackList
from scratchnet.callbacks.csv_logger import CSVLogger
from scratchnet.callbacks.early_stopping import EarlyStopping
from scratchnet.callbacks.history import History
from scratchnet.callbacks.lambda_callback import LambdaCallback
from scratchnet.callbacks.learning_rate_scheduler import LearningRateScheduler
from scratchnet.callbacks.model_checkpoint import ModelCheckpoint
from scratchnet.callbacks.reduce_lr_on_plateau import ReduceLROnPlateau
from scratchnet.callbacks.terminate_on_nan import TerminateOnNaN

__all__ = [
    "BackupAndRestore",
    "CSVLogger",
    "Callback",
    "CallbackList",
    "EarlyStopping",
    "History",
    "LambdaCallback",
    "LearningRateScheduler",
    "ModelCheckpoint",
    "ReduceLROnPlateau",
    "TerminateOnNaN",
]
