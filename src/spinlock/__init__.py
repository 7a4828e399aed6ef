"""Spinlock: a tokenizer for the behavior of dynamical operators.

The names in ``__all__`` are imported when they are first used, so that ``import spinlock`` is fast.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spinlock import features, metrics, operators
    from spinlock.ano.evaluation.evaluate import evaluate_ano
    from spinlock.ano.evaluation.result import ANOEvaluation
    from spinlock.ano.model import ANO
    from spinlock.ano.prediction import Prediction
    from spinlock.discovery import Categories, discover_categories
    from spinlock.errors import SpinlockError, SpinlockWarning
    from spinlock.evaluation.codebooks.description import CodebookDescription
    from spinlock.evaluation.evaluation import Evaluation
    from spinlock.evaluation.report import Report
    from spinlock.extraction.extract_file import extract_features
    from spinlock.generation.generate import generate
    from spinlock.io.feature_table import FeatureTable, read_features
    from spinlock.joining import JoinResult, join
    from spinlock.scoring.describe import describe_codebooks
    from spinlock.scoring.evaluate import evaluate
    from spinlock.sharding.shard import Shard
    from spinlock.tokenizer import Tokenizer
    from spinlock.training.callbacks import Callback

__version__ = "0.1.0"

__all__ = [
    "ANO",
    "ANOEvaluation",
    "Callback",
    "Categories",
    "CodebookDescription",
    "Evaluation",
    "FeatureTable",
    "JoinResult",
    "Prediction",
    "Report",
    "Shard",
    "SpinlockError",
    "SpinlockWarning",
    "Tokenizer",
    "__version__",
    "describe_codebooks",
    "discover_categories",
    "evaluate",
    "evaluate_ano",
    "extract_features",
    "features",
    "generate",
    "join",
    "metrics",
    "operators",
    "read_features",
]

_MODULES = {
    "ANO": "ano.model",
    "ANOEvaluation": "ano.evaluation.result",
    "Callback": "training.callbacks",
    "Categories": "discovery",
    "CodebookDescription": "evaluation.codebooks.description",
    "Evaluation": "evaluation.evaluation",
    "FeatureTable": "io.feature_table",
    "JoinResult": "joining",
    "Prediction": "ano.prediction",
    "Report": "evaluation.report",
    "Shard": "sharding.shard",
    "SpinlockError": "errors",
    "SpinlockWarning": "errors",
    "Tokenizer": "tokenizer",
    "describe_codebooks": "scoring.describe",
    "discover_categories": "discovery",
    "evaluate": "scoring.evaluate",
    "evaluate_ano": "ano.evaluation.evaluate",
    "extract_features": "extraction.extract_file",
    "generate": "generation.generate",
    "join": "joining",
    "read_features": "io.feature_table",
}


if not TYPE_CHECKING:  # with it, a type checker would accept every name

    def __getattr__(name: str) -> Any:
        """Import an exported name when it is first used."""
        if name in _MODULES:
            return getattr(import_module(f"spinlock.{_MODULES[name]}"), name)
        if name in __all__:
            return import_module(f"spinlock.{name}")
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
