"""A type checker accepts right uses of ``spinlock`` and reports wrong ones."""

import re
from pathlib import Path

import pytest

import spinlock

api = pytest.importorskip("mypy.api")

PROGRAM = """
import numpy as np
import spinlock as sl

x = np.zeros((40, 6), dtype=np.float32)
tokenizer = sl.Tokenizer.fit(x, "production.json", epochs=3, device="cpu", callbacks=[sl.Callback()])
tokenizer.save("model.pt", overwrite=True)
tokens = tokenizer.encode(x)
shape: tuple[int, ...] = tokenizer.decode(tokens, levels=2).shape
rows: int = tokenizer.encode_file("a.h5", "b.h5", advance=lambda count: None).rows
names: tuple[str, ...] = sl.discover_categories(x, num_categories_auto=3, stability=2).names
operators: int = sl.generate({"num_samples": 4}, "data.h5", num_samples=2, device="cpu").num_operators
table: sl.FeatureTable = sl.read_features("a.h5")
targets = sl.evaluate(tokenizer, table).targets
frames = sl.operators.Burgers(viscosity=0.01).rollout(np.zeros((2, 32, 32)), steps=4)
sl.Tokeniser  # error: attr-defined
sl.Tokenizer.fit(x, epoch=3)  # error: call-arg
sl.Tokenizer.fit(x, epochs="3")  # error: arg-type
sl.Tokenizer.fit(x, callbacks=sl.Callback())  # error: arg-type
sl.generate("a.yaml", "data.h5", num_sample=2)  # error: call-arg
sl.generate("a.yaml", "data.h5", num_samples="2")  # error: arg-type
sl.discover_categories(x, num_categories=3)  # error: call-arg
tokenizer.encode_file("a.h5", "b.h5", batch="8")  # error: call-arg
tokenizer.load(None)  # error: arg-type
text: str = tokens  # error: assignment
"""
"""A program of a user. A comment names the code of the error that the line has."""


@pytest.mark.slow
@pytest.mark.timeout(900)  # mypy reads the stubs of torch
def test_mypy_accepts_right_uses_and_reports_wrong_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "program.py"
    path.write_text(PROGRAM)
    source = Path(spinlock.__file__).parents[1]
    monkeypatch.setenv("MYPYPATH", str(source))
    options = ("--strict", "--config-file", "", "--follow-imports", "silent", "--cache-dir", str(tmp_path / "cache"))
    output, errors, _ = api.run([*options, str(path)])
    assert errors == ""
    reported = re.findall(r"program\.py:(\d+): error: .*\[([a-z-]+)\]", output)
    expected = [
        (str(number), line.rpartition("# error: ")[2])
        for number, line in enumerate(PROGRAM.splitlines(), 1)
        if "# error: " in line
    ]
    assert reported == expected, output
