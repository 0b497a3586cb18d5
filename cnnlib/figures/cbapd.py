"""The CBAPD code: a letter, a colour and a shape for every kind of layer, the same in all figures of the course.

Letter and shape alone tell the kinds apart, so that the code survives greyscale, any colour vision and a dark page.
"""

from matplotlib.patches import Circle, FancyBboxPatch, Polygon, Rectangle

from .style import BLUE, GREEN, INK, MUTED, ORANGE, PANEL, PAPER, PURPLE, SMALL, WIDTH, canvas, styled, text_width

SIDE = 0.27  # of a mark, in inches; triangle and diamond are a little wider
PITCH = 0.34  # from one mark to the next

# What the legend says. The order is the legend's.
NAMES = {
    "input": "input",
    "C": "convolution",
    "B": "batch normalisation",
    "A": "activation",
    "P": "pooling",
    "D": "dropout",
    "flatten": "flatten",
    "G": "global pooling",
    "F": "dense (fully connected)",
    "+": "add",
    "‖": "concatenate",
    "other": "other layer",
}


def mark(ax, kind, x, y):
    """Draw the mark of a kind of layer around (x, y) on a canvas whose y grows downward."""
    s = SIDE
    if kind == "input":
        for dx in (-0.5, 0):
            for dy in (-0.5, 0):
                cell = {"facecolor": PANEL if dx == dy else PAPER, "edgecolor": INK, "linewidth": 1}
                ax.add_patch(Rectangle((x + dx * s, y + dy * s), s / 2, s / 2, zorder=3, **cell))
        return
    if kind == "flatten":
        ax.add_patch(Rectangle((x - 0.6 * s, y - 0.14 * s), 1.2 * s, 0.28 * s, facecolor=INK, linewidth=0, zorder=3))
        return
    solid = {"linewidth": 0, "zorder": 3}
    hollow = {"facecolor": PAPER, "edgecolor": INK, "linewidth": 1.5, "zorder": 3}
    low = 0.0  # how far the letter stands below the middle
    if kind == "C":
        shape = Rectangle((x - s / 2, y - s / 2), s, s, facecolor=BLUE, **solid)
    elif kind == "B":
        shape = Circle((x, y), 0.56 * s, facecolor=ORANGE, **solid)
    elif kind == "A":
        shape = Polygon([(x, y - 0.62 * s), (x + 0.62 * s, y + 0.5 * s), (x - 0.62 * s, y + 0.5 * s)], facecolor=GREEN)
        shape.set(**solid)
        low = 0.13 * s
    elif kind == "P":
        top, foot = 0.6 * s, 0.3 * s
        corners = [(x - top, y - s / 2), (x + top, y - s / 2), (x + foot, y + s / 2), (x - foot, y + s / 2)]
        shape = Polygon(corners, facecolor=PURPLE, **solid)
    elif kind == "D":  # some of its outline is missing, as some of its numbers are
        corners = [(x, y - 0.62 * s), (x + 0.62 * s, y), (x, y + 0.62 * s), (x - 0.62 * s, y)]
        shape = Polygon(corners, linestyle=(0, (2, 1)), **hollow)
    elif kind == "G":
        corners = [(x - 0.62 * s, y - 0.5 * s), (x + 0.62 * s, y - 0.5 * s), (x, y + 0.62 * s)]
        shape = Polygon(corners, **{**hollow, "edgecolor": PURPLE})
        low = -0.13 * s
    elif kind == "F":
        shape = FancyBboxPatch((x - 0.55 * s, y - 0.4 * s), 1.1 * s, 0.8 * s, boxstyle="round,pad=0,rounding_size=0.1")
        shape.set(**{**hollow, "facecolor": PANEL})
    elif kind == "+":
        shape = Circle((x, y), s / 2, **hollow)
    else:
        shape = Rectangle((x - s / 2, y - s / 2), s, s, **hollow)
        if kind == "other":
            shape.set(edgecolor=MUTED)
    ax.add_patch(shape)
    letter = {"other": "…"}.get(kind, kind)
    colour = PAPER if kind in "CBAP" else INK
    ax.text(x, y + low, letter, color=colour, size=SMALL, weight="bold", ha="center", va="center_baseline", zorder=4)


def legend(plan, kinds, top):
    """Write the marks of some kinds with their names, as many in a row as fit; return where they end.

    plan: a list that takes functions of the axes, to be called once the canvas is there. top: in inches.
    """
    x, y = 0.05, top + SIDE * 0.75
    for kind in (kind for kind in NAMES if kind in kinds):
        width = PITCH + 0.05 + text_width(NAMES[kind])
        if x > 0.05 and x + width > WIDTH - 0.05:
            x, y = 0.05, y + SIDE * 1.45
        plan.append(lambda ax, kind=kind, x=x, y=y: mark(ax, kind, x + PITCH / 2, y))
        name = {"size": SMALL, "va": "center_baseline", "s": NAMES[kind]}
        plan.append(lambda ax, name=name, x=x, y=y: ax.text(x + PITCH + 0.05, y, **name))
        x += width + 0.2
    return y + SIDE * 0.75


@styled
def cbapd_legend(kinds="CBAPD"):
    """Draw the code alone: each mark with the name of its kind.

    kinds: letters, or a list of names, of "input", "C", "B", "A", "P", "D", "flatten", "G" (global pooling),
    "F" (dense), "+" (add), "‖" (concatenate) and "other". Raises ValueError for others and for none.
    """
    unknown = [kind for kind in kinds if kind not in NAMES]
    if unknown or not kinds:
        raise ValueError(f"kinds must be one or more of {', '.join(NAMES)}, got {kinds!r}")
    plan = []
    bottom = legend(plan, list(kinds), 0.02)
    fig, ax = canvas(bottom + 0.04)
    for draw in plan:
        draw(ax)
    return fig
