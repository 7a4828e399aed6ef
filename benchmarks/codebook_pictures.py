"""The gallery of docs/codebooks.md: parts of the page of ``visualize-codebooks``, as Chromium shows them.

scripts/demo
poetry run python benchmarks/codebook_pictures.py --dataset datasets/quickstart.h5 \\
    --vqvae-model checkpoints/vqvae/quickstart/best_model.pt
"""

from __future__ import annotations

import argparse
from pathlib import Path

import spinlock as sl
from report_picture import ROOT, take_picture
from spinlock.plots.codebooks.page import (
    codebook_page,  # the commands write the page; there is no function for it in sl
)

ONLY = "<style>.top, nav, main > section:not(#{0}) {{ display: none; }} main > section {{ border: 0; }}</style></head>"
"""A style that shows one section of the page."""

PARTS = {"codebooks": ("", 740), "codebooks-categories": ("categories", 1300), "codebooks-cards": ("codes", 1950)}
"""{name of the picture: the section that it shows, or the top of the page, and its height in pixels}."""


def main() -> None:
    """Describe the codebooks of a tokenizer, and take pictures of the page in the light theme."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", type=Path, required=True, help="dataset on which the tokenizer was trained")
    parser.add_argument("--vqvae-model", type=Path, required=True, help="checkpoint of the tokenizer")
    parser.add_argument("--output", type=Path, default=ROOT / "docs", help="folder of the pictures")
    arguments = parser.parse_args()
    result = sl.describe_codebooks(sl.Tokenizer.load(arguments.vqvae_model), arguments.dataset)
    html = codebook_page(result).html.replace('<details class="category">', '<details class="category" open>', 1)
    for name, (section, height) in PARTS.items():
        part = html.replace("</head>", ONLY.format(section), 1) if section else html
        take_picture(part, arguments.output / f"{name}.png", height)


if __name__ == "__main__":
    main()
