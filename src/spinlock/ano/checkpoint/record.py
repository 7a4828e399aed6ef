"""The file of a model: ``best_model.pt`` of a finished run, and ``last.pt``, from which a run is resumed.

Both have the same format. ``torch.load(path, weights_only=True)`` reads them without running code.
"""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from spinlock.ano.calibration.conformal import ConformalWidths
from spinlock.ano.checkpoint.consistency import check_consistent
from spinlock.ano.checkpoint.layout import FORMAT_VERSION, KIND, LAYOUT
from spinlock.ano.data.source import Source
from spinlock.ano.data.space import ParameterSpace
from spinlock.ano.data.split import PARTS, OperatorSplit
from spinlock.ano.network.member import NetworkSpec
from spinlock.ano.training.state import EpochRecord, TrainingState, Weights
from spinlock.checkpoint.archive import ArchiveError, read_archive
from spinlock.checkpoint.provenance import Provenance
from spinlock.checkpoint.schema import Mismatch, check, describe
from spinlock.config.ano import ANOConfig
from spinlock.config.loading import resolve_ano_config
from spinlock.errors import CheckpointError, ConfigError
from spinlock.io.token_layout import TokenColumns
from spinlock.paths import is_special_file, user_path
from spinlock.runtime.isolation import isolated

REMEDY = "use the best_model.pt of a run of train-ano"


@dataclass(frozen=True)
class Calibration:
    """Temperature of the families, and widths of the intervals."""

    temperature: float
    widths: ConformalWidths


