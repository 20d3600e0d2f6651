"""CLIP embeddings by open_clip: any of its architectures, SigLIP included, with weights that are there.

    clip = Clip(model="ViT-B-32", weights="laion2b_s34b_b79k")
    prx_data.Workspace("work", measures=[*standard_measures(), clip])

Each photo is cut to the model's size by the process that decoded it, as open_clip's own preprocessing cuts it, pixel by
pixel; the model sees batches, in one process. Weights are safetensors or plain tensors: nothing that is loaded can run.
"""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from prx_data.errors import ConfigError
from prx_data.measures import clip_files
from prx_data.measures.clip_files import LAYOUT, first_line, offline_if_unreachable
from prx_data.measures.model_crop import Crop
from prx_data.picture import Picture, Pixels

VERSION = "2"
"""Changes when the same weights may give other embeddings."""

_HUB, _FOLDER = "hf-hub:", "local-dir:"

Vectors = npt.NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class _Found:
    """What is known of a model before it is loaded; small, and goes along to other processes."""

    dimensions: int
    preprocess: Mapping[str, Any]
    """open_clip's settings of the preprocessing, complete."""
    weights: Path
    text: Mapping[str, Any]
    """open_clip's settings of the text tower."""
    digest: str
    """Of the weights' bytes, the architecture and the preprocessing."""

    @property
    def crop(self) -> Crop:
        size = self.preprocess["size"]
        height, width = (size, size) if isinstance(size, int) else size
        return Crop(
            height=height,
            width=width,
            mode=self.preprocess["resize_mode"],
            interpolation=self.preprocess["interpolation"],
            fill=self.preprocess["fill_color"],
        )


