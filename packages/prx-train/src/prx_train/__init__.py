"""Train a PRX text-to-image model in the time you have.

`fit(TrainConfig(dataset=..., output=..., budget="24h"))` reads a dataset, trains for as long as the budget allows and
leaves a folder that `diffusers.PRXPixelPipeline.from_pretrained` loads, and a report. Importing this package imports
no heavy library; each name is loaded when it is first used.
"""

import importlib
import os
from typing import TYPE_CHECKING, Any

from prx_train.errors import (
    BudgetError,
    ConfigError,
    DatasetError,
    DivergedError,
    ModelError,
    PrxTrainError,
    ResourceError,
)
from prx_train.importing import uncollected
from prx_train.version import VERSION

if TYPE_CHECKING:
    from prx_train.callbacks import Callback, Training
    from prx_train.config import LoraConfig, ModelConfig, TrainConfig
    from prx_train.loop import fit
    from prx_train.model import load, load_lora
    from prx_train.planning import plan
    from prx_train.reckoning import Plan
    from prx_train.report import write_report
    from prx_train.run import Run

# OpenMP's threads wait by spinning. Where another program wants a core too, they then wait for each other for whole
# scheduler slices, and a step was measured ten times slower. It is read when torch is loaded, hence here.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

__version__ = VERSION

__all__ = [
    "BudgetError",
    "Callback",
    "ConfigError",
    "DatasetError",
    "DivergedError",
    "LoraConfig",
    "ModelConfig",
    "ModelError",
    "Plan",
    "PrxTrainError",
    "ResourceError",
    "Run",
    "TrainConfig",
    "Training",
    "__version__",
    "fit",
    "load",
    "load_lora",
    "plan",
    "write_report",
]

_HOMES = {
    "Callback": "prx_train.callbacks",
    "LoraConfig": "prx_train.config",
    "ModelConfig": "prx_train.config",
    "Plan": "prx_train.reckoning",
    "Run": "prx_train.run",
    "TrainConfig": "prx_train.config",
    "Training": "prx_train.callbacks",
    "fit": "prx_train.loop",
    "load": "prx_train.model",
    "load_lora": "prx_train.model",
    "plan": "prx_train.planning",
    "write_report": "prx_train.report",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'prx_train' has no attribute {name!r}")
    with uncollected():
        return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
