"""The package's version."""

VERSION = "0.1.0"


def release(package: str) -> str:
    """An installed package's name and release, such as "diffusers 0.42": what it computes may change with it."""
    from importlib.metadata import version

    return f"{package} {'.'.join(version(package).split('.')[:2])}"
