"""Local and joint assignment of tokens.

With local assignment a token depends only on the columns of its own category. With joint assignment all tokens of a
row are selected together.
"""

from __future__ import annotations

from spinlock.sizing.assignment.interface import Assignment
from spinlock.sizing.assignment.joint import JointAssignment
from spinlock.sizing.assignment.local import LocalAssignment

__all__ = ["ASSIGNMENTS", "Assignment", "JointAssignment", "LocalAssignment", "assignment_of"]

ASSIGNMENTS: dict[str, Assignment] = {kind.name: kind() for kind in (LocalAssignment, JointAssignment)}
"""Assignments by their value of the configuration key ``assignment``."""


def assignment_of(name: str) -> Assignment:
    """Return the assignment with this name, which is that of a configuration or of a model specification."""
    return ASSIGNMENTS[name]
