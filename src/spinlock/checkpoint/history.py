"""The training history: {metric: [value of each epoch, from epoch 0 on]}, None where an epoch has no value."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping

Record = dict[str, float | int | None]
"""{metric: value} of one epoch."""


class History:
    """Columns of equal length; a metric that appears late is None in the epochs before."""

    def __init__(self, columns: Mapping[str, list[float | int | None]] | None = None) -> None:
        self.columns = {name: list(values) for name, values in (columns or {}).items()}

    def __len__(self) -> int:
        """Number of recorded epochs, epoch 0 included."""
        return max((len(values) for values in self.columns.values()), default=0)

    def append(self, record: Mapping[str, float | int | None]) -> None:
        """Add the values of one epoch; a number that is not finite is stored as None."""
        length = len(self)
        for name in sorted(self.columns.keys() | record.keys()):
            values = self.columns.setdefault(name, [None] * length)
            value = record.get(name)
            values.append(value if value is None or math.isfinite(value) else None)

    def records(self) -> Iterator[Record]:
        """The epochs in order."""
        for epoch in range(len(self)):
            yield {name: self.columns[name][epoch] for name in sorted(self.columns)}

    def to_json(self) -> bytes:
        """The content of ``training_history.json``."""
        ordered = {name: self.columns[name] for name in sorted(self.columns)}
        return (json.dumps(ordered, indent=1, allow_nan=False) + "\n").encode()

    def to_jsonl(self) -> bytes:
        """The content of ``training_history.jsonl``, one line for each epoch."""
        return "".join(json.dumps(record, allow_nan=False) + "\n" for record in self.records()).encode()
