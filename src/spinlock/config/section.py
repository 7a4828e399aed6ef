"""The base of all configuration sections: strict, frozen, and checked for contradictions between values."""

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
    """Values that are valid one by one and contradict each other: their keys, and the reason."""

    keys: tuple[str, ...]
    reason: str


class Section(BaseModel):
    """A frozen group of settings. Types are strict: "5" is not an integer, 1 is not true. Unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    listing: ClassVar[str] = "the JSON schema"
    """The file that lists and explains every key."""

    def conflicts(self) -> Iterator[Conflict]:
        """Yield every contradiction between the values; a subclass yields its own and then those of its parents."""
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
    default: object,
    description: str,
    *,
    unit: str | None = None,
    expected: str | None = None,
    identity: bool = True,
    **limits: Any,
) -> Any:
    """Declare a key of the configuration.

    Parameters
    ----------
    default
        The production value.
    description
        What the key does, in one sentence.
    unit
        Unit of the value.
    expected
        Describes a valid value where type and limits do not. It is stored in the JSON schema as ``errorMessage``,
        which editors show too.
    identity
        Whether the key identifies the result. A key that only says where and how a run executes (paths, device,
        duration, verbosity) does not, so a resumed run may change it.
    **limits
        Limits in the terms of pydantic: ``ge``, ``lt``, ...
    """
    extra: dict[str, JsonValue] = {
        key: text for key, text in (("unit", unit), ("errorMessage", expected)) if text is not None
    }
    if not identity:
        extra["identity"] = False
    return Field(default=default, description=description, json_schema_extra=extra, **limits)


def identity_keys(model: type[Section]) -> frozenset[str]:
    """The keys of ``model`` that identify its result: all that are not declared with ``identity=False``."""
    return frozenset(
        key
        for key, field in model.model_fields.items()
        if not isinstance(field.json_schema_extra, dict) or field.json_schema_extra.get("identity", True)
    )


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
