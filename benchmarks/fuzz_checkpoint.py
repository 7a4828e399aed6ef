"""Mutations of checkpoints: parts, tensors, bytes, and the structure of the archive."""

from __future__ import annotations

import io
import shutil
import warnings
import zipfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch
from torch import Tensor

from fuzz_attempt import run_command
from fuzz_kind import Attempt, Random, mutate_bytes, odd_value, pick, write_config, write_table

VARIANTS = {
    "local": {},
    "joint": {"assignment": "joint"},
    "ranks": {"normalization_method": "rank_gauss", "use_ema": False},
}
TRAIN, MODEL = ("train-vqvae", "--config", "c.json"), "m.pt"


class CheckpointKind:
    """Checkpoints of three runs, which are inspected, used for encoding and decoding, and resumed."""

    name = "checkpoint"

    def prepare(self, folder: Path) -> None:
        """Train the runs, and encode with each of them."""
        write_table(folder / "t.h5")
        write_config(folder / "c.json")
        for name, settings in VARIANTS.items():
            options = [option for key, value in settings.items() for option in ("--set", f"{key}={value}")]
            _succeed([*TRAIN, "--output", name, *options], folder, name)
            model = f"{name}/best_model.pt"
            _succeed(_encode(model, f"{name}.tokens"), folder, f"{name}.tokens")

    def mutate(self, folder: Path, random: Random) -> str:
        """Write the mutated checkpoint of one of the runs."""
        self.variant = pick(random, list(VARIANTS))
        source = folder / self.variant / pick(random, ["best_model.pt", "last.pt"])
        change = pick(random, [_mutate_part] * 3 + [_mutate_tensor] * 3 + [_mutate_file, _mutate_member, _mutate_zip])
        return f"{self.variant} {source.name}: {change(source, folder / MODEL, random)}"

    def attempts(self, random: Random) -> list[Attempt]:
        """Inspect the file, encode and decode with it, or resume it."""
        tokens = f"{self.variant}.tokens"
        settings = [option for key, value in VARIANTS[self.variant].items() for option in ("--set", f"{key}={value}")]
        decode = ["decode-tokens", "--tokens", tokens, "--vqvae-model", MODEL, "--output", "d.h5"]
        resume = [*TRAIN, "--output", "resumed", "--resume-from", MODEL, "--epochs", "3", *settings]
        others = [
            Attempt(_encode(MODEL, "e.h5"), frozenset({"e.h5"}), lambda folder: _wrong_tokens(folder, tokens)),
            Attempt(decode, frozenset({"d.h5"})),
            Attempt(resume, frozenset({"resumed"})),
        ]
        return [Attempt(["inspect", MODEL]), pick(random, others)]


def _encode(model: str, output: str) -> list[str]:
    return ["encode-to-tokens", "--dataset", "t.h5", "--vqvae-model", model, "--output", output]


def _succeed(arguments: list[str], folder: Path, output: str) -> None:
    outcome = run_command(arguments, folder, frozenset({output}))
    if outcome.kind != "result":
        raise SystemExit(f"{' '.join(arguments)}: {outcome}")


def _wrong_tokens(folder: Path, original: str) -> str:
    """Return what is wrong with a token file, whose weights may have been changed to other finite numbers."""
    with h5py.File(folder / original) as one, h5py.File(folder / "e.h5") as other:
        if one["tokens/indices"].shape != other["tokens/indices"].shape:
            return "the tokens have another shape"
        if not np.isfinite(other["tokens/reconstruction_error"][()]).all():
            return "reconstruction errors are not finite"
    return ""


