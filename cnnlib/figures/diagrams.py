"""Drawings without data: a dense network, a chain of steps, a filter made of cells, a split."""

from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.colors import to_rgba
from matplotlib.patches import Circle, FancyArrowPatch, FancyBboxPatch, Rectangle

from cnnlib.geometry import conv_params, dense_params

from .check import count, numbers, texts
from .style import (
    BLUE,
    GREEN,
    INK,
    LINE,
    MUTED,
    ORANGE,
    PANEL,
    PAPER,
    PURPLE,
    SERIES,
    SMALL,
    TEXT,
    WIDTH,
    canvas,
    styled,
    text_width,
    wrap,
)

ALONG, RISE, THICK = 0.62, 0.3, 0.3  # a cube seen from the side, as parts of its height
SHOWN = 8  # nodes of a layer that are drawn; a larger one has dots in its middle


@styled
def dense_network(sizes=(784, 128, 10), labels=None):
    """Draw a dense network: a column of nodes a layer, every connection, the parameters of each step below.

    `sizes` are the units of 2 to 4 layers, inputs first; a layer of more than 8 is drawn with dots. `labels`
    name the layers.
    """
    sizes = [count(f"sizes[{i}]", size, 1) for i, size in enumerate(sizes)]
    if not 2 <= len(sizes) <= 4:
        raise ValueError(f"sizes must hold 2 to 4 layers, got {len(sizes)}")
    if labels is None:
        labels = ["inputs", *["hidden units"] * (len(sizes) - 2), "outputs"]
    labels = texts("labels", labels, len(sizes))

    head, pitch, radius = 2 * LINE + 0.12, 0.3, 0.1
    tallest = min(max(sizes), SHOWN) * pitch
    middle, foot = head + tallest / 2, head + tallest + 0.1
    fig, ax = canvas(foot + 3 * LINE + 0.05)
    margin = max(text_width(label) for label in labels) / 2 + 0.05
    places = [margin + i * (WIDTH - 2 * margin) / (len(sizes) - 1) for i in range(len(sizes))]
    nodes = []
    for x, size in zip(places, sizes, strict=True):
        shown = min(size, SHOWN)
        rows = [middle + (i - (shown - 1) / 2) * pitch for i in range(shown)]
        if size > SHOWN:  # the dots take the place of two nodes
            half = SHOWN // 2
            for step in (-0.5, 0, 0.5):
                ax.add_patch(Circle((x, middle + step * pitch * 0.6), 0.025, facecolor=INK, linewidth=0))
            rows = rows[: half - 1] + rows[half + 1 :]
        nodes.append([(x, y) for y in rows])
    for before, after in zip(nodes, nodes[1:], strict=False):
        ax.add_collection(LineCollection([(a, b) for a in before for b in after], colors=MUTED, linewidths=0.5))
    for i, (column, size) in enumerate(zip(nodes, sizes, strict=True)):
        for node in column:
            ax.add_patch(Circle(node, radius, facecolor=PAPER, edgecolor=SERIES[i], linewidth=2, zorder=3))
        ax.text(places[i], LINE / 2 + 0.02, f"{size:,}", ha="center", va="center", size=TEXT, weight="bold")
        ax.text(places[i], LINE * 1.5 + 0.04, labels[i], ha="center", va="center", size=SMALL)
        if i:
            params = f"{sizes[i - 1]:,} · {size:,} weights\n+ {size:,} biases\n= {dense_params(sizes[i - 1], size):,}"
            x = (places[i - 1] + places[i]) / 2
            ax.text(x, foot, params, ha="center", va="top", size=SMALL, linespacing=1.2)
    return fig


@styled
def pipeline(stages):
    """Draw steps as boxes with arrows between them: up to four in a row, more from top to bottom.

    `stages` is a list of names, or of (name, detail) pairs; names and details are wrapped to their boxes.
    """
    pairs = [(stage, "") if isinstance(stage, str) else tuple(stage) for stage in stages]
    if not 1 <= len(pairs) <= 12 or any(len(pair) != 2 for pair in pairs):
        raise ValueError(f"stages must hold 1 to 12 names or (name, detail) pairs, got {stages!r}")
    return _row(pairs) if len(pairs) <= 4 else _column(pairs)


