"""The files that a CLIP model consists of: asked of the hub only where it is there, and what to put where if not."""

import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies

from prx_data.errors import ConfigError

LAYOUT = 'or use embedding = "layout", which needs no weights'
_FILES = "open_clip_config.json and open_clip_model.safetensors"
_TOKENIZER = "tokenizer files (tokenizer.json, tokenizer_config.json and whatever else there is of them)"
_FOLDER = 'set clip.model = "local-dir:FOLDER"'
_HUB = "https://huggingface.co/"


@contextmanager
def offline_if_unreachable() -> Iterator[None]:
    """Look into the cache alone where the hub's name is not known: asked, it would be asked again for a minute."""
    from huggingface_hub import constants

    host = urlsplit(constants.ENDPOINT).hostname
    before = constants.HF_HUB_OFFLINE
    if not getproxies().get("https"):
        try:
            socket.getaddrinfo(host, 443)
        except OSError:
            constants.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before


def first_line(error: Exception) -> str:
    """Of what an error says, or its kind."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".:")[:200]


def no_weights(
    wanted: str, error: Exception, repository: str, text: Mapping[str, Any] | None, *, url: str = ""
) -> ConfigError:
    """What to put where: a folder has the preprocessing and the tokenizer too, a file alone has neither.

    Args:
        wanted: Names the model.
        error: What looking for its weights ended with.
        repository: `org/name` on the hub, if it is there.
        text: open_clip's settings of its text tower; None if they are not known.
        url: Of the weights, if they are elsewhere.
    """
    if repository or not url:
        files = _FILES + (f" of {_HUB}{repository}" if repository else "")
        mend = f"put {files} into a folder{_and_tokenizer(repository, text)} and {_FOLDER}"
        mend += ", without clip.weights" if repository else ""
    else:
        mend = f"put {url} on this machine and set clip.weights to the path of the file"
    return ConfigError(
        f"The weights of {wanted} are not here and cannot be downloaded ({first_line(error)}): {mend}, {LAYOUT}."
    )


def _and_tokenizer(repository: str, text: Mapping[str, Any] | None) -> str:
    if text is None:
        return f", with its {_TOKENIZER} if it has any,"
    tokenizer = text.get("hf_tokenizer_name")
    if not tokenizer:
        return ""
    return f", with the {_TOKENIZER}" + ("," if tokenizer == repository else f" of {_HUB}{tokenizer},")


def no_tokenizer(model: str, text: Mapping[str, Any], error: Exception) -> ConfigError:
    """What to put where, for texts to be taken apart.

    Args:
        model: As `Clip.model`.
        text: open_clip's settings of its text tower.
        error: What loading the tokenizer ended with.
    """
    said = f"The tokenizer of {model} cannot be loaded ({first_line(error)})"
    repository = text.get("hf_tokenizer_name")
    if not repository:
        return ConfigError(f"{said}.")
    files = f"put the {_TOKENIZER} of {_HUB}{repository}"
    if model.startswith("local-dir:"):
        return ConfigError(f"{said}: {files} into {model.removeprefix('local-dir:')}.")
    return ConfigError(
        f"{said}: {files} into a folder, with open_clip_config.json and the weights as open_clip_model.safetensors, "
        f"and {_FOLDER}, without clip.weights."
    )


def lacks_text_tower(text: Mapping[str, Any]) -> bool:
    """Whether the text tower is one of transformers whose configuration is not here."""
    name = text.get("hf_model_name")
    if not name or (Path(name) / "config.json").is_file():
        return False
    from huggingface_hub import try_to_load_from_cache

    return not isinstance(try_to_load_from_cache(name, "config.json"), str)


def no_text_tower(model: str, text: Mapping[str, Any], error: Exception) -> ConfigError:
    """What to put where, for a text tower of transformers to be built.

    Args:
        model: As `Clip.model`.
        text: open_clip's settings of it.
        error: What building it ended with.
    """
    name = text["hf_model_name"]
    return ConfigError(
        f"The text tower of {model} cannot be built ({first_line(error)}): put config.json and the {_TOKENIZER} of "
        f"{_HUB}{name} into a folder, with open_clip_config.json and the weights as open_clip_model.safetensors, name "
        f"that folder as model_cfg.text_cfg.hf_model_name in open_clip_config.json, {_FOLDER}, without clip.weights."
    )
