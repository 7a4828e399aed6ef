"""Imports go one way, from errors to cli; :data:`LEVELS` is the order. What must start fast imports nothing slow."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import spinlock

LEVELS: tuple[tuple[str, ...], ...] = (
    ("errors",),
    ("runtime", "config", "metrics", "features"),
    ("io", "operators", "model"),
    ("preprocessing", "generation"),
    ("categories", "initialization"),
    ("sizing",),
    ("checkpoint",),
    ("evaluation",),
    ("training",),
    ("encoding",),
    ("tokenizer",),
    ("discovery", "scoring"),
    ("cli",),
)
"""Each room imports itself and the rooms of lower levels. Rooms of the same level do not import each other."""

LEVEL = {package: number for number, level in enumerate(LEVELS) for package in level}

EXPORTED = {"__version__": "errors", **{name: module.partition(".")[0] for name, module in spinlock._MODULES.items()}}
"""The names that ``spinlock`` exports, and the room that each comes from."""

TERMINAL = {"typer", "rich"}

FORBIDDEN = {
    "errors": {"torch", "numpy", "h5py", "pydantic", "sklearn", "scipy"},
    "runtime": {"numpy", "h5py", "pydantic", "sklearn", "scipy"},
    "config": {"torch", "numpy", "h5py", "sklearn", "scipy"},
    "metrics": {"h5py", "sklearn", "pydantic"},
    "features": {"h5py", "sklearn", "scipy", "pydantic"},
    "io": {"torch", "sklearn", "scipy", "pydantic", "spinlock.runtime", "spinlock.config"},
    "operators": {"h5py", "sklearn", "pydantic"},
    "model": {"h5py", "sklearn", "scipy", "pydantic", "spinlock.config"},
    "preprocessing": {"h5py", "sklearn", "pydantic"},
    "categories": {"torch", "h5py", "pydantic", "spinlock.model"},
    "initialization": {"h5py", "sklearn", "pydantic", "spinlock.io", "spinlock.config"},
    "generation": {"h5py", "sklearn", "pydantic", "spinlock.metrics", "spinlock.model"},
    "sizing": {"h5py", "sklearn", "pydantic"},
    "checkpoint": {"h5py", "sklearn", "pydantic"},
    "evaluation": {"h5py", "sklearn", "pydantic", "spinlock.config"},
    **{
        room: {"h5py", "sklearn", "pydantic", "spinlock.operators", "spinlock.features", "spinlock.generation"}
        for room in ("training", "encoding", "tokenizer", "discovery", "scoring")
    },
}
"""What a room must not import, beside the packages of the terminal: only ``io`` opens HDF5 files."""

PRINTING = {"print", "input", "sys.stdout", "sys.stderr", "logging.basicConfig", "warnings.warn"}

SOURCE = Path(spinlock.__file__).parent


def package_of(path: Path) -> str:
    """The first folder or module below ``spinlock``, which is its room."""
    return path.relative_to(SOURCE).with_suffix("").parts[0]


def imported(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and dotted name of everything that a module imports, inside functions too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def import_faults(package: str, tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and reason of every import that a package must not make."""
    for line, name in imported(tree):
        parts = name.split(".")
        place = EXPORTED.get(parts[1], parts[1]) if parts[0] == "spinlock" and len(parts) > 1 else ""
        if place in LEVEL:
            if place != package and LEVEL[place] >= LEVEL[package]:
                yield line, f"{package} imports {name}, which is of the same or a higher level"
        elif parts[0] == "spinlock":
            yield line, f"{package} imports {name}, which has no level"
        for banned in FORBIDDEN.get(package, set()) | (TERMINAL if package != "cli" else set()):
            if f"{name}.".startswith(f"{banned}."):
                yield line, f"{package} imports {name}"


