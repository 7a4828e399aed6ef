"""Changed copies of the frozen checkpoints, and the message of their refusal."""

from pathlib import Path
from typing import Any

import pytest
import torch

from spinlock.checkpoint.file import load_checkpoint
from spinlock.errors import CheckpointError

FROZEN = Path(__file__).parents[1] / "formats"
LOCAL, JOINT = FROZEN / "checkpoint_local_v1.pt", FROZEN / "checkpoint_joint_v1.pt"


def content_of(path: Path = LOCAL) -> dict[str, Any]:
    content: dict[str, Any] = torch.load(path, weights_only=True)
    return content


def place(content: Any, path: str, value: Any) -> None:
    """Replace the value at a path of keys and indices, such as ``model_spec/groups/0``."""
    *parents, last = (int(key) if key.isdigit() else key for key in path.split("/"))
    for key in parents:
        content = content[key]
    content[last] = value


def load_error(path: Path) -> str:
    """The message of the error, which is one line and names the file."""
    with pytest.raises(CheckpointError) as error:
        load_checkpoint(path)
    message = str(error.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    assert len(message.removeprefix(str(path))) < 500
    return message


def refusal(folder: Path, content: object) -> str:
    """The message for a file with this content."""
    path = folder / "changed.pt"
    torch.save(content, path)
    return load_error(path)
