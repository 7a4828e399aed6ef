"""Tensors of torch and sparse matrices as arrays. torch and SciPy are not imported here."""

from __future__ import annotations

from typing import Any

from spinlock.errors import DataError


def is_tensor(values: Any) -> bool:
    """Return whether an object is a tensor of torch."""
    return hasattr(values, "detach")


def tensor_values(tensor: Any, what: str) -> Any:
    """Return a tensor of torch as an array.

    Parameters
    ----------
    tensor
        A tensor of any device, layout and type.
    what
        Name of the values in messages.
    """
    kind = str(tensor.dtype)
    try:
        tensor = tensor.detach().cpu()
        tensor = tensor.to_dense() if str(tensor.layout) != "torch.strided" else tensor
        tensor = tensor.resolve_conj().resolve_neg()
        if kind == "torch.bfloat16" or kind.startswith("torch.float8"):
            tensor = tensor.float()
        return tensor.numpy()
    except (TypeError, RuntimeError, NotImplementedError) as error:
        expected, remedy = "a dense tensor of real numbers", "convert it first, for example with .to_dense().float()"
        are = "are" if what == "features" else "is"
        raise DataError(
            f"{what} {are} a tensor of {kind} that cannot be read", expected=expected, remedy=remedy
        ) from error


def dense_array(values: Any) -> Any:
    """Return a sparse matrix of SciPy, also one that an AnnData reads from a file, as an array; others unchanged."""
    if hasattr(values, "to_memory"):
        values = values.to_memory()
    return values.toarray() if hasattr(values, "toarray") and hasattr(values, "nnz") else values
