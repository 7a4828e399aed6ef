"""Write the frozen files of a new format version: ``python -m tests.formats.freeze``."""

from pathlib import Path

import numpy as np

from spinlock import Tokenizer, read_features
from spinlock.checkpoint.format import FORMAT_VERSION as CHECKPOINT_VERSION
from spinlock.io.token_layout import FORMAT_VERSION as TOKEN_VERSION
from tests.tables import low_rank_table, write_table

HERE = Path(__file__).parent
FEATURES = HERE / "features.h5"
SMALL = {
    "embedding_dim": 4,
    "hidden_dim": 4,
    "num_categories_auto": 3,
    "factors": [{"num_codes": 4}, {"num_codes": 3}, {"num_codes": 2}],
    "epochs": 3,
    "val_every_n_epochs": 1,
    "batch_size": 36,
    "device": "cpu",
}


def faulty_rows() -> np.ndarray:
    """Rows [80, 14]: three blocks of rank 1, a constant and a duplicate column, two missing cells, one extreme cell."""
    random = np.random.default_rng(0)
    x = np.concatenate([low_rank_table(random, 80, 4, 1, noise=0.5) for _ in range(3)], axis=1)
    x = np.column_stack([x, np.full(80, 2.0), 3 * x[:, 0]]).astype(np.float32)
    x[[5, 70], [1, 7]], x[9, 4] = np.nan, 50.0
    return x


def main() -> None:
    """Write a dataset, a checkpoint and its results for each assignment, and the token file of local assignment."""
    names = [f"{'abc'[j // 4]}_{j}" for j in range(12)] + ["steady", "double"]
    write_table(FEATURES, faulty_rows(), names, labels={"solver": np.arange(80) % 4})
    rows = read_features(FEATURES).rows
    for assignment in ("local", "joint"):
        tokenizer = Tokenizer.fit(FEATURES, SMALL, assignment=assignment)
        stem = f"{assignment}_v{CHECKPOINT_VERSION}"
        tokenizer.save(HERE / f"checkpoint_{stem}.pt")
        block = tokenizer.encode_block(np.asarray(rows))
        np.savez_compressed(
            HERE / f"expected_{stem}.npz",
            tokens=block.indices.astype(np.uint8),
            error=block.error,
            decoded=tokenizer.decode(block.indices),
            decoded_level_1=tokenizer.decode(block.indices, levels=1)[:8],
        )
        if assignment == "local":
            tokenizer.encode_file(FEATURES, HERE / f"tokens_v{TOKEN_VERSION}.h5", overwrite=True)


if __name__ == "__main__":
    main()
