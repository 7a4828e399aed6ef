"""Imports go one way, from errors to cli; :data:`LEVELS` is the way."""

import ast
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
    ("tokenizer",),
    ("cli",),
)
"""Each package imports itself and those of the levels before its own: siblings do not import each other."""

LEVEL = {package: number for number, level in enumerate(LEVELS) for package in level}

EXPORTED = {"__version__": "errors", "Tokenizer": "tokenizer"}
"""What ``spinlock`` itself exports, and where it comes from."""

TERMINAL = {"typer", "rich"}

FORBIDDEN = {
    "errors": {"torch", "numpy", "h5py", "pydantic", "sklearn", "scipy"},
    "runtime": {"h5py", "pydantic", "sklearn", "scipy"},
    "config": {"torch", "h5py", "sklearn", "scipy"},
    "metrics": {"h5py"},
    "features": {"h5py", "sklearn", "scipy", "pydantic"},
    "io": {"torch", "sklearn", "spinlock.runtime"},
    "operators": {"h5py", "sklearn", "pydantic"},
    "model": {"h5py", "sklearn", "scipy", "pydantic", "spinlock.config"},
    "preprocessing": {"h5py", "sklearn"},
    "categories": {"torch", "h5py"},
    "initialization": {"h5py", "sklearn", "spinlock.io"},
    "generation": {"h5py", "sklearn", "spinlock.metrics", "spinlock.model"},
    "training": {"spinlock.operators", "spinlock.features", "spinlock.generation"},
}
"""What a package must do without, beside the terminal: files belong to io, torch to the model."""

PRINTING = {"print", "input", "sys.stdout", "sys.stderr", "logging.basicConfig", "warnings.warn"}

SOURCE = Path(spinlock.__file__).parent


def package_of(path: Path) -> str:
    """The first folder or module below ``spinlock``: its place in the order."""
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
                yield line, f"{package} imports {name}, which stands beside or above it"
        elif parts[0] == "spinlock":
            yield line, f"{package} imports {name}, which has no place in the order"
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


def test_every_package_has_its_place() -> None:
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
            "io imports spinlock.model.LEVELS, which stands beside or above it",
        ),
        (
            "metrics",
            "from spinlock.model import LEVELS",
            "metrics imports spinlock.model.LEVELS, which stands beside or above it",
        ),
        ("config", "import rich.table", "config imports rich.table"),
        ("model", "from spinlock.config import ModelSettings", "model imports spinlock.config.ModelSettings"),
        ("model", "import spinlock.extras", "model imports spinlock.extras, which has no place in the order"),
        (
            "training",
            "from spinlock import Tokenizer",
            "training imports spinlock.Tokenizer, which stands beside or above it",
        ),
    ],
)
def test_a_breach_is_found_and_named(package: str, source: str, fault: str) -> None:
    assert [reason for _, reason in import_faults(package, ast.parse(source))] == [fault]


@pytest.mark.parametrize(
    ("package", "source"),
    [
        ("cli", "import typer, rich\nfrom spinlock.training import run\nfrom spinlock import Tokenizer, __version__"),
        ("model", "import torch\nfrom spinlock.model.spec import LEVELS\nfrom spinlock.metrics import codebook"),
        ("io", "import torchlike, h5py"),
    ],
)
def test_what_is_allowed_is_not_a_breach(package: str, source: str) -> None:
    assert list(import_faults(package, ast.parse(source))) == []


def test_printing_is_found_wherever_it_hides() -> None:
    source = "import sys\nprint(1)\ndef f(echo=print):\n    sys.stdout.write('x')\n"
    assert sorted(printing(ast.parse(source))) == [
        (2, "print belongs to cli"),
        (3, "print belongs to cli"),
        (4, "sys.stdout belongs to cli"),
    ]
