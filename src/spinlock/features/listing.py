"""The list of all features as a Markdown page, generated from the definitions in the modules."""

import inspect
from types import ModuleType

from spinlock.features.extract import FRAME_GROUPS, FRAME_STATISTICS, RUN_GROUPS, RUN_STATISTICS


def list_features() -> str:
    """Return Markdown with a section for each group and a table row for each feature."""
    sections = [_section(name, module, FRAME_STATISTICS) for name, module in FRAME_GROUPS.items()]
    sections += [_section(name, module, RUN_STATISTICS) for name, module in RUN_GROUPS.items()]
    return "".join(sections)


def _section(group: str, module: ModuleType, statistics: tuple[str, ...]) -> str:
    """Return the section of one group, which starts with the first paragraph of the docstring of its module."""
    summary = (inspect.getdoc(module) or "").partition("\n\n")[0].replace("\n", " ")
    columns = ", ".join(f"`{group}.<feature>.{statistic}`" for statistic in statistics)
    lines = [f"\n## {group}\n\n{summary}\n\nAggregated columns: {columns}.\n\n| feature | definition |\n|---|---|\n"]
    for name, text in module.FEATURES.items():
        cell = text.replace("|", "\\|")
        lines.append(f"| `{name}` | {cell} |\n")
    return "".join(lines)
