"""Callbacks of a generation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from spinlock.generation.blocks import Block
    from spinlock.generation.generate import GenerationResult
    from spinlock.runtime.process_group import ProcessGroup


class GenerationCallback:
    """The base class of callbacks; a subclass overrides the methods that it needs.

    Each process calls the methods of its own object from its main thread. A method can raise an exception to stop the
    run. The finished blocks stay on the disk, so that the run can be resumed.
    """

    def on_start(self, blocks: Sequence[Block], finished: Sequence[Block], group: ProcessGroup) -> None:
        """Called before the computation.

        Parameters
        ----------
        blocks
            The blocks of this process.
        finished
            Those of these blocks that were finished in an earlier run.
        group
            The processes of the run.
        """

    def on_block(self, block: Block) -> None:
        """Called when a block has been computed and written to the disk."""

    def on_wait(self) -> None:
        """Called when this process has computed all its blocks and waits for the other processes."""

    def on_merge(self) -> None:
        """Called in the main process when all blocks are finished, before the dataset is written."""

    def on_end(self, result: GenerationResult) -> None:
        """Called in the main process when the dataset is complete."""


SILENT = GenerationCallback()
"""The callback of a run that reports nothing."""
