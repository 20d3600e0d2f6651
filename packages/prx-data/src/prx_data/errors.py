"""The exceptions of prx-data.

    PrxDataError
    ├── ConfigError      a setting is wrong; said before any work starts, with its name and value
    ├── SourceError      the photos or their metadata cannot be read as a whole
    ├── WorkspaceError   a workspace or output folder cannot be used
    └── CaptionError     a captioner fails at everything, such as a server that is down

A bad photo never raises: it is a row with a reason.
"""


class PrxDataError(Exception):
    """Anything that stops prx-data; its text is one sentence for the user."""


class ConfigError(PrxDataError):
    """A setting is wrong."""


class SourceError(PrxDataError):
    """The photos or their metadata cannot be read as a whole."""


class WorkspaceError(PrxDataError):
    """A workspace or an output folder cannot be used."""


class CaptionError(PrxDataError):
    """A captioner fails at everything; what it wrote before is kept."""
