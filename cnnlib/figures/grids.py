"""Tables of numbers: a small array with its window, a confusion matrix."""

import numpy as np
from matplotlib.patches import Rectangle

from .check import numbers, texts
from .style import BLUE, INK, LINE, MARK, MUTED, PANEL, SMALL, TEXT, WIDTH, canvas, styled, text_width

SMALLEST = 8.5  # points, for numbers in cells: 8.3 px on a phone
STRONGEST = 0.6  # opacity of a full cell: ink stays readable on it, on a light and on a dark page


@styled
def numbers_grid(*arrays, highlight=None, titles=None, symbols=None, decimals=2):
    """Draw small 2-D arrays with their numbers, side by side, a window of each highlighted.

    `highlight` is (row, column, height, width) for one array; for several, a list with such a tuple or None for
    each. `titles` stand above the arrays; `symbols` ("∗", "=") between them, one fewer than arrays. Floats are
    rounded to `decimals` places.
    """
    if not arrays:
        raise ValueError("arrays: give at least one 2-D array")
    arrays = [numbers(f"arrays[{i}]", array, {2}, "2-D") for i, array in enumerate(arrays)]
    windows = [highlight] if len(arrays) == 1 else [None] * len(arrays) if highlight is None else list(highlight)
    if len(windows) != len(arrays):
        raise ValueError(
            f"highlight must hold one window (or None) for each of {len(arrays)} arrays, got {highlight!r}"
        )
    windows = [_window(window, array.shape) for window, array in zip(windows, arrays, strict=True)]
    titles = texts("titles", titles, len(arrays)) if titles is not None else [""] * len(arrays)
    symbols = texts("symbols", symbols, len(arrays) - 1) if symbols is not None else [""] * (len(arrays) - 1)

    gap = 0.4
    written = [[[_short(value, decimals) for value in row] for row in array.tolist()] for array in arrays]
    columns = sum(array.shape[1] for array in arrays)
    widest = max(text_width(text, TEXT) for grid in written for row in grid for text in row)
    wide = min(max(0.5, widest + 0.1), (WIDTH - 0.1 - gap * len(symbols)) / columns)
    side = min(wide, 0.5)
    size = min(TEXT, TEXT * (wide - 0.06) / widest)
    if size < SMALLEST:
        raise ValueError(f"arrays have too many columns or digits to be read on a phone: {columns} columns in all")
    head = LINE * max(title.count("\n") + 1 for title in titles) + 0.06 if any(titles) else 0.05
    rows = max(array.shape[0] for array in arrays)
    fig, ax = canvas(head + rows * side + 0.05)
    x = (WIDTH - columns * wide - gap * len(symbols)) / 2
    for i, (grid, window) in enumerate(zip(written, windows, strict=True)):
        height, width = len(grid), len(grid[0])
        top = head + (rows - height) * side / 2
        for row in range(height):
            for column in range(width):
                inside = window is not None and _contains(window, row, column)
                at = (x + column * wide, top + row * side)
                fill = MARK if inside else PANEL
                ax.add_patch(Rectangle(at, wide, side, facecolor=fill, edgecolor=MUTED, linewidth=0.8))
                middle = (at[0] + wide / 2, at[1] + side / 2)
                ax.text(*middle, grid[row][column], size=size, ha="center", va="center_baseline")
        if window is not None:
            at = (x + window[1] * wide, top + window[0] * side)
            ax.add_patch(Rectangle(at, window[3] * wide, window[2] * side, fill=False, edgecolor=INK, linewidth=2.4))
        ax.text(x + width * wide / 2, top - 0.06, titles[i], size=SMALL, ha="center", va="bottom")
        x += width * wide + gap
        if i < len(symbols):
            ax.text(x - gap / 2, head + rows * side / 2, symbols[i], size=TEXT + 4, ha="center", va="center")
    return fig


@styled
def confusion_matrix(matrix, class_names):
    """Draw a confusion matrix: row = true class, column = predicted class, the count in every cell.

    matrix: (classes, classes) integers, at most 12 classes. The deeper a cell's colour, the larger its share of its
    row (by the square root, so that rare mistakes are seen); right answers, the diagonal, are framed.
    """
    matrix = numbers("matrix", matrix, {2}, "(classes, classes) counts")
    classes = len(matrix)
    if matrix.shape != (classes, classes) or not 2 <= classes <= 12:
        raise ValueError(f"matrix must be square with 2 to 12 classes, got shape {matrix.shape}")
    if matrix.dtype.kind not in "ui" or matrix.min() < 0:
        raise ValueError(f"matrix must hold counts (integers from 0), got {matrix.dtype} with minimum {matrix.min()}")
    names = texts("class_names", class_names, classes)

    longest = max(text_width(name) for name in names)
    names_width, head = longest + LINE + 0.12, longest + LINE + 0.18
    side = min(0.7, (WIDTH - names_width - 0.03) / classes)
    size = min(SMALL, SMALL * (side - 0.05) / text_width(str(matrix.max())))
    if size < SMALLEST:
        raise ValueError(f"matrix has counts too long to be read in {classes} columns, up to {matrix.max()}")
    fig, ax = canvas(head + classes * side + 0.04)
    left = (WIDTH + names_width - classes * side) / 2
    depth = STRONGEST * np.sqrt(matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1))
    for row in range(classes):
        y = head + row * side
        ax.text(left - 0.07, y + side / 2, names[row], ha="right", va="center", size=SMALL)
        ax.text(left + (row + 0.5) * side, head - 0.07, names[row], ha="center", va="bottom", size=SMALL, rotation=90)
        for column in range(classes):
            x = left + column * side
            ax.add_patch(Rectangle((x, y), side, side, facecolor=BLUE, alpha=depth[row, column], linewidth=0))
            ax.add_patch(Rectangle((x, y), side, side, fill=False, edgecolor=MUTED, linewidth=0.6))
            text, colour = str(matrix[row, column]), INK if matrix[row, column] else MUTED
            ax.text(x + side / 2, y + side / 2, text, size=size, color=colour, ha="center", va="center_baseline")
    for i in range(classes):
        at = (left + i * side, head + i * side)
        ax.add_patch(Rectangle(at, side, side, fill=False, edgecolor=INK, linewidth=1.6))
    ax.text(left + classes * side / 2, LINE / 2 + 0.03, "predicted class", ha="center", va="center", size=TEXT)
    ax.text(
        left - names_width + LINE / 2,
        head + classes * side / 2,
        "true class",
        ha="center",
        va="center",
        size=TEXT,
        rotation=90,
    )
    return fig


def _short(value, decimals):
    if isinstance(value, float):
        value = f"{value:.{decimals}f}".rstrip("0").rstrip(".") if decimals else f"{value:.0f}"
        value = "0" if value == "-0" else value
    return str(int(value) if isinstance(value, bool) else value).replace("-", "−")


def _window(window, shape):
    if window is None:
        return None
    try:
        row, column, height, width = (int(part) for part in window)
    except (TypeError, ValueError):
        raise ValueError(f"highlight must be (row, column, height, width), got {window!r}") from None
    inside = row >= 0 and column >= 0 and height >= 1 and width >= 1
    if not inside or row + height > shape[0] or column + width > shape[1]:
        raise ValueError(f"highlight must lie inside the array of shape {shape}, got {window!r}")
    return row, column, height, width


def _contains(window, row, column):
    return window[0] <= row < window[0] + window[2] and window[1] <= column < window[1] + window[3]
