"""Operations that differ between local and joint assignment of tokens."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

from torch import Tensor

from spinlock.model import CategoricalVQVAE, JointVQVAE, ModelSpec
from spinlock.sizing.trials import SizeTrial, Trials

TRIAL_ITERATIONS = 8
"""Maximum number of k-means iterations in a trial."""


class Assignment(ABC):
    """Interface of the operations that differ between local and joint assignment.

    Attributes
    ----------
    name
        Value of the configuration key ``assignment``.
    decoder_width
        Hidden units of the decoder, as a multiple of those of an encoder.
    streams_table
        Whether epochs read all training rows of a streamed table from its file, and not only the rows in memory.
    trains_network
        Whether epochs train the encoders, quantizers and decoders.
    training_gain
        Fraction of the squared error that training at the default settings is expected to remove.
    improvement_hint
        Part of a message about a missed quality target that suggests another assignment.
    """

    name: ClassVar[str]
    decoder_width: ClassVar[int]
    streams_table: ClassVar[bool]
    trains_network: ClassVar[bool]
    training_gain: ClassVar[float]
    improvement_hint: ClassVar[str]

    def required_quality(self, target_quality: float) -> float:
        """Return the quality before training from which training is expected to reach ``target_quality``."""
        return 1 - (1 - target_quality) / (1 - self.training_gain)

    @abstractmethod
    def initialize(self, model: CategoricalVQVAE, rows: Tensor) -> None:
        """Finish the initialization of a network after its closed-form initialization.

        Parameters
        ----------
        model
            Network whose encoders, quantizers and decoders are initialized.
        rows
            Training rows and interpolated points [n, D] in normalized units.
        """

    @abstractmethod
    def max_codes(self, cap: int, num_categories: int) -> int:
        """Return the maximum number of codes of a codebook, at most ``cap``."""

    @abstractmethod
    def try_sizes(self, trials: Trials, spec: ModelSpec) -> SizeTrial:
        """Fit the codes of a specification in closed form, and measure their quality on held-out rows."""

    @abstractmethod
    def compare(self, trials: Trials, specs: Sequence[ModelSpec]) -> list[float | None]:
        """Return the quality of each specification on held-out rows, or None if it is not tried."""

    @abstractmethod
    def joint_network(self, model: CategoricalVQVAE, rows: Tensor) -> JointVQVAE | None:
        """Return a network with joint codes, for a comparison with the local tokens of a trained network.

        Parameters
        ----------
        model
            Trained network.
        rows
            Training rows [n, D] on which joint codes are fitted if the network has none.

        Returns
        -------
        JointVQVAE or None
            None if the network has too many codes for the comparison.
        """

    @abstractmethod
    def training_note(self, reconstruction_weight: float) -> list[str]:
        """Return messages about the part of the network that epochs train; none if they train all of it."""