def printing(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and name of everything that writes to the terminal."""
    for node in ast.walk(tree):
        name = ast.unparse(node) if isinstance(node, ast.Name | ast.Attribute) else ""
        if name in PRINTING:
            yield node.lineno, f"{name} belongs to cli"


def parsed(package_filter: str | None = None) -> Iterator[tuple[Path, ast.AST]]:
    for path in sorted(SOURCE.rglob("*.py")):
        if path.parent == SOURCE and path.stem in ("__init__", "__main__"):
            continue
        if package_filter is None or package_of(path) == package_filter:
            yield path, ast.parse(path.read_text(encoding="utf-8"))


def test_every_room_has_its_level() -> None:
    assert {package_of(path) for path, _ in parsed()} <= set(LEVEL)


@pytest.mark.parametrize("package", LEVEL)
def test_imports_go_one_way(package: str) -> None:
    faults = [
        f"{path.relative_to(SOURCE.parent)}:{line}: {fault}"
        for path, tree in parsed(package)
        for line, fault in import_faults(package, tree)
    ]
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize("package", [package for package in LEVEL if package != "cli"])
def test_only_the_command_line_prints(package: str) -> None:
    faults = [
        f"{path.relative_to(SOURCE.parent)}:{line}: {fault}"
        for path, tree in parsed(package)
        for line, fault in printing(tree)
    ]
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize(
    ("package", "source", "fault"),
    [
        ("io", "import torch", "io imports torch"),
        ("io", "def f():\n    from torch.nn import Linear", "io imports torch.nn.Linear"),
        (
            "io",
            "from spinlock.model import LEVELS",
            "io imports spinlock.model.LEVELS, which is of the same or a higher level",
        ),
        (
            "metrics",
            "from spinlock.model import LEVELS",
            "metrics imports spinlock.model.LEVELS, which is of the same or a higher level",
        ),
        ("config", "import rich.table", "config imports rich.table"),
        ("model", "from spinlock.config import ModelSettings", "model imports spinlock.config.ModelSettings"),
        ("model", "import spinlock.extras", "model imports spinlock.extras, which has no level"),
        (
            "training",
            "from spinlock import Tokenizer",
            "training imports spinlock.Tokenizer, which is of the same or a higher level",
        ),
    ],
)
def test_a_forbidden_import_is_reported(package: str, source: str, fault: str) -> None:
    assert [reason for _, reason in import_faults(package, ast.parse(source))] == [fault]


@pytest.mark.parametrize(
    ("package", "source"),
    [
        ("cli", "import typer, rich\nfrom spinlock.training import run\nfrom spinlock import Tokenizer, __version__"),
        ("model", "import torch\nfrom spinlock.model.spec import LEVELS\nfrom spinlock.metrics import codebook"),
        ("io", "import torchlike, h5py"),
    ],
)
def test_an_allowed_import_is_not_reported(package: str, source: str) -> None:
    assert list(import_faults(package, ast.parse(source))) == []


def test_printing_is_reported_in_default_arguments_too() -> None:
    source = "import sys\nprint(1)\ndef f(echo=print):\n    sys.stdout.write('x')\n"
    assert sorted(printing(ast.parse(source))) == [
        (2, "print belongs to cli"),
        (3, "print belongs to cli"),
        (4, "sys.stdout belongs to cli"),
    ]


SLOW = {"torch", "numpy", "h5py", "pydantic", "sklearn", "scipy", "pandas", "matplotlib"}
"""Packages whose import takes a noticeable time; torch takes seconds."""

IMPORTED = """
import importlib, pkgutil, sys
for name in sys.argv[1:]:
    module = importlib.import_module(name)
    if name != "spinlock":
        for info in pkgutil.walk_packages(getattr(module, "__path__", []), name + "."):
            importlib.import_module(info.name)
print(*{name.partition(".")[0] for name in sys.modules})
"""
"""Imports modules, with all modules of a room, and prints every package that this loads."""


def loaded(*modules: str) -> set[str]:
    """The packages that are loaded after an import in a process of its own."""
    command = [sys.executable, "-c", IMPORTED, *modules]
    return set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())


def test_importing_spinlock_imports_nothing_slow() -> None:
    assert not loaded("spinlock") & SLOW


@pytest.mark.parametrize("module", ["spinlock.io", "spinlock.config", "spinlock.categories"])
def test_rooms_without_torch_also_import_no_room_with_torch(module: str) -> None:
    assert "torch" not in loaded(module)


def test_checks_before_training_import_no_torch() -> None:
    assert "torch" not in loaded("spinlock.training.precheck", "spinlock.checkpoint.directory", "spinlock.cli.main")


def test_the_command_line_starts_without_anything_slow() -> None:
    assert not loaded("spinlock.cli.main", "spinlock.errors") & SLOW


def test_an_import_that_is_slow_is_noticed() -> None:
    assert {"torch", "numpy"} <= loaded("spinlock.training.plan")


@pytest.mark.parametrize("name", EXPORTED)
def test_every_exported_name_exists(name: str) -> None:
    assert getattr(spinlock, name) is not None
