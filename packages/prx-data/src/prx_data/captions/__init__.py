"""Captions: what a photo shows, in words to train on."""

from prx_data.captions.agreement import Agreement
from prx_data.captions.checks import Checks, Failure
from prx_data.captions.local import Local
from prx_data.captions.protocol import Answer, Caption, Captioner, PhotoFacts, Request
from prx_data.captions.server import Server
from prx_data.captions.settings import Asking, Budget, CaptionSettings
from prx_data.captions.stage import Captioning, PhotoCaptions, PhotoToCaption, most_useful_first
from prx_data.captions.store import CaptionStore
from prx_data.captions.template import Template

__all__ = [
    "Agreement",
    "Answer",
    "Asking",
    "Budget",
    "Caption",
    "CaptionSettings",
    "CaptionStore",
    "Captioner",
    "Captioning",
    "Checks",
    "Failure",
    "Local",
    "PhotoCaptions",
    "PhotoFacts",
    "PhotoToCaption",
    "Request",
    "Server",
    "Template",
    "most_useful_first",
]
