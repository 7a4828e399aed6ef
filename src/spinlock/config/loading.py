"""Loading of a configuration from a file, ``--set`` values and options. All problems are reported together."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from spinlock.config.ano import ANOConfig
from spinlock.config.dataset import DatasetConfig
from spinlock.config.problems import Given, unknown_key, validate
from spinlock.config.section import Section, SectionT
from spinlock.config.text import ConfigTextError, is_comment, parse_text, parse_value
from spinlock.config.vqvae import VQVAEConfig
from spinlock.errors import MAX_SHOWN_PROBLEMS, ConfigError, shortened
from spinlock.paths import is_special_file

MAX_TEXT_BYTES = 500_000
"""Maximum size of a configuration file. Parsing YAML of this size takes up to 15 seconds."""

_OPTIONS = {
    "input_path": "--input",
    "output_dir": "--output",
    "tokens_path": "--tokens",
    "use_torch_compile": "--no-torch-compile",
}
"""{key: command-line option}, if the name of the option is not that of the key."""

_TYPE_NAMES = {list: "a list", str: "a string", int: "an integer", float: "a number", bool: "true or false"}


def load_config(
    path: str | Path, *, overrides: Mapping[str, object] | None = None, set_values: Sequence[str] = ()
) -> VQVAEConfig:
    """Load a configuration of ``train-vqvae``. An option overrides ``--set``, and ``--set`` overrides the file.

    Parameters
    ----------
    path
        JSON or YAML file.
    overrides
        {key: value} of command-line options. None means that an option is not given.
    set_values
        Texts ``KEY=VALUE`` with a value in YAML. If a key is given twice, the last value is used.

    Returns
    -------
    VQVAEConfig

    Raises
    ------
    ConfigError
        A key or a value is wrong; the error lists all problems.
    """
    return _load(VQVAEConfig, path, overrides, set_values)


def load_dataset_config(
    path: str | Path, *, overrides: Mapping[str, object] | None = None, set_values: Sequence[str] = ()
) -> DatasetConfig:
    """Load a configuration of ``generate``. The parameters and errors are those of :func:`load_config`."""
    return _load(DatasetConfig, path, overrides, set_values)


def load_ano_config(
    path: str | Path, *, overrides: Mapping[str, object] | None = None, set_values: Sequence[str] = ()
) -> ANOConfig:
    """Load a configuration of ``train-ano``. The parameters and errors are those of :func:`load_config`."""
    return _load(ANOConfig, path, overrides, set_values)


def resolve_ano_config(
    config: str | os.PathLike[str] | Mapping[str, object] | ANOConfig | None, overrides: Mapping[str, object]
) -> ANOConfig:
    """Load a configuration of ``train-ano`` for a function call; parameters and errors as in :func:`resolve_config`."""
    return _resolve_call(ANOConfig, config, overrides, where="ANO configuration")


def resolve_config(
    config: str | os.PathLike[str] | Mapping[str, object] | VQVAEConfig | None, overrides: Mapping[str, object]
) -> VQVAEConfig:
    """Load a configuration of ``train-vqvae`` for a function call.

    Parameters
    ----------
    config
        Path of a JSON or YAML file, a mapping with some of the keys, a configuration, or None for the defaults.
    overrides
        {key: value} of keyword arguments, which override ``config``.

    Returns
    -------
    VQVAEConfig

    Raises
    ------
    ConfigError
        A key or a value is wrong; the error lists all problems.
    """
    return _resolve_call(VQVAEConfig, config, overrides, where="config")


def resolve_dataset_config(
    config: str | os.PathLike[str] | Mapping[str, object] | DatasetConfig, overrides: Mapping[str, object]
) -> DatasetConfig:
    """Load a configuration of ``generate`` for a function call; parameters and errors as in :func:`resolve_config`."""
    return _resolve_call(DatasetConfig, config, overrides, where="dataset configuration")


def _resolve_call(
    model: type[SectionT],
    config: str | os.PathLike[str] | Mapping[str, object] | Section | None,
    overrides: Mapping[str, object],
    *,
    where: str,
) -> SectionT:
    """Load a configuration of any class for a function call; see :func:`resolve_config`."""
    origin = where if where == "config" else "the configuration"
    if isinstance(config, model):
        values: Mapping[Any, object] = {key: getattr(config, key) for key in config.model_fields_set}
    elif isinstance(config, Mapping):
        values = {key: value for key, value in config.items() if not is_comment(key)}
    elif isinstance(config, str | os.PathLike):
        where, origin = os.fspath(config), "the file"
        values = _read_mapping(Path(config))
    elif config is None:
        values = {}
    else:
        expected = f"{model.__name__}, a mapping of its keys, or the path of its file"
        raise ConfigError([f"got a value of type {type(config).__name__}; expected {expected}"], where=where)
    given = [Given(str(key), _plain(value), origin) for key, value in values.items()]
    given += [Given(key, _plain(value), "a keyword argument") for key, value in overrides.items()]
    return _resolve(model, given, [], where=where)


def _plain(value: Any) -> Any:
    """Return a value that the strict types of a configuration accept: without numbers and arrays of NumPy, and with the
    name of a ``torch.device``.
    """
    if type(value).__module__ == "torch" and type(value).__name__ == "device":  # torch is not imported here
        return str(value)
    if type(value).__module__.partition(".")[0] == "numpy" and hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def _load(
    model: type[SectionT], path: str | Path, overrides: Mapping[str, object] | None, set_values: Sequence[str]
) -> SectionT:
    """Load a configuration of any class; see :func:`load_config`."""
    given = [Given(str(key), value, "the file") for key, value in _read_mapping(Path(path)).items()]
    assignments, problems = _parse_set_values(set_values)
    given += assignments
    for key, value in (overrides or {}).items():
        if value is not None:
            given.append(Given(key, value, _OPTIONS.get(key, "--" + key.replace("_", "-"))))
    return _resolve(model, given, problems, where=str(path))


def config_from_mapping(values: Mapping[str, object], *, where: str) -> VQVAEConfig:
    """Create a configuration of ``train-vqvae`` from a mapping, for example from that of a checkpoint.

    Parameters
    ----------
    values
        {key: value}.
    where
        Origin of the values, for error messages.

    Returns
    -------
    VQVAEConfig

    Raises
    ------
    ConfigError
        A key or a value is wrong; the error lists all problems.
    """
    return _resolve(VQVAEConfig, [Given(key, value, where) for key, value in values.items()], [], where=where)


def _resolve(model: type[SectionT], given: Sequence[Given], problems: Sequence[str], *, where: str) -> SectionT:
    """Create a configuration, or raise an error with all problems, including those in ``problems``."""
    names = {item.key for item in given}
    current = {old: new for old, new in model.former_names.items() if new not in names}
    given = [replace(item, key=current.get(item.key, item.key)) for item in given]
    known = {item.key: item for item in given if item.key in model.model_fields}
    extra = [item for item in given if item.key not in model.model_fields]
    unknown = [unknown_key(model, item) for item in extra[:MAX_SHOWN_PROBLEMS]]
    unknown += [shortened(item.key) for item in extra[MAX_SHOWN_PROBLEMS:]]  # these are counted and not shown
    config, faults = validate(model, known)
    everything = [*unknown, *faults, *problems]
    if config is None or everything:
        raise ConfigError(everything, where=where)
    return config


def _read_mapping(path: Path) -> dict[object, object]:
    """Read a JSON or YAML file that contains a mapping."""
    where = str(path)
    if is_special_file(path):
        raise ConfigError(["it is not a regular file; expected a JSON or YAML file"], where=where)
    try:
        with path.open("rb") as file:
            content = file.read(MAX_TEXT_BYTES + 1)
        if len(content) > MAX_TEXT_BYTES:
            problem = f"it has more than {MAX_TEXT_BYTES // 1000} kB; expected a JSON or YAML configuration"
            raise ConfigError([problem], where=where)
        text = content.decode("utf-8-sig")
    except FileNotFoundError:
        raise ConfigError(["there is no such file; expected a JSON or YAML configuration"], where=where) from None
    except IsADirectoryError:
        raise ConfigError(["it is a directory; expected a JSON or YAML file"], where=where) from None
    except UnicodeDecodeError as error:
        problem = f"it is not UTF-8 text (byte {error.start}); expected a JSON or YAML file in UTF-8"
        raise ConfigError([problem], where=where) from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise ConfigError([f"it cannot be read: {reason}"], where=where) from None
    if not text.strip():
        raise ConfigError(["it is empty; expected at least {} (all defaults)"], where=where)
    try:
        values = parse_text(text, suffix=path.suffix)
    except ConfigTextError as error:
        raise ConfigError([str(error)], where=where) from None
    if not isinstance(values, dict):
        kind = "only comments" if values is None else _TYPE_NAMES.get(type(values), "another value")
        raise ConfigError([f"it contains {kind}; expected a mapping of keys to values"], where=where)
    return values


def _parse_set_values(set_values: Sequence[str]) -> tuple[list[Given], list[str]]:
    """Return the keys and values of ``--set``, and a problem for each text that is not valid."""
    given: list[Given] = []
    problems: list[str] = []
    for text in set_values:
        key, equals, value = text.partition("=")
        if not equals or not key.strip():
            problems.append(f"--set {shortened(text)}: expected KEY=VALUE, for example epochs=100")
            continue
        try:
            given.append(Given(key.strip(), parse_value(value), "--set"))
        except ConfigTextError as error:
            problem = f"got {shortened(value)} from --set, expected a YAML value; {error}"
            problems.append(f"{shortened(key.strip())}: {problem}")
    return given, problems
