"""Training: from inputs to a checkpoint, selected on background, that can be stopped at any moment and gone on with."""

from jetnae.training.config import FitConfig, RunConfig, TrainConfig, read_run_config, write_run_config
from jetnae.training.distributed import Group, join_group
from jetnae.training.folds import train_folds
from jetnae.training.loop import Report, train, train_on
from jetnae.training.own_files import Request, configure

__all__ = [
    "FitConfig",
    "Group",
    "Report",
    "Request",
    "RunConfig",
    "TrainConfig",
    "configure",
    "join_group",
    "read_run_config",
    "train",
    "train_folds",
    "train_on",
    "write_run_config",
]
