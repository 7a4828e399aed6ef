"""Small inputs of the three commands, and functions that make a file or a shard of it from Python."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

import spinlock as sl
from tests.cli.workspace import NAMES
from tests.encoding.models import OTHER, TRAINING, saved_model, with_faults
from tests.generation.settings import small_config
from tests.io.rollout_files import write_rollouts
from tests.tables import write_table

Output = Path | sl.Shard
CONFIG = small_config(num_samples=40, store_trajectories=True, save_fields=6)


@dataclass(frozen=True)
class Inputs:
    """A folder with rollouts of 20 operators, a table of 160 rows with parameters, and a model."""

    folder: Path

    @classmethod
    def make(cls, folder: Path) -> "Inputs":
        fields = np.random.default_rng(0).normal(size=(20, 2, 4, 2, 16, 16)).astype(np.float32)
        fields[5, 1, 3] = np.nan
        channels = [2] * 11 + [1] * 9
        write_rollouts(folder / "rollouts.h5", fields, channels)
        table = np.concatenate([TRAINING, with_faults(OTHER)])
        write_table(folder / "table.h5", table, NAMES)
        with h5py.File(folder / "table.h5", "r+") as file:  # so that the token file contains the decoder
            file["parameters/params"] = np.zeros((len(table), 1))
        saved_model(folder)
        return cls(folder)

    def generate(self, output: Output, overwrite: bool = False) -> None:
        sl.generate(CONFIG, output, overwrite=overwrite)

    def extract(self, output: Output, overwrite: bool = False, advance: Callable[[int], None] = lambda _: None) -> None:
        path = self.folder / "rollouts.h5"
        sl.extract_features(path, output, device="cpu", hold_diverged=True, overwrite=overwrite, advance=advance)

    def encode(self, output: Output, overwrite: bool = False) -> None:
        tokenizer = sl.Tokenizer.load(self.folder / "local.pt")
        tokenizer.encode_file(self.folder / "table.h5", output, batch_size=30, overwrite=overwrite)

    def command(self, name: str) -> Callable[..., None]:
        """The function ``generate``, ``extract`` or ``encode``."""
        function: Callable[..., None] = getattr(self, name)
        return function
