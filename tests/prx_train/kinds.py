"""The kinds of pipelines, apart from `tiny.py`, which imports what takes seconds."""

KINDS = ("kl", "dc", "pixel")