def _row(pairs):
    """Boxes side by side: the name above, its detail below."""
    arrow, line = 0.3, LINE * 1.15
    width = (WIDTH - 0.08 - arrow * (len(pairs) - 1)) / len(pairs)
    names = [wrap(name, width - 0.16, TEXT) for name, _ in pairs]
    details = [wrap(detail, width - 0.16) for _, detail in pairs]
    heads = [(name.count("\n") + 1) * line for name in names]
    feet = [(detail.count("\n") + 1) * line if detail else 0 for detail in details]
    height = max(head + foot for head, foot in zip(heads, feet, strict=True)) + 0.2
    fig, ax = canvas(height + 0.08)
    for i, (head, foot) in enumerate(zip(heads, feet, strict=True)):
        x, top = 0.04 + i * (width + arrow), 0.04 + (height - head - foot) / 2
        _box(ax, x, 0.04, width, height)
        style = {"ha": "center", "va": "center", "linespacing": 1.2}
        ax.text(x + width / 2, top + head / 2, names[i], size=TEXT, weight="bold", **style)
        ax.text(x + width / 2, top + head + foot / 2, details[i], size=SMALL, **style)
        if i:
            _arrow(ax, (x - arrow + 0.03, 0.04 + height / 2), (x - 0.03, 0.04 + height / 2))
    return fig


def _column(pairs):
    """Boxes from top to bottom: the name on the left, its detail on the right."""
    arrow, line = 0.22, LINE * 1.15
    side = min(max(text_width(name, TEXT) for name, _ in pairs) * 1.2, WIDTH / 2)  # bold is wider
    names = [wrap(name, side, TEXT) for name, _ in pairs]
    details = [wrap(detail, WIDTH - side - 0.45) for _, detail in pairs]
    heights = [max(text.count("\n") + 1 for text in pair) * line + 0.16 for pair in zip(names, details, strict=True)]
    fig, ax = canvas(sum(heights) + arrow * (len(pairs) - 1) + 0.08)
    y = 0.04
    for i, height in enumerate(heights):
        _box(ax, 0.04, y, WIDTH - 0.08, height)
        style = {"va": "center", "linespacing": 1.2}
        ax.text(0.15, y + height / 2, names[i], size=TEXT, weight="bold", **style)
        ax.text(side + 0.3, y + height / 2, details[i], size=SMALL, **style)
        if i:
            _arrow(ax, (WIDTH / 2, y - arrow + 0.02), (WIDTH / 2, y - 0.02))
        y += height + arrow
    return fig


def _box(ax, x, y, width, height):
    shape = FancyBboxPatch((x, y), width, height, boxstyle="round,pad=0,rounding_size=0.06")
    shape.set(facecolor=PANEL, edgecolor=MUTED, linewidth=1.2)
    ax.add_patch(shape)


def _arrow(ax, start, end):
    head = {"arrowstyle": "-|>", "mutation_scale": 12, "shrinkA": 0, "shrinkB": 0}
    ax.add_patch(FancyArrowPatch(start, end, color=INK, linewidth=1.5, **head))


