"""Figures of the section *compression*."""

from __future__ import annotations

from spinlock.evaluation.compression.section import Compression, RateCurve
from spinlock.plots.theme import BLUE, GREEN, INK, MUTED, ORANGE, PAPER, WIDTH, YELLOW, new_axes
from spinlock.plots.view import Picture, Table, View, number

LABELS = {"gaussian": "Gaussian reference", "pca": "PCA, scalar codes", "faiss": "faiss residual codes"}
COLORS = {"gaussian": MUTED, "pca": ORANGE, "faiss": GREEN}


def rate_distortion(result: Compression, quality: float) -> Picture:
    """Return the quality over bits per row, beside that of other codes; ``quality`` is that of all evaluated rows."""
    figure, axes = new_axes(WIDTH, 300)
    for curve in result.curves:
        if curve.name == "tokens":
            continue
        style = "--" if curve.name == "gaussian" else "-"
        axes.plot(curve.bits, curve.quality, style, color=COLORS[curve.name], label=LABELS[curve.name], marker=".")
    tokens = _tokens(result)
    axes.plot(tokens.bits, tokens.quality, "o-", color=BLUE, label="tokens, 1 to 3 levels", markersize=7, linewidth=2.4)
    axes.plot(
        [result.autoregressive_bits], [tokens.quality[-1]], "D", color=BLUE, markerfacecolor=PAPER, markersize=7,
        label="tokens, entropy coded",
    )  # fmt: skip
    axes.axhline(0.9, color=YELLOW, linewidth=1)
    axes.annotate("target 0.90", (0.01, 0.9), xycoords=("axes fraction", "data"), va="bottom", fontsize=8.5)
    low = min(*tokens.quality, *(value for curve in result.curves for value in curve.quality[-2:]))
    axes.set_ylim(max(-0.05, low - 0.25), 1.01)
    axes.set_xlim(0, None)
    axes.set_xlabel("bits per row")
    axes.set_ylabel("fraction of variance explained")
    axes.legend(loc="lower right")
    return Picture(
        f"{tokens.bits[-1]:.0f} bits per row explain {quality:.1%} of the variance",
        figure,
        f"The other codes are fitted on {result.fitted_on} and measured on {result.scored_rows:,} rows. Higher and "
        "further left is better. The Gaussian reference is no limit: clustered rows can be above it.",
    )


def rates(result: Compression) -> Picture:
    """Return the rates of the tokens as bars."""
    figure, axes = new_axes(WIDTH, 170)
    values = (result.autoregressive_bits, result.independent_bits, result.entropy_bits, result.nominal_bits)
    names = ("autoregressive", "independent codes", "entropy of these rows", "nominal")
    bars = axes.barh(names, values, color=BLUE, height=0.6)
    axes.bar_label(bars, [f"{value:.0f}" for value in values], padding=4, color=INK)
    axes.set_xlabel("bits per row")
    axes.set_xlim(0, max(*values, 1.0) * 1.15)
    axes.grid(axis="y", visible=False)
    saved = 1 - result.autoregressive_bits / result.nominal_bits if result.nominal_bits > 0 else 0.0
    return Picture(
        f"An entropy coder with a model of the tokens saves {saved:.0%} of the nominal bits",
        figure,
        "The autoregressive rate is measured on rows on which the model of the tokens was not fitted.",
    )


def _tokens(result: Compression) -> RateCurve:
    return next(curve for curve in result.curves if curve.name == "tokens")


def view(result: Compression) -> View:
    """Return the section."""
    rows = [
        ("float32 features", f"{result.float32_bits:,}", "1.0"),
        ("nominal, log2 K of each codebook", number(result.nominal_bits, 1), number(result.nominal_ratio, 1)),
        ("independent codes", number(result.independent_bits, 1), number(result.independent_ratio, 1)),
        ("autoregressive model", number(result.autoregressive_bits, 1), number(result.autoregressive_ratio, 1)),
    ]
    points = [
        (LABELS.get(curve.name, curve.name), f"{bits:.0f}", number(value))
        for curve in result.curves
        for bits, value in zip(curve.bits, curve.quality, strict=True)
    ]
    levels = ", ".join(f"{bits:.0f}" for bits in result.autoregressive_bits_by_level)
    remarks = [f"The autoregressive rate by level is {levels} bits; each level is coded given the coarser ones."]
    if not result.faiss_installed:
        remarks.append("The curve of faiss is missing, because faiss is not installed: pip install 'spinlock[faiss]'.")
    return View(
        key="compression",
        title="Compression",
        finding=f"A row takes {result.nominal_bits:.0f} bits instead of {result.float32_bits:,} bits of float32 "
        f"features. An entropy coder needs {result.autoregressive_bits:.0f} bits, a compression ratio of "
        f"{number(result.autoregressive_ratio, 0)} relative to float32.",
        pictures=[rates(result)],
        tables=[
            Table("Bits per row", ("code", "bits", "float32 / code"), rows),
            Table("Points of the rate-distortion plot", ("code", "bits", "quality"), points),
        ],
        remarks=remarks,
    )
