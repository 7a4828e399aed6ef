"""Limits on the sizes and the structure of the source files."""

import ast
import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import spinlock
from spinlock.checkpoint.format import REQUIRED

SOURCE = Path(spinlock.__file__).parent
README = SOURCE.parents[1] / "README.md"

CEILINGS = {
    "lines of a file": 250,
    "lines of a function": 60,
    "arguments of a function": 8,
    "files of a folder": 20,
    "lines of a folder": 2600,
}
"""Maximum of each size. The arguments of a command are its options, so functions of ``cli`` may have any number."""

MAX_ROOT_CONFIGURATIONS = 15
"""Maximum number of functions outside ``config`` that take a whole configuration instead of a section of it."""

MAX_ASSIGNMENT_BRANCHES = 6
"""Maximum number of lines that compare with the name of an assignment instead of calling a method of its type."""

MAX_README_WORDS, MAX_README_TABLE_LINES = 900, 12


@cache
def sources() -> dict[str, str]:
    """{path below ``spinlock``: text} of every module."""
    return {path.relative_to(SOURCE).as_posix(): path.read_text() for path in sorted(SOURCE.rglob("*.py"))}


@cache
def trees() -> dict[str, ast.Module]:
    return {path: ast.parse(text) for path, text in sources().items()}


def functions() -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    """Path and node of every function and method."""
    for path, tree in trees().items():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield path, node


def parameters(function: ast.FunctionDef | ast.AsyncFunctionDef) -> list[ast.arg]:
    """The parameters of a function, without ``self`` and ``cls``."""
    listed = function.args.posonlyargs + function.args.args + function.args.kwonlyargs
    return [parameter for parameter in listed if parameter.arg not in ("self", "cls")]


def line_count(text: str) -> int:
    return text.count("\n")


def sizes(size: str) -> dict[str, int]:
    """{place: value} of one of the :data:`CEILINGS`."""
    match size:
        case "lines of a file":
            return {path: line_count(text) for path, text in sources().items()}
        case "lines of a function":
            return {f"{path} {node.name}": (node.end_lineno or 0) - node.lineno + 1 for path, node in functions()}
        case "arguments of a function":
            inside = ((path, node) for path, node in functions() if package_of(path) != "cli")
            return {f"{path} {node.name}": len(parameters(node)) for path, node in inside}
        case "files of a folder":
            return dict(Counter(Path(path).parent.as_posix() for path in sources()))
        case "lines of a folder":
            total: Counter[str] = Counter()
            for path, text in sources().items():
                total[Path(path).parent.as_posix()] += line_count(text)
            return dict(total)
    raise LookupError(size)


def package_of(path: str) -> str:
    """The package or module directly below ``spinlock``."""
    return Path(path).with_suffix("").parts[0]


def above_ceiling(size: str) -> dict[str, int]:
    return {place: value for place, value in sizes(size).items() if value > CEILINGS[size]}


def imports_at_run_time(tree: ast.AST) -> Iterator[str]:
    """Names of imported modules, also of imports inside functions, but not of those for annotations only."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            yield node.module
        yield from imports_at_run_time(node)


def package_imports() -> dict[str, set[str]]:
    """{package: the other packages that it imports}."""
    graph: dict[str, set[str]] = {}
    for path, tree in trees().items():
        modules = [name.split(".") for name in imports_at_run_time(tree)]
        packages = {parts[1] for parts in modules if parts[0] == "spinlock" and len(parts) > 1}
        graph.setdefault(package_of(path), set()).update(packages - {package_of(path)})
    return graph


def matching_lines(pattern: str, *, outside: str = "") -> list[str]:
    """``path:line`` of the lines that match, except those of the package ``outside``."""
    return [
        f"{path}:{number}: {line.strip()}"
        for path, text in sources().items()
        for number, line in enumerate(text.splitlines(), 1)
        if re.search(pattern, line) and package_of(path) != outside
    ]


@pytest.mark.parametrize("size", CEILINGS)
def test_every_size_is_at_most_its_ceiling(size: str) -> None:
    measured = sizes(size)
    assert len(measured) > 10
    excess = [f"{place}: {value}, expected at most {CEILINGS[size]}" for place, value in above_ceiling(size).items()]
    assert not excess, f"{size}\n" + "\n".join(excess)


def test_functions_take_sections_instead_of_the_root_configuration() -> None:
    root = re.compile(r"\b(VQVAEConfig|DatasetConfig)\b")
    functions_with_root = [
        f"{path} {node.name}"
        for path, node in functions()
        if package_of(path) != "config"
        and any(p.annotation is not None and root.search(ast.unparse(p.annotation)) for p in parameters(node))
    ]
    assert 0 < len(functions_with_root) <= MAX_ROOT_CONFIGURATIONS, "\n".join(functions_with_root)


def test_only_the_checkpoint_package_uses_the_keys_of_a_checkpoint() -> None:
    distinctive = [key for key in REQUIRED if "_" in key and key != "feature_names"]
    keys = rf"\"({'|'.join(distinctive)})\""
    assert len(matching_lines(keys)) >= len(distinctive)
    assert not matching_lines(keys, outside="checkpoint")
    assert not matching_lines(r"\b(content|checkpoint)\[\"", outside="checkpoint")


def test_few_lines_compare_the_name_of_an_assignment() -> None:
    branches = matching_lines(r"assignment\s*(==|!=)|\.joint is (not )?None|(==|!=) \"(local|joint)\"")
    assert 0 < len(branches) <= MAX_ASSIGNMENT_BRANCHES, "\n".join(branches)


def test_packages_import_each_other_without_cycles() -> None:
    graph = package_imports()
    assert graph["training"] > {"checkpoint", "model"}
    TopologicalSorter(graph).prepare()


def test_a_cycle_is_an_error() -> None:
    graph = package_imports()
    graph["model"] = graph["model"] | {"training"}
    with pytest.raises(CycleError):
        TopologicalSorter(graph).prepare()


def test_the_readme_is_short() -> None:
    text = README.read_text()
    lines = re.sub(r"```.*?```|<!--.*?-->", "", text, flags=re.DOTALL).splitlines()
    words = sum(len(line.split()) for line in lines if not line.startswith("|"))
    assert words <= MAX_README_WORDS, f"{words} words"
    table_lines = len(re.findall(r"^\|", text, flags=re.MULTILINE))
    assert table_lines <= MAX_README_TABLE_LINES, f"{table_lines} lines of tables"