@styled
def block_3d(kernel_height, kernel_width, channels):
    """Draw one filter as cells, one a weight: a sheet an input channel, and one cell for the bias.

    All three are integers from 1 to 8. Below stands the count, as in "3 · 3 · 3 + 1 = 28 parameters".
    """
    rows = count("kernel_height", kernel_height, 1, 8)
    columns = count("kernel_width", kernel_width, 1, 8)
    depth = count("channels", channels, 1, 8)
    colours = (ORANGE, GREEN, BLUE) if depth == 3 else (BLUE,) * depth
    sheet, gap = ALONG * columns + THICK, 0.5  # widths in cells; the bias is a sheet of one cell
    across = depth * (sheet + gap) + ALONG + THICK
    rise = RISE * columns + THICK * RISE / ALONG
    cell = min(0.42, (WIDTH - 0.5) / across, 2.2 / (rows + rise))
    top, foot = 0.08 + rise * cell, 0.16 + (rise + rows) * cell
    fig, ax = canvas(foot + 2.6 * LINE)
    left = (WIDTH - across * cell) / 2
    layers = []
    for channel in range(depth):
        x = left + (channel * (sheet + gap) + THICK) * cell
        for column in reversed(range(columns)):
            for row in reversed(range(rows)):
                at = x + column * ALONG * cell, top + (row - column * RISE) * cell
                layers += _cube(*at, cell, colours[channel])
        name = f"channel {channel}" if depth <= 3 else str(channel)
        ax.text(x + sheet * cell / 2, foot, name, ha="center", va="top", size=SMALL)
    x = left + (across - ALONG) * cell
    layers += _cube(x, top + (rows - 1) * cell, cell, PURPLE)
    corners, faces, edges = zip(*layers, strict=True)
    ax.add_collection(PolyCollection(corners, facecolors=faces, edgecolors=edges, linewidths=0.7))
    ax.text(x, foot, "bias", ha="center", va="top", size=SMALL)
    params = conv_params((rows, columns), depth, 1)
    text = f"{rows} · {columns} · {depth} + 1 = {params} parameters"
    ax.text(WIDTH / 2, foot + 1.9 * LINE, text, ha="center", va="center", size=TEXT)
    return fig


def _cube(x, y, side, colour):
    """Return the three faces of one cube as (corners, face colour, edge colour), each behind it a sheet of paper.

    (x, y) is the upper end of its nearest edge. Far and low cubes must be drawn first.
    """
    u, v, t = (ALONG * side, -RISE * side), (0, side), (-THICK * side, -THICK * RISE / ALONG * side)
    layers = []
    for one, two, opacity in ((u, v, 0.55), (t, v, 0.85), (u, t, 0.3)):
        corners = [(0, 0), one, (one[0] + two[0], one[1] + two[1]), two]
        corners = [(x + dx, y + dy) for dx, dy in corners]
        layers += [(corners, PAPER, "none"), (corners, to_rgba(colour, opacity), INK)]
    return layers


@styled
def split_bar(sizes, labels):
    """Draw a data set as one bar, cut into its parts in proportion, each with its name and size below.

    sizes: one to four counts, each at least 1; labels: their names.
    """
    sizes = numbers("sizes", sizes, {1}, "a list of counts")
    if len(sizes) > 4 or sizes.dtype.kind not in "ui" or sizes.min() < 1:
        raise ValueError(f"sizes must hold one to four counts of at least 1, got {sizes.tolist()}")
    labels = texts("labels", labels, len(sizes))
    sizes = sizes.tolist()
    fig, ax = canvas(0.55 + 2.6 * LINE)
    room, x = WIDTH - 0.1, 0.05
    written = [f"{label}\n{size:,}" for label, size in zip(labels, sizes, strict=True)]
    halves = [text_width(text) / 2 + 0.04 for text in written]
    free = 0.0  # where the next text may begin
    for i, size in enumerate(sizes):
        width = room * size / sum(sizes)
        ax.add_patch(Rectangle((x, 0.05), width, 0.4, facecolor=SERIES[i], alpha=0.45, linewidth=0))
        ax.add_patch(Rectangle((x, 0.05), width, 0.4, fill=False, edgecolor=INK, linewidth=1.2))
        rest = sum(2 * half + 0.12 for half in halves[i + 1 :])
        at = min(max(x + width / 2, free + halves[i]), WIDTH - rest - halves[i])
        ax.plot([x + width / 2, x + width / 2, at], [0.45, 0.5, 0.56], color=MUTED, linewidth=0.8, marker="")
        ax.text(at, 0.6, written[i], ha="center", va="top", size=SMALL, linespacing=1.2)
        free = at + halves[i] + 0.12
        x += width
    return fig
