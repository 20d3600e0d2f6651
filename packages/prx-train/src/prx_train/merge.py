"""Adapters and their base to one plain pipeline."""

from pathlib import Path

from prx_train import model
from prx_train.errors import ModelError
from prx_train.run import Run
from prx_train.storage import read_json, write_folder


def merge(run_folder: Path, out: Path) -> Path:
    """Writes a pipeline that diffusers loads without this package and without peft; returns its folder.

    Args:
        run_folder: Of a run that trained adapters.
        out: Where the pipeline goes.

    Raises:
        ModelError: the run has no adapters, or its base is gone.
    """
    run = Run(run_folder)
    if not (run.lora_folder.is_dir() and run.config_file.is_file()):
        raise ModelError(f"'{run_folder}' is no run that trained adapters, so there is nothing to merge.")
    config = read_json(run.config_file)
    base = model.base_of_run(run.output)
    transformer = model.load_lora(model.load_transformer(base), run.lora_folder)
    model.merge_lora(transformer)
    write_folder(out, lambda place: model.save_with_base(place, transformer, base, resolution=config["resolution"]))
    return out
