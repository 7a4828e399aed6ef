"""The features written out as a page: every group, every feature with its definition, from the modules themselves."""

import inspect
from types import ModuleType

from spinlock.features.extract import FRAME_GROUPS, FRAME_STATISTICS, RUN_GROUPS, RUN_STATISTICS


def list_features() -> str:
    """Markdown: a section for each group, a row for each feature."""
    sections = [_section(name, module, FRAME_STATISTICS) for name, module in FRAME_GROUPS.items()]
    sections += [_section(name, module, RUN_STATISTICS) for name, module in RUN_GROUPS.items()]
    return "".join(sections)


def _section(group: str, module: ModuleType, statistics: tuple[str, ...]) -> str:
    claim = (inspect.getdoc(module) or "").partition("\n\n")[0].replace("\n", " ")
    columns = ", ".join(f"`{group}.<feature>.{statistic}`" for statistic in statistics)
    lines = [f"\n## {group}\n\n{claim}\n\nAggregated columns: {columns}.\n\n| feature | definition |\n|---|---|\n"]
    lines += [f"| `{name}` | {_cell(text)} |\n" for name, text in module.FEATURES.items()]
    return "".join(lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
