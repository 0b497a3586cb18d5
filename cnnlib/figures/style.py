"""One palette, one text size, one width: what all figures of the course share."""

import matplotlib
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import TextPath

# The light palette. A figure draws with these colours only, so that its dark version can be made by replacing
# them. INK and MUTED write on PAPER, PANEL and MARK; GRID is decoration and carries no meaning.
INK = "#1b1f24"
MUTED = "#57606a"
GRID = "#ccd2d8"
PAPER = "#ffffff"
PANEL = "#eef1f5"
MARK = "#ffe5a8"
BLUE = "#1465cd"
ORANGE = "#a84300"
GREEN = "#005a36"
PURPLE = "#7d1a8c"

# What each becomes on a dark page. Matplotlib's own black is taken for INK.
DARK = {
    INK: "#e9ebee",
    "#000000": "#e9ebee",
    MUTED: "#a9b1ba",
    GRID: "#3c434b",
    PAPER: "#121212",
    PANEL: "#22272d",
    MARK: "#4a3a06",
    BLUE: "#4aa8ea",
    ORANGE: "#e0a050",
    GREEN: "#12d690",
    PURPLE: "#e668a8",
}

# Lines are told apart by marker and dash as well, never by colour alone.
SERIES = (BLUE, ORANGE, GREEN, PURPLE, INK)
MARKERS = ("o", "s", "^", "D", "v")
DASHED = (0, (5, 2))

# 5 inches are 480 CSS pixels. On a phone (390 px, some 350 of them for the text column) the figure shrinks to
# 0.73: 12 pt become 11.7 px, 10.5 pt become 10.2 px. Nothing is written smaller than that but the counts of a
# confusion matrix of thousands.
WIDTH = 5.0
TEXT = 12
SMALL = 10.5
LINE = SMALL * 1.25 / 72  # height of one line of small text, in inches

STYLE = {
    "font.family": ["DejaVu Sans"],  # comes with Matplotlib: the same glyphs on every machine
    "font.size": TEXT,
    "axes.titlesize": TEXT,
    "axes.labelsize": TEXT,
    "xtick.labelsize": SMALL,
    "ytick.labelsize": SMALL,
    "legend.fontsize": SMALL,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.edgecolor": MUTED,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "axes.facecolor": "none",
    "figure.facecolor": PAPER,
    "patch.edgecolor": INK,
    "hatch.color": INK,
    "grid.color": GRID,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.prop_cycle": matplotlib.cycler(color=SERIES, marker=MARKERS),
    "lines.linewidth": 2,
    "lines.markersize": 5,
    "image.composite_image": False,
}

styled = matplotlib.rc_context(STYLE)  # decorator: draw in the course's style, leave the user's settings alone


@styled
def subplots(rows=1, columns=1, height=3.0, **kwargs):
    """Return (figure, axes) like `pyplot.subplots`, in the course's style, 5 inches wide.

    `height` is in inches, for the whole figure; further arguments go to `Figure.subplots`.
    """
    fig = Figure(figsize=(WIDTH, height), layout="constrained")
    return fig, fig.subplots(rows, columns, **kwargs)


def canvas(height):
    """Return (figure, axes) for a drawing: the axes fill the figure, units are inches, y grows downward."""
    fig = Figure(figsize=(WIDTH, height))
    ax = fig.add_axes((0, 0, 1, 1))
    ax.set(xlim=(0, WIDTH), ylim=(height, 0))
    ax.axis("off")
    return fig, ax


def text_width(text, size=SMALL):
    """Return how wide the widest line of a text is, in inches."""
    font = FontProperties(family=STYLE["font.family"])
    lines = [line for line in str(text).split("\n") if line.strip()]
    return max((TextPath((0, 0), line, size=size, prop=font).get_extents().x1 / 72 for line in lines), default=0.0)


def wrap(text, width, size=SMALL):
    """Break a text into lines no wider than `width` inches where its words allow it."""
    lines = []
    for paragraph in str(text).split("\n"):
        line = ""
        for word in paragraph.split():
            longer = f"{line} {word}".strip()
            if line and text_width(longer, size) > width:
                lines.append(line)
                longer = word
            line = longer
        lines.append(line)
    return "\n".join(lines)