def _containers(value: Any, path: str = "") -> list[tuple[str, Any, Any]]:
    """Path, container and key of every value below a value."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    found = []
    for key, item in list(pairs)[:40]:
        found += [(f"{path}/{key}", value, key), *_containers(item, f"{path}/{key}")]
    return found


def _mutate_part(source: Path, target: Path, random: Random) -> str:
    """Replace, remove, add or exchange parts of the content."""
    content = torch.load(source, weights_only=True)
    places = _containers(content)
    changes = []
    for _ in range(int(random.integers(1, 3))):
        path, container, key = pick(random, places)
        other = pick(random, places)
        change = pick(random, ["replace", "replace", "copy", "remove", "add", "nest"])
        try:
            if change == "replace":
                container[key] = odd_value(random)
            elif change == "copy":
                container[key] = other[1][other[2]]
            elif change == "remove":
                del container[key]
            elif change == "nest":
                container[key] = pick(random, [[container[key]], {"a": container[key]}])
            elif isinstance(container, dict):
                container[odd_value(random) if random.random() < 0.5 else "extra"] = odd_value(random)
            else:
                container.append(container[key])
        except (KeyError, IndexError, TypeError):  # an earlier change removed the place, or the key cannot be hashed
            continue
        changes.append(f"{change} {path}")
    try:
        torch.save(content, target)
    except (UnicodeEncodeError, RecursionError):  # pickle cannot write a lone surrogate or a part that contains itself
        shutil.copy(source, target)
        changes.append("not written")
    return ", ".join(changes)


def _mutate_tensor(source: Path, target: Path, random: Random) -> str:
    """Change numbers, type or shape of one tensor."""
    content = torch.load(source, weights_only=True)
    path, container, key = pick(
        random, [place for place in _containers(content) if isinstance(place[1][place[2]], Tensor)]
    )
    change, changed = _changed_tensor(container[key], random)
    container[key] = changed
    torch.save(content, target)
    return f"{change} {path}"


def _changed_tensor(tensor: Tensor, random: Random) -> tuple[str, Tensor]:
    change = pick(random, ["number", "numbers", "shape", "type", "expand", "permute", "empty", "sign", "scale"])
    flat = tensor.flatten().clone()
    value = pick(random, [float("nan"), float("inf"), 0.0, -1.0, 1.0, 1e30, 2.0**40])
    if not tensor.is_floating_point():
        value = pick(random, [0, -1, 1, 200, 10**9]) % 256 if tensor.dtype == torch.uint8 else pick(random, [0, -1, 7])
    if change == "number" and len(flat):
        flat[int(random.integers(len(flat)))] = value
    elif change == "numbers":
        flat[:] = value
    elif change == "shape":
        count = pick(random, [1, max(1, len(flat) // 2), len(flat) + 1, 1000])
        return change, flat.repeat(1 + count // max(1, len(flat)))[:count]
    elif change == "type":
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            dtype = pick(random, [torch.float16, torch.float64, torch.int64, torch.bool, torch.complex64, torch.uint8])
            return f"type {dtype}", tensor.to(dtype)
    elif change == "expand":
        return change, flat[:1].expand(pick(random, [10, 10**6, 10**10])) if len(flat) else flat
    elif change == "permute":
        flat = flat[torch.from_numpy(random.permutation(len(flat)))]
    elif change == "empty":
        return change, tensor.new_empty(0)
    elif change == "sign" and tensor.is_floating_point():
        flat = -flat
    elif change == "scale" and tensor.is_floating_point():
        flat = flat * 1e3
    return change, flat.view(tensor.shape)


def _mutate_file(source: Path, target: Path, random: Random) -> str:
    """Change bytes of the file."""
    data, change = mutate_bytes(source.read_bytes(), random)
    target.write_bytes(data)
    return change


def _mutate_member(source: Path, target: Path, random: Random) -> str:
    """Change bytes of the structure or of the numbers, with right checksums."""
    members = _members(source)
    name = pick(random, ["archive/data.pkl", pick(random, list(members))])
    members[name], change = mutate_bytes(members[name], random)
    _write(target, members)
    return f"{name}: {change}"


def _mutate_zip(source: Path, target: Path, random: Random) -> str:
    """Change the members of the archive."""
    members = _members(source)
    one, other = pick(random, list(members)), pick(random, list(members))
    change = pick(random, ["compress", "remove", "rename", "exchange", "twice", "bomb", "size", "storage"])
    compression = zipfile.ZIP_DEFLATED if change in ("compress", "bomb") else zipfile.ZIP_STORED
    structure = members["archive/data.pkl"]
    if change == "remove":
        del members[one]
    elif change == "rename":
        members[f"{one}x"] = members.pop(one)
    elif change == "exchange":
        members[one], members[other] = members[other], members[one]
    elif change == "bomb":
        members["archive/data.pkl"] = pick(random, [b"(", b"]", b"N"]) * 200_000_000
    elif change == "storage":  # another number of elements of a storage, which is an integer of four bytes
        spot = structure.find(b"cpu", int(random.integers(len(structure)))) + 1
        members["archive/data.pkl"] = structure[:spot] + mutate_bytes(structure[spot : spot + 40], random)[0]
    _write(target, members, compression)
    if change == "twice":
        with warnings.catch_warnings(), zipfile.ZipFile(target, "a") as archive:
            warnings.simplefilter("ignore")
            archive.writestr(one, members[other])
    elif change == "size":
        data = bytearray(target.read_bytes())
        start = data.rfind(b"PK\x01\x02", 0, int(random.integers(len(data) // 2, len(data))))
        data[start + 20 : start + 28] = random.bytes(8)
        target.write_bytes(data)
    return f"{change} {one} {other}"


def _members(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def _write(path: Path, members: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression, compresslevel=1) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    path.write_bytes(buffer.getvalue())
