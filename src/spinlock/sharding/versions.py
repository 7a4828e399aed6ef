"""Versions of libraries on which the bytes of results depend."""

from importlib.metadata import version


def library_versions(*names: str) -> dict[str, str]:
    """Return {name: version} of installed libraries."""
    return {name: version(name) for name in names}
