"""Draws the results of a benchmark: a bar for each candidate."""

from pathlib import Path

import matplotlib as mpl
from matplotlib import pyplot as plt

from bench.gateway import OURS
from bench.report import FIGURES, Document

_WIDE = 50
"""How many times the shortest bar the longest may be before the scale becomes logarithmic."""


def plot(path: Path, found: Document) -> None:
    """Write the picture of the first figure of a results file; the same file gives the same picture."""
    mpl.rcParams["svg.hashsalt"] = "deputize"
    mpl.rcParams["svg.fonttype"] = "none"
    shown = found["figures"][0]
    heading, form = FIGURES[shown]
    names = [result["name"] for result in reversed(found["results"])]
    values = [result["medians"][shown] for result in reversed(found["results"])]
    figure, axes = plt.subplots(figsize=(9, 0.4 * len(names) + 1.2))
    bars = axes.barh(names, values, color=["#1d7a3e" if name == OURS else "#8a97b5" for name in names])
    axes.bar_label(bars, labels=[format(value, form) for value in values], padding=4)
    axes.set_title(found["title"], fontsize=10)
    axes.set_xlabel(f"{heading} (median)")
    axes.spines[["top", "right"]].set_visible(False)
    axes.margins(x=0.15)
    if max(values) > _WIDE * min(values) > 0:
        axes.set_xscale("log")
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)
