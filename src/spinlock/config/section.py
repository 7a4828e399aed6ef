"""The base class of all configuration sections, which are frozen, strictly typed and checked for conflicts."""

import unicodedata
from collections.abc import Iterator, Mapping
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

from spinlock.errors import DataError
from spinlock.paths import user_path

MAX_COUNT = 1_000_000_000
"""Maximum of a count without a natural limit, so that the product of two counts is a 64-bit integer."""

MAX_WEIGHT = 1e6
"""Maximum weight of a loss or of a score, so that weighted sums are finite."""


@dataclass(frozen=True)
class Conflict:
    """The keys of values that contradict each other, although each value is valid, and the reason."""

    keys: tuple[str, ...]
    reason: str


class Section(BaseModel):
    """A frozen group of settings.

    Types are strict: "5" is not an integer, and 1 is not true. Unknown keys are errors.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    listing: ClassVar[str] = "the JSON schema"
    """File that describes all keys, for error messages."""

    former_names: ClassVar[Mapping[str, str]] = {}
    """{former name of a key: its name}. Files with former names are still read."""

    def conflicts(self) -> Iterator[Conflict]:
        """Yield all conflicts between the values; a subclass also yields those of its base classes."""
        yield from ()

    @model_validator(mode="after")
    def _reject_conflicts(self) -> "Section":
        conflicts = list(self.conflicts())
        if conflicts:
            reasons = "; ".join(conflict.reason for conflict in conflicts)
            raise PydanticCustomError("conflict", "{reasons}", {"reasons": reasons, "conflicts": conflicts})
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
        Meaning of the key, in one or more sentences.
    unit
        Unit of the value.
    expected
        Description of a valid value, if type and limits do not describe it. It is ``errorMessage`` in the JSON schema,
        which editors show.
    identity
        Whether the result depends on the key. Keys for which it is false (paths, device, duration, verbosity) can
        change when a run is resumed.
    **limits
        Limits, named as in pydantic: ``ge``, ``lt``, ...
    """
    extra: dict[str, JsonValue] = {
        key: text for key, text in (("unit", unit), ("errorMessage", expected)) if text is not None
    }
    if not identity:
        extra["identity"] = False
    return Field(default=default, description=description, json_schema_extra=extra, **limits)


def identity_keys(model: type[Section]) -> frozenset[str]:
    """Return the keys on which the result depends: all that are not declared with ``identity=False``."""
    return frozenset(
        key
        for key, field in model.model_fields.items()
        if not isinstance(field.json_schema_extra, dict) or field.json_schema_extra.get("identity", True)
    )


def _to_path(value: object) -> Path:
    """Convert a value to a path, or raise a ValueError."""
    if not isinstance(value, str | Path) or not str(value).strip():
        raise ValueError("a path is a string that is not empty")
    text = str(value)
    if any(unicodedata.category(letter) in ("Cc", "Cs") for letter in text):
        raise ValueError("a path has no control characters")
    try:
        return user_path(value)
    except DataError as error:
        raise ValueError(error.what) from None


FilePath = Annotated[
    Path,
    BeforeValidator(_to_path),
    WithJsonSchema({"type": "string", "minLength": 1, "errorMessage": "a path"}),
]
"""A path, relative to the working directory. A leading ``~`` is replaced by the home directory."""