@dataclass(frozen=True)
class ANOCheckpoint:
    """Everything that a file stores.

    Attributes
    ----------
    config, source, split, space, spec, provenance
        What determines the model, and how it was trained.
    members
        Weights of each member of a finished run.
    calibration
        Calibration of a finished run, or None.
    metrics
        Metrics of a finished run on the test operators; see
        :func:`spinlock.ano.calibration.fit.held_out_metrics`.
    history
        Values of each epoch of each member.
    resume
        State of an unfinished run, or None.
    """

    config: ANOConfig
    source: Source
    split: OperatorSplit
    space: ParameterSpace
    spec: NetworkSpec
    provenance: Provenance
    members: tuple[Weights, ...]
    calibration: Calibration | None
    metrics: dict[str, Any]
    history: tuple[EpochRecord, ...]
    resume: TrainingState | None

    def to_dict(self) -> dict[str, Any]:
        """Return the content of the file: plain data and tensors."""
        calibration = self.calibration
        return {
            "kind": KIND,
            "format_version": FORMAT_VERSION,
            "config": self.config.model_dump(mode="json"),
            "tokens": {
                "category": list(self.source.columns.category),
                "level": list(self.source.columns.level),
                "codebook_size": list(self.source.columns.codebook_size),
                "model_sha256": self.source.model_sha256,
                "sha256": self.source.sha256,
                "decoder_sha256": self.source.decoder_sha256,
                "operators": torch.tensor(self.source.operators),
            },
            "operators": {part: torch.from_numpy(getattr(self.split, part)) for part in PARTS},
            "space": self.space.to_dict(),
            "network": self.spec.to_dict(),
            "provenance": self.provenance.to_dict(),
            "members": list(self.members),
            "calibration": None
            if calibration is None
            else {"temperature": calibration.temperature, "widths": calibration.widths.to_dict()},
            "metrics": self.metrics,
            "history": list(self.history),
            "resume": None if self.resume is None else _state_to_dict(self.resume),
        }

    @classmethod
    def from_dict(cls, raw: Any, path: Path) -> ANOCheckpoint:
        """Restore a checkpoint from the content of a file.

        Raises
        ------
        CheckpointError
            The content is not that of an ANO model, has another format version, or is damaged.
        """
        kind = raw.get("kind") if isinstance(raw, dict) else None
        if kind != KIND:
            raise CheckpointError("is not an ANO model", where=str(path), remedy=REMEDY)
        if raw.get("format_version") != FORMAT_VERSION:
            what = f"has format version {describe(raw.get('format_version'))}"
            raise CheckpointError(what, where=str(path), expected=f"version {FORMAT_VERSION}", remedy="train again")
        try:
            check(raw, LAYOUT)
            check_consistent(raw)
            config = resolve_ano_config(raw["config"], {})
        except Mismatch as mismatch:
            what = f"is damaged: {mismatch.place} {mismatch.problem}"
            raise CheckpointError(what, where=str(path), expected=mismatch.expected, remedy=REMEDY) from None
        except ConfigError as error:
            raise CheckpointError(f"is damaged: {error}", where=str(path), remedy=REMEDY) from None
        tokens, calibration = raw["tokens"], raw["calibration"]
        columns = TokenColumns(*(tuple(tokens[key]) for key in ("category", "level", "codebook_size")))
        hashes = tuple(tokens["operators"].tolist())
        return cls(
            config=config,
            source=Source(columns, tokens["model_sha256"], tokens["sha256"], hashes, tokens["decoder_sha256"]),
            split=OperatorSplit(**{part: raw["operators"][part].numpy().astype(np.int64) for part in PARTS}),
            space=ParameterSpace.from_dict(raw["space"]),
            spec=NetworkSpec.from_dict(raw["network"]),
            provenance=Provenance.from_dict(raw["provenance"]),
            members=tuple(raw["members"]),
            calibration=None
            if calibration is None
            else Calibration(calibration["temperature"], ConformalWidths.from_dict(calibration["widths"])),
            metrics=raw["metrics"],
            history=tuple(raw["history"]),
            resume=None if raw["resume"] is None else TrainingState(history=list(raw["history"]), **raw["resume"]),
        )

    @isolated()
    def sha256(self) -> str:
        """Return the SHA-256 of what determines the predictions: weights, space, temperature and widths."""
        digest = hashlib.sha256()
        for weights in self.members:
            for name in sorted(weights):
                digest.update(name.encode())
                digest.update(weights[name].cpu().contiguous().numpy().tobytes())
        content = self.to_dict()
        plain = {key: content[key] for key in ("space", "calibration")}
        digest.update(json.dumps(plain, sort_keys=True).encode())
        return digest.hexdigest()

    @isolated()
    def to_bytes(self) -> bytes:
        """Return the content of the file."""
        buffer = io.BytesIO()
        torch.save(self.to_dict(), buffer)
        return buffer.getvalue()

    @classmethod
    def load(cls, path: Path | str) -> ANOCheckpoint:
        """Read a file.

        Raises
        ------
        CheckpointError
            The file does not exist, is damaged, is not an ANO model, or has another format version.
        """
        path = user_path(path)
        where = str(path)
        try:
            if path.is_dir() or is_special_file(path):
                raise CheckpointError("is not a regular file", where=where, remedy=REMEDY)
            return cls.from_dict(read_archive(path), path)
        except ArchiveError as error:
            raise CheckpointError(str(error), where=where, remedy=REMEDY) from error
        except FileNotFoundError:
            raise CheckpointError("no such model", where=where, remedy=REMEDY) from None
        except OSError as error:
            raise CheckpointError(f"cannot be read ({error.strerror or error})", where=where, remedy=REMEDY) from error


def is_ano_model(path: Path) -> bool:
    """Return whether a file can be read and says that it is an ANO model."""
    try:
        raw = None if path.is_dir() or is_special_file(path) else read_archive(path)
    except (ArchiveError, OSError):
        return False
    return isinstance(raw, dict) and raw.get("kind") == KIND


def _state_to_dict(state: TrainingState) -> dict[str, Any]:
    """Return the state of an unfinished run, without the history, as plain data and tensors."""
    values = {name: getattr(state, name) for name in state.__dataclass_fields__ if name != "history"}
    if state.optimizer is not None:
        groups = [
            {key: list(value) if isinstance(value, tuple) else value for key, value in group.items()}
            for group in state.optimizer["param_groups"]
        ]
        values["optimizer"] = {"state": state.optimizer["state"], "param_groups": groups}
    return values
