"""Every plot of the book: readable on a phone, colour-blind safe, light and dark.

Each function returns a `matplotlib.figure.Figure`; `show(fig, alt="...")` displays it. A plot of your own starts
with `subplots()` and takes its colours from here (`INK`, `BLUE`, ...). pyplot is not used and TensorFlow is not
imported.
"""

from .bundle import FIGURE_MIME, mime_bundle, show
from .cbapd import cbapd_legend
from .comparing import scatter, small_multiples
from .diagrams import block_3d, dense_network, pipeline, split_bar
from .grids import confusion_matrix, numbers_grid
from .images import feature_maps, image_grid, kernels
from .network import network, network_alt
from .plots import bars, curves
from .style import BLUE, DARK, GREEN, GRID, INK, MARK, MUTED, ORANGE, PANEL, PAPER, PURPLE, SERIES, subplots
from .windows import counts, windows

__all__ = [
    "BLUE",
    "DARK",
    "FIGURE_MIME",
    "GREEN",
    "GRID",
    "INK",
    "MARK",
    "MUTED",
    "ORANGE",
    "PANEL",
    "PAPER",
    "PURPLE",
    "SERIES",
    "bars",
    "block_3d",
    "cbapd_legend",
    "confusion_matrix",
    "counts",
    "curves",
    "dense_network",
    "feature_maps",
    "image_grid",
    "kernels",
    "mime_bundle",
    "network",
    "network_alt",
    "numbers_grid",
    "pipeline",
    "scatter",
    "show",
    "small_multiples",
    "split_bar",
    "subplots",
    "windows",
]
