"""Settings that are wrong only together with the base, the processes or the disk: told before any work."""

from pathlib import Path

from prx_train import model
from prx_train.config import TrainConfig
from prx_train.crew import Crew
from prx_train.errors import ConfigError
from prx_train.storage import unwritable


def check(
    config: TrainConfig, base: model.Base, space: model.Space, crew: Crew, *, resolution: int, cache: Path
) -> None:
    """Looks at everything that could otherwise end a run after its photos were read and its captions encoded.

    Args:
        config: The settings.
        base: What it starts from.
        space: Of the base.
        crew: The processes.
        resolution: As set, or the base's own.
        cache: Folder of what is encoded.

    Raises:
        ConfigError: a setting cannot be used with the others.
        ModelError: the base's parts do not fit each other, or a package is missing.
    """
    if config.compile and crew.sharding:
        raise ConfigError("config key 'compile' = true cannot be used where accelerate shards the model.")
    if config.flip and space.vae is not None:
        raise ConfigError("config key 'flip' = true cannot be used with latents: a mirrored latent is no latent.")
    cell = base.patch_size * space.compression
    if resolution % cell:
        raise ConfigError(f"config key 'resolution' = {resolution} is no multiple of {cell}, a token's side in pixels.")
    base.check(channels=space.channels)
    if reason := unwritable(cache):
        raise ConfigError(f"config key 'cache' = '{cache}' cannot be written to: {reason}.")
