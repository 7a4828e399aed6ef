"""Mutations of datasets, token files and rollouts: objects, links, storage, types and bytes."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from fuzz_kind import Attempt, Random, mutate_bytes, odd_value, pick, write_config, write_table
from spinlock import Tokenizer

SETTINGS = {"epochs": 1, "use_torch_compile": False, "embedding_dim": 8}
FILTERS = [h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_FLETCHER32, 32000, 32001, 32015, 499]


class _Hdf5Kind:
    """A file of one layout that is mutated in place."""

    file = "d.h5"

    def mutate(self, folder: Path, random: Random) -> str:
        """Change one to three objects of the file, or its bytes."""
        path = folder / self.file
        if random.random() < 0.2:
            content, change = mutate_bytes(path.read_bytes(), random)
            path.write_bytes(content)
            return change
        changes = []
        with h5py.File(path, "r+") as file:
            for _ in range(pick(random, [1, 1, 1, 2, 3])):
                names: list[str] = ["/"]
                file.visit(names.append)
                name, change = pick(random, names), pick(random, CHANGES)
                try:
                    changes.append(f"{change.__name__.strip('_')} {name} {change(file, name, random)}")
                except (OSError, TypeError, ValueError, KeyError, RuntimeError, OverflowError, AttributeError) as error:
                    changes.append(f"{change.__name__} {name} impossible: {type(error).__name__}")
        return ", ".join(changes)[:300]


class DatasetKind(_Hdf5Kind):
    """Datasets of features, which are shown, encoded and trained on."""

    name = "dataset"

    def prepare(self, folder: Path) -> None:
        """Write a dataset with annotations, a raw file beside it, and a model."""
        write_dataset(folder / self.file)
        write_config(folder / "c.json")
        Tokenizer.fit(folder / self.file, SETTINGS).save(folder / "m.pt")

    def attempts(self, random: Random) -> list[Attempt]:
        """Show and encode the file, and sometimes train on it."""
        encode = ["encode-to-tokens", "--dataset", self.file, "--vqvae-model", "m.pt", "--output", "x.h5", "--quiet"]
        commands = [Attempt(["inspect", self.file]), Attempt(encode, frozenset({"x.h5"}))]
        split = ["--set", f"split_by=labels/{pick(random, ['kind', 'number'])}"] if random.random() < 0.5 else []
        train = ["train-vqvae", "--config", "c.json", "--input", self.file, "--output", "new", "--dry-run", *split]
        return [*commands, Attempt(train)] if random.random() < 0.3 else commands


class TokenKind(_Hdf5Kind):
    """Token files, which are shown and decoded."""

    name, file = "tokens", "x.h5"

    def prepare(self, folder: Path) -> None:
        """Write the tokens of a dataset, and their model."""
        write_dataset(folder / "d.h5")
        tokenizer = Tokenizer.fit(folder / "d.h5", SETTINGS)
        tokenizer.save(folder / "m.pt")
        tokenizer.encode_file(folder / "d.h5", folder / self.file)

    def attempts(self, random: Random) -> list[Attempt]:
        """Show and decode the file."""
        decode = ["decode-tokens", "--tokens", self.file, "--vqvae-model", "m.pt", "--output", "y.h5", "--quiet"]
        row = ["--row", str(pick(random, [0, 3, 89]))] if random.random() < 0.3 else []
        return [Attempt(["inspect", self.file, *row]), Attempt(decode, frozenset({"y.h5"}))]


class RolloutKind(_Hdf5Kind):
    """Rollouts in the layout of Spinlock or of The Well, whose features are extracted."""

    name, file = "rollouts", "r.h5"

    def prepare(self, folder: Path) -> None:
        """Write rollouts in both layouts."""
        random = np.random.default_rng(0)
        with h5py.File(folder / "own.h5", "w") as file:
            file["outputs/fields"] = random.normal(size=(3, 2, 4, 2, 16, 16)).astype(np.float32)
            file["metadata/channels"] = [2, 1, 2]
            file["labels/kind"] = ["a", "b", "a"]
        with h5py.File(folder / "well.h5", "w") as file:
            file.attrs.update(n_trajectories=2, n_spatial_dims=2)
            for name, size in (("x", 16), ("y", 16), ("time", 4)):
                file[f"dimensions/{name}"] = np.linspace(0, 1, size)
            file["dimensions"].attrs["spatial_dims"] = ["x", "y"]
            for order, name in enumerate(("density", "velocity")):
                group = file.create_group(f"t{order}_fields")
                group.attrs["field_names"] = [name]
                group[name] = random.normal(size=(2, 4, 16, 16, 2)[: 4 + order])
                group[name].attrs.update(dim_varying=[True, True], sample_varying=True, time_varying=True)

    def mutate(self, folder: Path, random: Random) -> str:
        """Choose a layout and change the file."""
        layout = pick(random, ["own", "well"])
        (folder / f"{layout}.h5").rename(folder / self.file)
        return f"{layout}: {super().mutate(folder, random)}"

    def attempts(self, random: Random) -> list[Attempt]:
        """Show the file and extract its features."""
        extract = ["extract-features", "--rollouts", self.file, "--output", "f.h5", "--quiet"]
        return [Attempt(["inspect", self.file]), Attempt(extract, frozenset({"f.h5"}))]


def write_dataset(path: Path) -> None:
    """Write a dataset with labels, parameters and metadata, and files to which mutations refer."""
    write_table(path)
    with h5py.File(path, "r+") as file:
        file["labels/kind"] = [f"k{index % 3}" for index in range(90)]
        file["labels/number"] = np.arange(90) % 5
        file["parameters/params"] = np.random.default_rng(1).uniform(size=(90, 2))
        file["metadata/step"] = np.arange(90)
        file.attrs["command_line"] = "made by hand"
    with h5py.File(path.parent / "other.h5", "w") as file:
        file["x"] = np.ones((90, 12), np.float32)
        file["loop"] = h5py.ExternalLink(path.name, "/features")
    (path.parent / "raw.bin").write_bytes(np.random.default_rng(2).bytes(1000))


def _odd_array(random: Random, like: Any) -> Any:
    """Return an array of another type or shape than a dataset."""
    has_shape = isinstance(like, h5py.Dataset) and like.shape is not None and like.size < 10**6
    shape = like.shape if has_shape else (90, 12)
    other = pick(random, [shape, shape[::-1], shape[:-1], (*shape, 2), (0, *shape[1:]), (1, *shape[1:]), (), (7,)])
    dtype = pick(random, ["f4", "f8", "f2", "i1", "u8", "i4", "c8", "?", "S3", ">f4", "O", "g", "V4", "enum", "vlen"])
    if dtype == "O":
        return np.full(other, pick(random, ["", "x", "ä", "k1", "x" * 1000]), dtype=h5py.string_dtype())
    if dtype == "enum":
        return np.zeros(other, h5py.enum_dtype({"a": 0, "b": 1}))
    if dtype == "vlen":
        return np.array([np.arange(2)] * 3 + [np.arange(1)], dtype=object).astype(h5py.vlen_dtype(np.int32))
    fill = pick(random, [0, 1, 2, 255, -1, np.nan, np.inf, 3e38, 1e300])
    with np.errstate(all="ignore"):
        return np.full(other, fill).astype(dtype) if dtype != "V4" else np.zeros(other, "V4")


def _replace(file: Any, name: str, random: Random) -> str:
    """Replace an object by another dataset or by a group."""
    values = _odd_array(random, file[name])
    if name != "/":
        del file[name]
    target = name if name != "/" else "features"
    if random.random() < 0.15:
        file.create_group(target)
        return "by a group"
    file[target] = values
    return f"by {values.dtype} {values.shape}"


def _delete(file: Any, name: str, random: Random) -> str:
    del file[name]
    return ""


def _attribute(file: Any, name: str, random: Random) -> str:
    """Set or remove an attribute."""
    known = [*file[name].attrs, "_FillValue", "missing_value", "feature_names", "format", "time_varying", "extra"]
    key, value = (
        pick(random, known),
        pick(random, [odd_value(random), _odd_array(random, file[name]), h5py.Empty("f4")]),
    )
    if random.random() < 0.2 and key in file[name].attrs:
        del file[name].attrs[key]
        return f"without {key}"
    file[name].attrs[key] = value
    return f"{key}={value!r:.30}"


def _link(file: Any, name: str, random: Random) -> str:
    """Replace an object by a link."""
    links = [
        h5py.SoftLink("/nowhere"), h5py.SoftLink(name), h5py.SoftLink("/"), h5py.SoftLink("/labels"),
        h5py.ExternalLink("other.h5", "/x"), h5py.ExternalLink("other.h5", "/loop"), h5py.ExternalLink("gone.h5", "/"),
        h5py.ExternalLink("/etc/passwd", "/x"), h5py.ExternalLink(_absolute(file), name),
        h5py.ExternalLink("raw.bin", "/"), h5py.ExternalLink(".", "/"), h5py.ExternalLink("", "/x"),
    ]  # fmt: skip
    link = pick(random, links)
    del file[name]
    file[name] = link
    return f"{type(link).__name__} {link.path}"


def _storage(file: Any, name: str, random: Random) -> str:
    """Replace a dataset by one of the same shape that is stored otherwise."""
    shape = (file[name].shape if file[name].size < 10**6 else None) or (1,)
    del file[name]
    return str(pick(random, [_sparse, _virtual, _raw, _filtered, _type])(file, name, shape, random))


def _absolute(file: Any) -> str:
    """Return the absolute path of an open file."""
    return str(Path(file.filename).absolute())


def _sparse(file: Any, name: str, shape: tuple[int, ...], random: Random) -> str:
    """Create a dataset of which a part, or nothing, is written."""
    size = pick(random, [shape[0], 10**6, 2**27 + 1, 10**12])
    fill = pick(random, [None, 0, np.nan, 9.969209968386869e36])
    chunks = tuple(pick(random, [1, max(1, side // 3), side]) for side in shape)
    made = file.create_dataset(name, (size, *shape[1:]), "f4", chunks=chunks, fillvalue=fill, maxshape=None)
    if random.random() < 0.7:
        made[: max(1, shape[0] // 2)] = 1
    return f"sparse {size}"


def _virtual(file: Any, name: str, shape: tuple[int, ...], random: Random) -> str:
    """Create a virtual dataset that reads itself, another dataset, or a file that is missing or forbidden."""
    layout = h5py.VirtualLayout(shape, "f4")
    source = pick(random, [".", "other.h5", "gone.h5", "/etc/passwd", "raw.bin", _absolute(file)])
    dataset = pick(random, [name, "x", "/labels/number", "/nowhere"])
    count = max(1, shape[0] // pick(random, [1, 2]))
    layout[:count] = h5py.VirtualSource(source, dataset, (count, *shape[1:]))
    file.create_virtual_dataset(name, layout)
    return f"reads {source} {dataset}"


def _raw(file: Any, name: str, shape: tuple[int, ...], random: Random) -> str:
    """Create a dataset whose values are in a raw file."""
    source = pick(random, ["raw.bin", "gone.bin", "/etc/passwd", "../x"])
    file.create_dataset(name, shape, "u1", external=[(source, 0, h5py.h5f.UNLIMITED)])
    return f"raw {source}"


def _filtered(file: Any, name: str, shape: tuple[int, ...], random: Random) -> str:
    """Create a dataset of one chunk, with some filters and arbitrary stored bytes."""
    settings = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    settings.set_chunk(shape)
    numbers = [pick(random, FILTERS) for _ in range(pick(random, [1, 1, 2, 3]))]
    for number in numbers:
        settings.set_filter(number, h5py.h5z.FLAG_OPTIONAL, (1,))
    size = int(np.prod(shape)) * 4
    contents = [
        bytes(size),
        zlib.compress(bytes(size)),
        zlib.compress(bytes(300 * size + 10**6)),
        random.bytes(50),
        b"",
    ]
    made = h5py.h5d.create(file.id, name.encode(), h5py.h5t.IEEE_F32LE, h5py.h5s.create_simple(shape), settings)
    made.write_direct_chunk((0,) * len(shape), pick(random, contents), pick(random, [0, 0, 1]))
    return f"filters {numbers}"


def _type(file: Any, name: str, shape: tuple[int, ...], random: Random) -> str:
    """Create a dataset of a type that NumPy does not have."""
    integer = h5py.h5t.STD_I64LE.copy()
    integer.set_size(16)
    kind = pick(random, [integer, h5py.h5t.UNIX_D32LE, h5py.h5t.STD_REF_OBJ, h5py.h5t.STD_B8LE])
    h5py.h5d.create(file.id, name.encode(), kind, h5py.h5s.create_simple(shape))
    return f"type {kind.get_class()}"


CHANGES = [_replace, _replace, _replace, _delete, _attribute, _attribute, _link, _storage, _storage]
