"""From a pile of product photos to a training set: select, filter, de-duplicate, label.

    import prx_data

    prx_data.curate(photos="photos", workspace="work", output="dataset")

or step by step: `Workspace.add`, `.measure`, `.select`, then `Selection.show` and `.write`. The measures and decisions
underneath are plain functions on arrays.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from prx_data.version import VERSION

if TYPE_CHECKING:
    from prx_data.captions import Caption as Caption
    from prx_data.captions import Captioner as Captioner
    from prx_data.captions import Checks as Checks
    from prx_data.captions import PhotoFacts as PhotoFacts
    from prx_data.captions import Template as Template
    from prx_data.config import CurateConfig as CurateConfig
    from prx_data.curation import Workspace as Workspace
    from prx_data.decisions.clusters import cluster as cluster
    from prx_data.decisions.colors import color_difference as color_difference
    from prx_data.decisions.duplicates import PhotoColumns as PhotoColumns
    from prx_data.decisions.duplicates import find_duplicates as find_duplicates
    from prx_data.decisions.duplicates import find_leaks as find_leaks
    from prx_data.decisions.groups import near_duplicates as near_duplicates
    from prx_data.decisions.join import hamming_join as hamming_join
    from prx_data.decisions.profiles import Profile as Profile
    from prx_data.decisions.profiles import profile as profile
    from prx_data.decisions.rules import Rules as Rules
    from prx_data.decisions.settings import Settings as Settings
    from prx_data.decoding import decode as decode
    from prx_data.errors import CaptionError as CaptionError
    from prx_data.errors import ConfigError as ConfigError
    from prx_data.errors import PrxDataError as PrxDataError
    from prx_data.errors import SourceError as SourceError
    from prx_data.errors import WorkspaceError as WorkspaceError
    from prx_data.explain import explain_file as explain_file
    from prx_data.explain import explain_photo as explain_photo
    from prx_data.exports import export as export
    from prx_data.measures.aesthetic import Aesthetic as Aesthetic
    from prx_data.measures.background import background as background
    from prx_data.measures.clip import Clip as Clip
    from prx_data.measures.layout import layout as layout
    from prx_data.measures.nsfw import Nsfw as Nsfw
    from prx_data.measures.perceptual import lab_grid as lab_grid
    from prx_data.measures.perceptual import phash as phash
    from prx_data.measures.protocol import BatchMeasure as BatchMeasure
    from prx_data.measures.protocol import Measure as Measure
    from prx_data.measures.standard import standard_measures as standard_measures
    from prx_data.picture import Picture as Picture
    from prx_data.pipeline import Curated as Curated
    from prx_data.pipeline import curate as curate
    from prx_data.publish import Pushed as Pushed
    from prx_data.publish import push as push
    from prx_data.selection import Selection as Selection

__version__ = VERSION

# Imported on first use, so that `import prx_data` and `--help` load nothing heavy.
_HOMES = {
    "Aesthetic": "measures.aesthetic",
    "BatchMeasure": "measures.protocol",
    "Caption": "captions",
    "Captioner": "captions",
    "CaptionError": "errors",
    "Checks": "captions",
    "Clip": "measures.clip",
    "ConfigError": "errors",
    "CurateConfig": "config",
    "Curated": "pipeline",
    "Measure": "measures.protocol",
    "Nsfw": "measures.nsfw",
    "PhotoColumns": "decisions.duplicates",
    "PhotoFacts": "captions",
    "Picture": "picture",
    "Profile": "decisions.profiles",
    "PrxDataError": "errors",
    "Pushed": "publish",
    "Rules": "decisions.rules",
    "Selection": "selection",
    "Settings": "decisions.settings",
    "SourceError": "errors",
    "Template": "captions",
    "Workspace": "curation",
    "WorkspaceError": "errors",
    "background": "measures.background",
    "cluster": "decisions.clusters",
    "color_difference": "decisions.colors",
    "curate": "pipeline",
    "decode": "decoding",
    "explain_file": "explain",
    "explain_photo": "explain",
    "export": "exports",
    "find_duplicates": "decisions.duplicates",
    "find_leaks": "decisions.duplicates",
    "hamming_join": "decisions.join",
    "lab_grid": "measures.perceptual",
    "layout": "measures.layout",
    "near_duplicates": "decisions.groups",
    "phash": "measures.perceptual",
    "profile": "decisions.profiles",
    "push": "publish",
    "standard_measures": "measures.standard",
}

__all__ = sorted([*_HOMES, "__version__"])


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'prx_data' has no attribute {name!r}")
    value = getattr(import_module(f"prx_data.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
