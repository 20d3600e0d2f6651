"""The exception tree; every message is one sentence that names the key and the value.

PrxTrainError
├── ConfigError     a setting is unknown, out of range, or at odds with the run in the output folder
├── DatasetError    the dataset folder is empty, is not a dataset, or holds nothing to train on
├── ModelError      a base model or an optional package is missing or does not fit
├── BudgetError     the budget is too short for one step and the end of the run
├── DivergedError   losses or gradients are not finite from the start, or after every return to a good checkpoint
└── ResourceError   memory or disk space ran out
"""


class Stopped(Exception):  # noqa: N818  # it is no error
    """Somebody asked for an end before the first step; `fit` catches it, and nobody else has to."""

    def __init__(self, number: int, *, first: bool = True) -> None:
        super().__init__(f"asked to stop, {number}")
        self.number = number
        """What `stop` said."""
        self.first = first
        """Whether this process speaks for all."""


class PrxTrainError(Exception):
    """What a user of this package can be told in one sentence."""


class ConfigError(PrxTrainError):
    """A setting is unknown, out of range, or at odds with the run in the output folder."""


class DatasetError(PrxTrainError):
    """The dataset folder is empty, is not a dataset, or holds nothing to train on."""


class ModelError(PrxTrainError):
    """A base model or an optional package is missing or does not fit."""


class BudgetError(PrxTrainError):
    """The budget is too short for one step and the end of the run."""


class DivergedError(PrxTrainError):
    """Losses or gradients are not finite from the start, or after every return to a good checkpoint."""


class ResourceError(PrxTrainError):
    """Memory or disk space ran out."""
