"""Imports go one way, in the order of :data:`LEVELS`. Modules that must start fast import no slow package."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import spinlock

LEVELS: tuple[tuple[str, ...], ...] = (
    ("errors",),
    ("paths",),
    ("arguments",),
    ("runtime", "config", "metrics", "features"),
    ("io", "operators", "model"),
    ("sharding",),
    ("preprocessing", "generation", "extraction"),
    ("categories", "initialization"),
    ("sizing",),
    ("checkpoint",),
    ("evaluation",),
    ("training",),
    ("encoding", "training_inputs"),
    ("tokenizer",),
    ("discovery", "scoring", "joining"),
    ("ano",),
    ("closed_loop",),
    ("plots",),
    ("cli",),
)
"""Each package imports itself and packages of lower levels. Packages of one level do not import each other."""

LEVEL = {package: number for number, level in enumerate(LEVELS) for package in level}

EXPORTED = {"__version__": "errors", **{name: module.partition(".")[0] for name, module in spinlock._MODULES.items()}}
"""{name that ``spinlock`` exports: its package}."""

TERMINAL = {"typer", "rich"}

DRAWING = {"matplotlib", "jinja2"}
"""Packages that only ``plots`` imports."""

FORBIDDEN = {
    "errors": {"torch", "numpy", "h5py", "pydantic", "sklearn", "scipy"},
    "arguments": {"torch", "numpy", "h5py", "pydantic", "sklearn", "scipy"},
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
    "extraction": {"h5py", "sklearn", "pydantic", "spinlock.metrics", "spinlock.model", "spinlock.operators"},
    "sizing": {"h5py", "sklearn", "pydantic"},
    "checkpoint": {"h5py", "sklearn", "pydantic"},
    "evaluation": {"h5py", "pydantic", "spinlock.config"},
    **{
        package: {
            "h5py",
            "sklearn",
            "pydantic",
            "spinlock.operators",
            "spinlock.features",
            "spinlock.generation",
            "spinlock.extraction",
        }
        for package in ("training", "encoding", "training_inputs", "tokenizer", "discovery", "scoring", "plots", "ano")
    },
    "closed_loop": {"h5py", "sklearn", "pydantic"},
    "sharding": {"torch", "h5py", "sklearn", "scipy"},
    "joining": {"torch", "h5py", "sklearn", "scipy", "pydantic"},
}
"""Imports that are forbidden in each package, in addition to :data:`TERMINAL`. Only ``io`` opens HDF5 files."""

PRINTING = {"print", "input", "sys.stdout", "sys.stderr", "logging.basicConfig", "warnings.warn"}

WARNS = {("tokenizer", "warnings.warn belongs to cli")}
"""The Python interface issues warnings to the calling program; commands print the same warnings."""

SOURCE = Path(spinlock.__file__).parent


def package_of(path: Path) -> str:
    """The package or module directly below ``spinlock``."""
    return path.relative_to(SOURCE).with_suffix("").parts[0]


def imported(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and dotted name of each import of a module, also inside functions."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def forbidden(package: str) -> set[str]:
    """Names that a package must not import, in addition to packages of the same or a higher level."""
    terminal = TERMINAL if package != "cli" else set()
    return FORBIDDEN.get(package, set()) | terminal | (DRAWING if package != "plots" else set())


def import_faults(package: str, tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and reason of every import that a package must not make."""
    for line, name in imported(tree):
        parts = name.split(".")
        target = EXPORTED.get(parts[1], parts[1]) if parts[0] == "spinlock" and len(parts) > 1 else ""
        if target in LEVEL:
            if target != package and LEVEL[target] >= LEVEL[package]:
                yield line, f"{package} imports {name}, which is of the same or a higher level"
        elif parts[0] == "spinlock":
            yield line, f"{package} imports {name}, which has no level"
        for banned in forbidden(package):
            if f"{name}.".startswith(f"{banned}."):
                yield line, f"{package} imports {name}"


def output_calls(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and name of each use of a function that writes to the terminal."""
    for node in ast.walk(tree):
        name = ast.unparse(node) if isinstance(node, ast.Name | ast.Attribute) else ""
        if name in PRINTING:
            yield node.lineno, f"{name} belongs to cli"


def parsed_files(package_filter: str | None = None) -> Iterator[tuple[Path, ast.AST]]:
    for path in sorted(SOURCE.rglob("*.py")):
        if path.parent == SOURCE and path.stem in ("__init__", "__main__"):
            continue
        if package_filter is None or package_of(path) == package_filter:
            yield path, ast.parse(path.read_text(encoding="utf-8"))


def test_every_package_has_a_level() -> None:
    assert {package_of(path) for path, _ in parsed_files()} <= set(LEVEL)


@pytest.mark.parametrize("package", LEVEL)
def test_imports_go_one_way(package: str) -> None:
    faults = [
        f"{path.relative_to(SOURCE.parent)}:{line}: {fault}"
        for path, tree in parsed_files(package)
        for line, fault in import_faults(package, tree)
    ]
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize("package", [package for package in LEVEL if package != "cli"])
def test_only_the_command_line_prints(package: str) -> None:
    faults = [
        f"{path.relative_to(SOURCE.parent)}:{line}: {fault}"
        for path, tree in parsed_files(package)
        for line, fault in output_calls(tree)
        if (package, fault) not in WARNS
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
    assert sorted(output_calls(ast.parse(source))) == [
        (2, "print belongs to cli"),
        (3, "print belongs to cli"),
        (4, "sys.stdout belongs to cli"),
    ]


SLOW = {"torch", "numpy", "h5py", "pydantic", "sklearn", "scipy", "pandas", "matplotlib", "jinja2"}
"""Packages whose import takes long; torch takes seconds."""

IMPORT_PROGRAM = """
import importlib, pkgutil, sys
for name in sys.argv[1:]:
    module = importlib.import_module(name)
    if name != "spinlock":
        for info in pkgutil.walk_packages(getattr(module, "__path__", []), name + "."):
            importlib.import_module(info.name)
print(*{name.partition(".")[0] for name in sys.modules})
"""
"""A program that imports packages with all their modules and prints every package that is loaded."""


def loaded_packages(*modules: str) -> set[str]:
    """The packages that are loaded after an import in a separate process."""
    command = [sys.executable, "-c", IMPORT_PROGRAM, *modules]
    return set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())


def test_importing_spinlock_imports_no_slow_package() -> None:
    assert not loaded_packages("spinlock") & SLOW


@pytest.mark.parametrize("module", ["spinlock.io", "spinlock.config", "spinlock.categories"])
def test_packages_without_torch_do_not_import_it_indirectly(module: str) -> None:
    assert "torch" not in loaded_packages(module)


def test_encoding_imports_no_package_of_the_training() -> None:
    """Encoding a few rows takes about as long as its imports, of which scipy would be a third beside torch."""
    assert not loaded_packages("spinlock.checkpoint.file", "spinlock.encoding.encode_file") & {"scipy", "sklearn"}


def test_checks_before_training_import_no_torch() -> None:
    assert "torch" not in loaded_packages(
        "spinlock.training.precheck", "spinlock.checkpoint.directory", "spinlock.cli.main"
    )


def test_the_command_line_imports_no_slow_package() -> None:
    assert not loaded_packages("spinlock.cli.main", "spinlock.errors") & SLOW


def test_loaded_packages_detects_slow_imports() -> None:
    assert {"torch", "numpy"} <= loaded_packages("spinlock.training.plan")


@pytest.mark.parametrize("name", EXPORTED)
def test_every_exported_name_exists(name: str) -> None:
    assert getattr(spinlock, name) is not None
