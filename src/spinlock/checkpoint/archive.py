"""Reading of the archives that ``torch.save`` writes. Every size is checked before memory is used, and no code is run.

An archive is a ZIP file: ``data.pkl`` contains the structure, and each ``data/<number>`` the numbers of one storage.
``torch.load(path, weights_only=True)`` reads it too, but trusts it in three ways: it inflates compressed members to any
size, it reads beyond the end of a member that is smaller than the structure says, and it lets the structure allocate.
"""

from __future__ import annotations

import io
import math
import os
import pickle
import pickletools
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

MAX_STRUCTURE_BYTES = 256_000_000
"""Maximum size of ``data.pkl``. That of a run with 1,000 columns and 1,000 epochs has about 300 kB."""

MAX_OPCODES = 10_000_000
"""Maximum number of instructions in ``data.pkl``, each of which creates at most one object. A run of 100,000 epochs has
about 3,000,000."""

CHUNK = 1 << 20
"""Number of bytes of a storage that are read at a time."""

DTYPES = {
    "DoubleStorage": torch.float64,
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}
"""Type of the numbers of each class of storages."""

_OPCODE_NAMES = (
    "PROTO STOP MARK GLOBAL REDUCE BINPERSID BINPUT LONG_BINPUT BINGET LONG_BINGET NONE NEWTRUE NEWFALSE "
    "BININT BININT1 BININT2 LONG1 LONG4 BINFLOAT BINUNICODE EMPTY_TUPLE TUPLE TUPLE1 TUPLE2 TUPLE3 "
    "EMPTY_LIST APPEND APPENDS EMPTY_DICT SETITEM SETITEMS"
)
OPCODES = frozenset(_OPCODE_NAMES.split())
"""Instructions of the pickles of ``torch.save`` for dictionaries, lists, numbers, text and tensors."""


class ArchiveError(Exception):
    """The file is not an archive of ``torch.save``, or is damaged; the message follows the path of the file."""


class CodeError(ArchiveError):
    """The archive contains an object other than data."""

    def __init__(self) -> None:
        super().__init__(
            "contains an object that could run code, or is neither plain data nor a tensor, and is not loaded"
        )


def read_archive(path: Path) -> Any:
    """Read the content of an archive.

    Parameters
    ----------
    path
        File that ``torch.save`` wrote.

    Returns
    -------
    object
        Dictionaries, lists, numbers, text and tensors on the CPU.

    Raises
    ------
    ArchiveError
        The file is not such an archive, is damaged, or describes more data than it contains.
    OSError
        The file cannot be read.
    """
    try:
        with path.open("rb") as file, zipfile.ZipFile(file) as archive:  # one file, also if another one replaces it
            structure = _check_members(archive, os.fstat(file.fileno()).st_size)
            data = archive.read(structure)
            _check_opcodes(data)
            return _Unpickler(data, archive, structure.filename.removesuffix("data.pkl")).load()
    except (ArchiveError, OSError, MemoryError):
        raise
    except Exception as error:  # zipfile, zlib, struct and pickle raise many types for damaged data
        raise ArchiveError("is truncated, damaged or not a checkpoint") from error


def _check_members(archive: zipfile.ZipFile, file_size: int) -> zipfile.ZipInfo:
    """Check the sizes of all members, and the content of the small ones. Return the member with the structure."""
    members = archive.infolist()
    for member in members:
        if member.compress_type != zipfile.ZIP_STORED:
            size = f"{member.file_size:,} bytes in {member.compress_size:,}"
            raise ArchiveError(f"is damaged: {member.filename} is compressed ({size}); expected stored members")
    total = sum(member.file_size for member in members)
    if total > file_size:
        raise ArchiveError(f"is damaged: its members have {total:,} bytes, and the file has {file_size:,}")
    structures = [member for member in members if member.filename.endswith("data.pkl")]
    if len(structures) != 1 or len({member.filename for member in members}) < len(members):
        raise ArchiveError("is truncated, damaged or not a checkpoint")
    if structures[0].file_size > MAX_STRUCTURE_BYTES:
        size = f"{structures[0].file_size:,} bytes; expected at most {MAX_STRUCTURE_BYTES:,}"
        raise ArchiveError(f"is damaged: data.pkl has {size}")
    folder = structures[0].filename.removesuffix("data.pkl")
    for member in members:
        if not member.filename.startswith(f"{folder}data") and member.file_size < CHUNK:
            content = archive.read(member)  # compares the checksum
            if member.filename == f"{folder}byteorder" and content != b"little":
                raise ArchiveError(f"is damaged: byteorder is {content[:20]!r}; expected b'little'")
    return structures[0]


