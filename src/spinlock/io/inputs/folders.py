"""The folders in which a dataset may name other files: its own folder, and those of ``SPINLOCK_DATA_ROOTS``.

A dataset can name any file of the machine by an external link, by external storage or as the source of a virtual
dataset. Files that are downloaded or exchanged could thus publish private files. Therefore a file is read only if it is
named by a relative path and is in the folder of the dataset or below it, or if it is in or below a folder that the user
names.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from spinlock.errors import DataError

DATA_ROOTS = "SPINLOCK_DATA_ROOTS"
"""Environment variable: folders, separated by ``:``, whose files may be named by a dataset elsewhere."""


@dataclass(frozen=True)
class Folders:
    """The allowed folders of one dataset, with symbolic links resolved.

    Attributes
    ----------
    own
        Folders of the dataset: the one by which it was opened, and the one to which a symbolic link leads.
    named
        Folders that the user names.
    """

    own: tuple[Path, ...]
    named: tuple[Path, ...]

    @classmethod
    def of(cls, path: Path) -> Self:
        """Return the allowed folders of the dataset at ``path``."""
        named = (text for text in os.environ.get(DATA_ROOTS, "").split(os.pathsep) if text)
        own = (Path(os.path.realpath(folder)) for folder in beside(path))
        return cls(tuple(own), tuple(Path(os.path.realpath(text)) for text in named))

    def locate(self, name: str, source: Path, where: str) -> Path:
        """Return the path of a file that ``source`` names.

        Parameters
        ----------
        name
            The name in the file. A relative name is relative to the folder of ``source``.
        source
            The file that contains the name.
        where
            Place of the name, for messages.

        Raises
        ------
        DataError
            The file is outside the allowed folders, is missing, or is not a regular file.
        """
        candidates = [Path(os.path.realpath(folder / name)) for folder in beside(source)]
        allowed = self.named if Path(name).is_absolute() else self.own + self.named
        inside = [path for path in candidates if any(path.is_relative_to(folder) for folder in allowed)]
        if not inside:
            raise DataError(
                f"reads another file, {name!r}",
                where=where,
                expected="a relative path to a file in the folder of the dataset or below it",
                remedy=f"if you trust the dataset, set {DATA_ROOTS}={candidates[0].parent}",
            )
        existing = [path for path in inside if path.exists()]
        if not existing:
            raise DataError(
                f"reads the file {name!r}, which is missing",
                where=where,
                expected=f"the file {inside[0]}",
                remedy="put it there, or create the dataset again",
            )
        if not existing[0].is_file():
            raise DataError(f"reads {name!r}, which is not a regular file", where=where, expected="a regular file")
        return existing[0]


def beside(path: Path) -> tuple[Path, ...]:
    """Return the folder of a file, and that of the file to which it leads if it is a symbolic link, once each."""
    parents = (path.absolute().parent, path.resolve().parent)
    return tuple(dict.fromkeys(parents))
