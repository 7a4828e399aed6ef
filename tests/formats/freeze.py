"""Write the frozen files of a format: ``python -m tests.formats.freeze`` after a new format version was introduced."""

from pathlib import Path

import numpy as np

from spinlock import Tokenizer
from spinlock.checkpoint.format import FORMAT_VERSION
from tests.tables import low_rank_table

HERE = Path(__file__).parent
SMALL = {"embedding_dim": 8, "num_categories_auto": 3, "epochs": 2, "batch_size": 36, "device": "cpu"}
CODES = [{"num_codes": 4}, {"num_codes": 3}, {"num_codes": 2}]


def main() -> None:
    """Fit one tokenizer of each assignment; store it, its input, its tokens and its reconstruction."""
    random = np.random.default_rng(0)
    x = np.concatenate([low_rank_table(random, 80, 4, 2, noise=0.3) for _ in range(3)], axis=1)
    for assignment in ("local", "joint"):
        tokenizer = Tokenizer.fit(x, SMALL | {"factors": CODES, "assignment": assignment})
        tokens = tokenizer.encode(x)
        stem = f"{assignment}_v{FORMAT_VERSION}"
        tokenizer.save(HERE / f"checkpoint_{stem}.pt")
        np.savez_compressed(HERE / f"expected_{stem}.npz", x=x, tokens=tokens, decoded=tokenizer.decode(tokens))


if __name__ == "__main__":
    main()
