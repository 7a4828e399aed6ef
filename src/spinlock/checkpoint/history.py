"""Training history: for each metric the list of its values, beginning with epoch 0; None if an epoch has no value."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping

EpochValues = dict[str, float | int | None]
"""Values of one epoch by metric."""


class History:
    """Lists of equal length by metric. A metric that first occurs in a later epoch is None in all earlier epochs."""

    def __init__(self, columns: Mapping[str, list[float | int | None]] | None = None) -> None:
        self.columns = {name: list(values) for name, values in (columns or {}).items()}

    def __len__(self) -> int:
        """Return the number of recorded epochs, including epoch 0."""
        return max((len(values) for values in self.columns.values()), default=0)

    def append(self, record: Mapping[str, float | int | None]) -> None:
        """Add the values of one epoch. NaN and infinite values are stored as None."""
        length = len(self)
        for name in sorted(self.columns.keys() | record.keys()):
            values = self.columns.setdefault(name, [None] * length)
            value = record.get(name)
            values.append(value if value is None or math.isfinite(value) else None)

    def until(self, epoch: int) -> History:
        """Return the history of the epochs 0 to ``epoch``."""
        return History({name: values[: epoch + 1] for name, values in self.columns.items()})

    def records(self) -> Iterator[EpochValues]:
        """Yield the values of each epoch."""
        for epoch in range(len(self)):
            yield {name: self.columns[name][epoch] for name in sorted(self.columns)}

    def to_json(self) -> bytes:
        """Return the content of ``training_history.json``."""
        ordered = {name: self.columns[name] for name in sorted(self.columns)}
        return (json.dumps(ordered, indent=1, allow_nan=False) + "\n").encode()

    def to_jsonl(self) -> bytes:
        """Return the content of ``training_history.jsonl``, one line for each epoch."""
        return "".join(json.dumps(record, allow_nan=False) + "\n" for record in self.records()).encode()
