"""What every section of the configuration has in common: strict, frozen, open about contradictory values."""

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import PydanticCustomError


@dataclass(frozen=True)
class Conflict:
    """Values that are right one by one and wrong together: the keys, and what would have been right."""

    keys: tuple[str, ...]
    reason: str


class Section(BaseModel):
    """A frozen group of settings; "5" is no integer, 1 is not true, an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    listing: ClassVar[str] = "the JSON schema"
    """The file that lists and explains every key."""

    def conflicts(self) -> Iterator[Conflict]:
        """Every contradiction between this section's values; a subclass yields its own, then its parents'."""
        yield from ()

    @model_validator(mode="after")
    def _reject_conflicts(self) -> "Section":
        found = list(self.conflicts())
        if found:
            reasons = "; ".join(conflict.reason for conflict in found)
            raise PydanticCustomError("conflict", "{reasons}", {"reasons": reasons, "conflicts": found})
        return self


SectionT = TypeVar("SectionT", bound=Section)


def setting(
    default: object, description: str, *, unit: str | None = None, expected: str | None = None, **limits: Any
) -> Any:
    """Declare a key: its production value, meaning, unit and limits (pydantic's ``ge``, ``lt``, ...).

    ``expected`` says in words what a right value looks like, where type and limits alone would not.
    It travels in the JSON schema as ``errorMessage``, which editors show too.
    """
    extra: dict[str, JsonValue] = {
        key: text for key, text in (("unit", unit), ("errorMessage", expected)) if text is not None
    }
    return Field(default=default, description=description, json_schema_extra=extra, **limits)


def _to_path(value: object) -> Path:
    if not isinstance(value, str | Path) or not str(value).strip():
        raise ValueError("a path is a string that is not empty")
    text = str(value)
    if any(unicodedata.category(letter) in ("Cc", "Cs") for letter in text):
        raise ValueError("a path has no control characters")
    return Path.home() / text[2:] if text.startswith("~/") else Path(value)


FilePath = Annotated[
    Path,
    BeforeValidator(_to_path),
    WithJsonSchema({"type": "string", "minLength": 1, "errorMessage": "a path"}),
]
"""A path as the user wrote it, relative to the working directory; a leading ``~/`` is the home directory."""