def _check_opcodes(data: bytes) -> None:
    """Check that a pickle contains only instructions for data, not too many, and no memory slot that is larger than
    the number of instructions.
    """
    for count, (opcode, argument, _) in enumerate(pickletools.genops(data), start=1):
        if opcode.name not in OPCODES:
            raise CodeError
        if count > MAX_OPCODES:
            raise ArchiveError(f"is damaged: data.pkl has more than {MAX_OPCODES:,} instructions")
        if opcode.name == "LONG_BINPUT" and (slot := int(argument or 0)) > count:  # the unpickler allocates all slots
            raise ArchiveError(f"is damaged: data.pkl uses the memory slot {slot:,} after {count:,} instructions")


class _Unpickler(pickle.Unpickler):
    """Unpickler of the structure, which creates tensors, numbers, text, lists and dictionaries only.

    Parameters
    ----------
    data
        Content of ``data.pkl``.
    archive
        Archive with the storages.
    folder
        Folder of the archive that contains all members, with a slash at its end.
    """

    def __init__(self, data: bytes, archive: zipfile.ZipFile, folder: str) -> None:
        super().__init__(io.BytesIO(data))
        self.archive = archive
        self.folder = folder
        self.storages: dict[str, Tensor] = {}

    def find_class(self, module: str, name: str) -> Any:
        """Return what stands for a class or function of a pickled tensor. All others are refused."""
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _rebuild_tensor
        if (module, name) == ("collections", "OrderedDict"):  # the hooks of a tensor, which are empty
            return OrderedDict
        if module == "torch" and name in DTYPES:
            return DTYPES[name]
        if module == "torch" and name.endswith("Storage"):
            raise ArchiveError(f"is damaged: it contains a {name}; expected real numbers")
        raise CodeError

    def persistent_load(self, pid: Any) -> Tensor:
        """Return the numbers [n] of a storage, from ``("storage", type, key, device, n)``."""
        _, dtype, key, _, count = pid
        member = self.archive.getinfo(f"{self.folder}data/{key}")
        size = count * dtype.itemsize
        if size != member.file_size:
            what = f"{member.filename} has {member.file_size:,} bytes; expected {size:,} for a tensor"
            raise ArchiveError(f"is damaged: {what}")
        if key not in self.storages:
            self.storages[key] = self._read(member)
        return self.storages[key].view(dtype)

    def _read(self, member: zipfile.ZipInfo) -> Tensor:
        """Return the bytes of a member, after comparison of its checksum, in memory with the alignment of torch."""
        content = torch.empty(member.file_size, dtype=torch.uint8, device="cpu")
        target = content.numpy()
        with self.archive.open(member) as stream:
            for start in range(0, member.file_size, CHUNK):
                part = stream.read(CHUNK)
                target[start : start + len(part)] = np.frombuffer(part, dtype=np.uint8)
        return content


def _rebuild_tensor(storage: Tensor, offset: int, size: tuple[int, ...], stride: tuple[int, ...], *_: Any) -> Tensor:
    """Return a tensor of a storage [n]. Torch checks that its elements are inside the storage."""
    if math.prod(size) > len(storage):  # a stride of zero would repeat numbers, and take memory when it is copied
        what = f"a tensor {list(size)} has {math.prod(size):,} numbers, of which {len(storage):,} are stored"
        raise ArchiveError(f"is damaged: {what}")
    return storage.as_strided(size, stride, offset)
