"""The picture of the report in the README: the top of the page of ``evaluate-tokens``, as Chromium shows it.

scripts/demo
poetry run python benchmarks/report_picture.py --dataset datasets/quickstart.h5 \
    --vqvae-model checkpoints/vqvae/quickstart/best_model.pt
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import tempfile
from pathlib import Path

import spinlock as sl
from spinlock.plots.report.page import evaluation_page  # the commands write the page; there is no function for it in sl

ROOT = Path(__file__).resolve().parent.parent
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
WIDTH, HEIGHT = 1280, 640


def browser() -> str:
    """Return the path of a Chromium browser."""
    paths = (shutil.which(name) for name in BROWSERS)
    found = next((path for path in paths if path is not None), None)
    if found is None:
        raise SystemExit(f"no browser was found; expected one of {', '.join(BROWSERS)}; install chromium")
    return found


def take_picture(html: str, output: Path, height: int) -> None:
    """Write a picture of the top of a page, ``height`` pixels high, in the light theme."""
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "page.html"
        page.write_text(html)
        options = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", f"--user-data-dir={folder}/user"]
        options += ["--blink-settings=preferredColorScheme=1", f"--window-size={WIDTH},{height}"]
        command = [browser(), *options, f"--screenshot={output.resolve()}", page.as_uri()]
        subprocess.run(command, check=True, capture_output=True, timeout=120)


def main() -> None:
    """Evaluate a tokenizer, and take a picture of the top of the page in the light theme."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", type=Path, required=True, help="dataset on which the tokenizer was trained")
    parser.add_argument("--vqvae-model", type=Path, required=True, help="checkpoint of the tokenizer")
    parser.add_argument("--output", type=Path, default=ROOT / "docs" / "report.png", help="picture to write")
    arguments = parser.parse_args()
    result = sl.evaluate(sl.Tokenizer.load(arguments.vqvae_model), arguments.dataset)
    take_picture(evaluation_page(result), arguments.output, HEIGHT)


if __name__ == "__main__":
    main()
