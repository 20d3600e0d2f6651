"""Captions: what a photo shows, in words to train on."""

from prx_data.captions.protocol import Captioner, PhotoFacts
from prx_data.captions.template import Template

__all__ = ["Captioner", "PhotoFacts", "Template"]
