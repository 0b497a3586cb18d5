"""Where a kernel goes: which cells each output reads, and how often a cell is read."""

from matplotlib.patches import Rectangle

from cnnlib import geometry

from .check import numbers, texts
from .style import BLUE, MUTED, PANEL, PAPER, SERIES, SMALL, styled, subplots

LETTERS = "abcdefghijklmnopqrstuvwxyz"


@styled
def windows(panels):
    """Draw a row of input cells for each panel, and below it the window of each output: a dot on every cell it reads.

    `panels` is {title: (n, kernel_size, strides, padding, dilation_rate)}, the arguments of `geometry.output_size`;
    the last three may be left out. Cells are lettered, at most 26 of them; zeros have dashed borders, and cells
    that nobody reads are hatched. All panels have cells of one size. Raises ValueError where a kernel does not fit.
    """
    if not isinstance(panels, dict) or not panels:
        raise ValueError(f"panels must be a dict with one row of cells at least, got {panels!r:.60}")
    outputs = [geometry.output_size(*settings) for settings in panels.values()]
    widest = max(settings[0] for settings in panels.values())
    if widest > len(LETTERS):
        raise ValueError(f"panels must have rows of at most {len(LETTERS)} cells, got {widest}")
    heights = [2.3 + 0.75 * count for count in outputs]
    scale = 5 / (widest + 3.6)  # inches a cell
    fig, axes = subplots(len(panels), 1, height=scale * sum(heights), height_ratios=heights, squeeze=False)
    for ax, height, (title, settings) in zip(axes[:, 0], heights, panels.items(), strict=True):
        _row(ax, *settings)
        ax.text(-0.5, 1.3, title, va="bottom")
        ax.set(xlim=(-1.6, widest + 2), ylim=(2.1 - height, 2.1))
        ax.axis("off")
    return fig


def _row(ax, n, *settings):
    before, after = geometry.pad_amounts(n, *settings)
    unread = geometry.unread_cells(n, *settings)
    for cell in range(-before, n + after):
        inside = 0 <= cell < n
        style = {"facecolor": PANEL if inside else "none", "edgecolor": MUTED, "linestyle": "-" if inside else "--"}
        if cell in unread:
            style |= {"hatch": "////", "facecolor": PAPER}
        ax.add_patch(Rectangle((cell - 0.5, 0), 1, 1, **style))
        behind = {"facecolor": PAPER, "linewidth": 0, "pad": 1.5} if cell in unread else None
        ax.text(cell, 0.5, LETTERS[cell] if inside else "0", ha="center", va="center_baseline", bbox=behind)
    for index in range(geometry.output_size(n, *settings)):
        taps = geometry.window(n, index, *settings)
        colour, level = SERIES[index % 2], -0.5 - 0.75 * index
        ax.plot([taps[0] - 0.4, taps[-1] + 0.4], [level, level], color=colour, linewidth=1.2, marker="")
        ax.plot(taps, [level] * len(taps), color=colour, marker="os"[index % 2], markersize=9, linestyle="")
        ax.text(taps[-1] + 0.6, level, f"output {index}", va="center", size=SMALL)


@styled
def counts(*arrays, titles=None):
    """Draw arrays of whole numbers from 0, (rows, columns) each, side by side: the larger, the darker its cell."""
    if not arrays:
        raise ValueError("arrays: give at least one 2-D array")
    arrays = [numbers(f"arrays[{i}]", array, {2}, "2-D") for i, array in enumerate(arrays)]
    for i, array in enumerate(arrays):
        wrong = array[(array < 0) | (array % 1 != 0)]
        if wrong.size:
            raise ValueError(f"arrays[{i}] must hold whole numbers from 0, got {wrong[0]}")
    titles = texts("titles", titles, len(arrays)) if titles is not None else None
    tallest = max(array.shape[0] / array.shape[1] for array in arrays)
    wide = 5 / max(len(arrays), 2)
    height = wide * tallest + (0.4 if titles else 0.2)
    fig, axes = subplots(1, len(arrays), height=height, squeeze=False)
    for i, (ax, array) in enumerate(zip(axes[0], arrays, strict=True)):
        rows, columns = array.shape
        for row in range(rows):
            for column in range(columns):
                at, value = (column, row), array[row, column]
                ax.add_patch(Rectangle(at, 1, 1, facecolor=BLUE, alpha=0.6 * value / max(array.max(), 1), linewidth=0))
                ax.add_patch(Rectangle(at, 1, 1, fill=False, edgecolor=MUTED, linewidth=0.6))
                ax.text(column + 0.5, row + 0.5, str(int(value)), ha="center", va="center_baseline", size=SMALL)
        ax.set(xlim=(-0.05, columns + 0.05), ylim=(rows + 0.05, -0.05), aspect="equal", xticks=[], yticks=[])
        if titles:
            ax.set_title(titles[i])
        ax.axis("off")
    return fig
