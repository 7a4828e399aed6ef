"""Checks of pages: their structure, their requests, and their opening in a browser."""

import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest

VOID = {"meta", "br", "hr", "img", "link", "input"}
REQUESTS = re.compile(r"""(?:src|href)\s*=\s*["'](?!#|data:)|url\((?!#|["']?data:)|@import|fetch\(|XMLHttpRequest""")


class Structure(HTMLParser):
    """Checks that all elements are closed, and collects identifiers, links, headings and text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.tags: list[str] = []
        self.text = ""
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in VOID:
            self.open.append(tag)
        self.ids += [value for name, value in attrs if name == "id" and value]
        self.links += [value for name, value in attrs if name in ("href", "xlink:href") and value]

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def chromium() -> str | None:
    return next(
        (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
    )


def check_in_browser(page: str, folder: Path) -> None:
    """Open a page in Chromium, without an error on its console; the test is skipped where there is no Chromium."""
    browser = chromium()
    if browser is None:
        pytest.skip("no Chromium on this machine, so the page was not opened in a browser")
    file = folder / "report.html"
    file.write_text(page)
    options = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--enable-logging=stderr",
        f"--user-data-dir={folder}/u",
    ]
    done = subprocess.run(
        [browser, *options, "--dump-dom", file.as_uri()], capture_output=True, text=True, timeout=120, check=True
    )
    assert "</html>" in done.stdout
    assert "CONSOLE" not in done.stderr
