"""Right and wrong uses of the Python interface. ``mypy`` checks this file; it is not executed.

A line that is wrong has a comment with the error that mypy reports. If mypy does not report this error, it reports the
unused comment.
"""

import numpy as np

import spinlock as sl


def use_the_interface() -> None:
    """Calls that mypy accepts."""
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
    print(shape, rows, names, operators, targets, frames)


def use_the_interface_wrongly(tokenizer: sl.Tokenizer) -> None:
    """Calls that mypy refuses."""
    x = np.zeros((40, 6), dtype=np.float32)
    print(sl.Tokeniser)  # type: ignore[attr-defined]
    sl.Tokenizer.fit(x, epoch=3)  # type: ignore[call-arg]
    sl.Tokenizer.fit(x, epochs="3")  # type: ignore[arg-type]
    sl.Tokenizer.fit(x, callbacks=sl.Callback())  # type: ignore[arg-type]
    sl.generate("a.yaml", "data.h5", num_sample=2)  # type: ignore[call-arg]
    sl.generate("a.yaml", "data.h5", num_samples="2")  # type: ignore[arg-type]
    sl.discover_categories(x, num_categories=3)  # type: ignore[call-arg]
    tokenizer.encode_file("a.h5", "b.h5", batch="8")  # type: ignore[call-arg]
    tokenizer.load(None)  # type: ignore[arg-type]
    text: str = tokenizer.encode(x)  # type: ignore[assignment]
    print(text)