@dataclass(frozen=True, kw_only=True)
class Clip:
    """An open_clip model as a measure: the column `clip`, float16, Euclidean norm 1; and its text tower, see `texts`.

    The column equals what open_clip gives to 2.5e-4, as float16 rounds; `embed` does to 1e-5. The version names the
    architecture and a digest of weights, architecture and preprocessing.
    """

    model: str
    """An architecture such as `ViT-B-32` or `ViT-B-16-SigLIP`; or `hf-hub:org/name` or `local-dir:FOLDER` (a folder
    with `open_clip_config.json`, the weights and, as of SigLIP, the tokenizer's files), which bring their weights."""
    weights: str | Path | None = None
    """For an architecture: a tag of open_clip, or a local file (safetensors, or a state dict of tensors)."""
    device: str | None = None
    """As torch names it; None for the first GPU, or the processor where there is none. GPUs compute in float16."""
    batch_size: int = 64
    """Pictures that the model sees at once."""
    preprocess: Mapping[str, Any] | None = None
    """For weights in a local file that want another preprocessing than their architecture's: `mean`, `std`,
    `interpolation`, `resize_mode`, as in open_clip's `preprocess_cfg`. SigLIP: mean and std 0.5, `squash`."""
    name: str = "clip"
    """Of the measure and of its column."""

    __pydantic_config__: ClassVar[Any] = {"extra": "forbid"}

    def __post_init__(self) -> None:
        if self.batch_size < 1:
            raise ConfigError(f"clip.batch_size = {self.batch_size} is wrong: it should be at least 1.")
        if (self.weights is None) != self.model.startswith((_HUB, _FOLDER)):
            told = "brings its weights, so weights has to be left out" if self.weights else "needs weights"
            raise ConfigError(
                f"clip.model = {self.model!r} {told}: a tag of open_clip or a local file goes with an architecture; "
                f"{LAYOUT}."
            )

    @cached_property
    def version(self) -> str:
        """Names what the embeddings depend on; reads the weights' bytes, but loads nothing.

        Raises:
            ConfigError: open_clip is missing, or the weights are not there and cannot be downloaded.
        """
        slug = "folder" if self.model.startswith(_FOLDER) else self.model.removeprefix(_HUB)
        slug = re.sub("[^A-Za-z0-9.]+", "-", slug).strip("-")
        return f"{VERSION}-{slug}-{self._found.digest[:12]}" + (
            "-fp16" if self.chosen_device.startswith("cuda") else ""
        )

    @cached_property
    def schema(self) -> pa.Schema:
        """One column of the model's dimensions."""
        return pa.schema([(self.name, pa.list_(pa.float16(), self._found.dimensions))])

    @cached_property
    def chosen_device(self) -> str:
        """The device, None resolved."""
        _, torch = _libraries()
        return self.device or ("cuda" if torch.cuda.is_available() else "cpu")

    def ready(self) -> None:
        """Load the model.

        Raises:
            ConfigError: The weights do not fit it.
        """
        _ = self._model

    def prepare(self, picture: Picture) -> Pixels:
        """What the model sees of a picture: uint8 of shape (height, width, 3)."""
        return self._found.crop(picture.pixels)

    def batch(self, prepared: Sequence[Pixels]) -> list[dict[str, Any]]:
        """A row for each picture. Batches are filled up, so that no embedding depends on how many there are."""
        rows = []
        for start in range(0, len(prepared), self.batch_size):
            part = np.stack(prepared[start : start + self.batch_size])
            full = np.zeros((self.batch_size, *part.shape[1:]), dtype=np.uint8)
            full[: len(part)] = part
            found = self.embed(full)[: len(part)].astype(np.float16)
            rows += [{self.name: one} for one in found]
        return rows

    def __call__(self, picture: Picture) -> Mapping[str, Any]:
        """The embedding of one picture."""
        return self.batch([self.prepare(picture)])[0]

    def embed(self, pixels_BHWC: Pixels) -> Vectors:
        """Embeddings of prepared pictures: float32 of shape (B, dimensions), norm 1."""
        _, torch = _libraries()
        device = torch.device(self.chosen_device)
        mean, std = (torch.tensor(self._found.preprocess[one], device=device)[:, None, None] for one in ("mean", "std"))
        with torch.inference_mode(), torch.autocast(device.type, torch.float16, enabled=device.type == "cuda"):
            # Seen as (B, C, H, W) this is channels-last already: the order in which GPUs convolve fastest.
            pictures = torch.from_numpy(pixels_BHWC).to(device, non_blocking=True).permute(0, 3, 1, 2)
            if device.type == "cpu":
                pictures = pictures.contiguous()  # while they are bytes
            colors = pictures.float().mul_(1 / (255 * std)).sub_(mean / std)
            try:
                found = self._model.encode_image(colors, normalize=True)
            except torch.OutOfMemoryError as error:
                text = f"clip.batch_size = {len(pixels_BHWC)} is wrong: it takes more memory than {device} has left."
                raise ConfigError(text) from error
            vectors: Vectors = found.float().cpu().numpy()
        return vectors

    def texts(self, texts: Sequence[str]) -> Vectors:
        """Embeddings of texts, comparable with those of pictures: float32 of shape (texts, dimensions), norm 1.

        Raises:
            ConfigError: The model's tokenizer is not there and cannot be downloaded.
        """
        _, torch = _libraries()
        device = torch.device(self.chosen_device)
        with torch.inference_mode(), torch.autocast(device.type, torch.float16, enabled=device.type == "cuda"):
            found = self._model.encode_text(self._tokenizer(list(texts)).to(device), normalize=True)
            vectors: Vectors = found.float().cpu().numpy()
        return vectors

    def probabilities(self, similarities: Vectors) -> Vectors:
        """How probable each text is for each picture, as the model was trained: by softmax, or SigLIP's sigmoid.

        Args:
            similarities: Cosines of shape (pictures, texts).
        """
        scale = float(self._model.logit_scale.exp())
        bias = getattr(self._model, "logit_bias", None)
        if bias is not None:
            sigmoid: Vectors = 1 / (1 + np.exp(-(scale * similarities + float(bias))))
            return sigmoid
        powers = np.exp(scale * (similarities - similarities.max(axis=1, keepdims=True)))
        softmax: Vectors = powers / powers.sum(axis=1, keepdims=True)
        return softmax

    def __getstate__(self) -> dict[str, Any]:
        """Without the model: it stays in its process."""
        return {name: value for name, value in self.__dict__.items() if name not in ("_model", "_tokenizer")}

    @cached_property
    def _tokenizer(self) -> Any:
        open_clip, _ = _libraries()
        try:
            with offline_if_unreachable():
                return open_clip.get_tokenizer(self.model)
        except Exception as error:  # whatever it is that hubs, files and tokenizers raise
            raise clip_files.no_tokenizer(self.model, self._found.text, error) from error

    @cached_property
    def _found(self) -> _Found:
        open_clip, _ = _libraries()
        architecture, preprocess, weights = self._sources(open_clip)
        preprocess["size"] = architecture["vision_cfg"].get("image_size", 224)
        preprocess |= dict(self.preprocess or {})
        with weights.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        facts = json.dumps([digest, architecture, preprocess], sort_keys=True)
        return _Found(
            dimensions=int(architecture["embed_dim"]),
            preprocess=preprocess,
            weights=weights,
            text=architecture.get("text_cfg", {}),
            digest=hashlib.sha256(facts.encode()).hexdigest(),
        )

    def _sources(self, open_clip: Any) -> tuple[dict[str, Any], dict[str, Any], Path]:
        """Architecture, preprocessing and weights file."""
        from open_clip.transform import PreprocessCfg, merge_preprocess_dict

        default = asdict(PreprocessCfg())
        if self.model.startswith((_HUB, _FOLDER)):
            config, weights = self._brought(open_clip)
            return config["model_cfg"], merge_preprocess_dict(default, config.get("preprocess_cfg", {})), weights
        architecture = open_clip.get_model_config(self.model.replace("/", "-"))
        if architecture is None:
            raise ConfigError(
                f"clip.model = {self.model!r} is no architecture of open_clip, such as ViT-B-32; "
                "open_clip.list_models() names them all."
            )
        tag = open_clip.get_pretrained_cfg(self.model, str(self.weights))
        if not tag:
            return architecture, default, self._file(open_clip)
        try:
            with offline_if_unreachable():
                weights = Path(open_clip.download_pretrained(tag))
        except Exception as error:  # without a network each way of downloading raises something of its own
            repository = "/".join(tag.get("hf_hub", "").split("/")[:2])
            wanted = f"{self.model} ({self.weights})"
            text = architecture.get("text_cfg", {})
            raise clip_files.no_weights(wanted, error, repository, text, url=tag.get("url", "")) from error
        return architecture, merge_preprocess_dict(default, tag), weights

    def _file(self, open_clip: Any) -> Path:
        path = Path(str(self.weights))
        if path.is_file():
            return path
        tags = ", ".join(open_clip.list_pretrained_tags_by_model(self.model)) or "none"
        raise ConfigError(
            f"clip.weights = {str(self.weights)!r} is neither a file nor a tag of open_clip for {self.model} "
            f"(tags: {tags}): name one, put a safetensors file there, {LAYOUT}."
        )

    def _brought(self, open_clip: Any) -> tuple[dict[str, Any], Path]:
        """The `open_clip_config.json` and the weights of a repository on the hub, or of a folder."""
        from open_clip import factory

        name = self.model.removeprefix(_HUB)
        try:
            if name != self.model:
                with offline_if_unreachable():
                    return factory._get_hf_config(name), Path(open_clip.download_pretrained_from_hf(name))
            folder = Path(self.model.removeprefix(_FOLDER))
            config = json.loads((folder / "open_clip_config.json").read_text(encoding="utf-8"))
            weights = factory._find_checkpoint_in_dir(folder)
            if weights is None:
                raise FileNotFoundError(f"there is no safetensors file in {folder}")
            return config, Path(weights)
        except Exception as error:  # without a network each way of downloading raises something of its own
            repository = name if name != self.model else ""
            raise clip_files.no_weights(self.model, error, repository, None) from error

    @cached_property
    def _model(self) -> Any:
        open_clip, torch = _libraries()
        found = self._found
        try:
            with offline_if_unreachable():  # text towers of transformers are built from files on the hub
                model = open_clip.create_model(
                    self.model,
                    pretrained=None if self.weights is None else str(self.weights),
                    require_pretrained=True,
                    device=self.chosen_device,
                    force_preprocess_cfg=dict(self.preprocess or {}),
                )
        except Exception as error:  # a file that is damaged, of another architecture, or holds more than tensors
            if clip_files.lacks_text_tower(found.text):
                raise clip_files.no_text_tower(self.model, found.text, error) from error
            raise ConfigError(
                f"The weights {found.weights} cannot be loaded as {self.model}: {first_line(error)}."
            ) from error
        layout = torch.channels_last if self.chosen_device.startswith("cuda") else torch.contiguous_format
        return model.eval().requires_grad_(False).to(memory_format=layout)


def whole_model(model: str) -> str:
    """`Clip.model` so that it is found from any folder."""
    folder = model.removeprefix(_FOLDER)
    return model if folder == model else f"{_FOLDER}{Path(folder).absolute()}"


def _libraries() -> tuple[Any, Any]:
    """open_clip and torch: seconds to import, and an extra."""
    try:
        import open_clip
        import torch
    except ImportError as error:
        raise ConfigError(f"CLIP needs open_clip: pip install 'prx-data[clip]'; {LAYOUT}.") from error
    return open_clip, torch
