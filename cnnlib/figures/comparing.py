"""Several nets in one figure: a panel each, and accuracy against cost."""

from matplotlib.ticker import EngFormatter, LogLocator, MaxNLocator, NullLocator

from .check import numbers
from .style import BLUE, DASHED, GRID, INK, ORANGE, SMALL, TEXT, styled, subplots, text_width

PANEL_HEIGHT = 1.55  # inches
COLUMNS = 2
DASHES = ("-", DASHED)


@styled
def small_multiples(histories, over=None, metric="accuracy"):
    """Draw a panel a net: training solid, validation dashed, the other nets' validation as thin lines behind.

    histories: {name: Keras history, {metric: [...], "val_" + metric: [...]}}, of one net at least; an empty history leaves the
    panel to what is laid over it. over: {name of a panel: [history, ...]}, drawn in front in orange with squares.
    NaN and infinity are gaps.
    """
    over = over or {}
    if not isinstance(histories, dict) or not histories:
        raise ValueError(f"histories must be a dict with one net at least, got {histories!r:.60}")
    unknown = sorted(set(over) - set(histories))
    if unknown:
        raise ValueError(
            f"over names panels that are not there: {', '.join(unknown)}; there are {', '.join(histories)}"
        )
    lines = {name: _lines(name, history, metric) for name, history in histories.items()}
    rows = -(-len(histories) // COLUMNS)
    fig, axes = subplots(
        rows,
        COLUMNS,
        height=PANEL_HEIGHT * rows + 0.6,
        sharex=True,
        sharey=True,
        squeeze=False,
        gridspec_kw={"hspace": 0.08},
    )
    for ax in axes.flat[len(histories) :]:
        ax.remove()
    for ax, (name, own) in zip(axes.flat, lines.items(), strict=False):
        for other, theirs in lines.items():
            if other != name and len(theirs) > 1:
                ax.plot(_epochs(theirs[1]), theirs[1], color=GRID, linewidth=1.2, marker="")
        for values, dashes in zip(own, DASHES, strict=False):
            _front(ax, values, BLUE, "o", dashes)
        for i, history in enumerate(over.get(name, []), 1):
            for values, dashes in zip(_lines(f"over[{name!r}]", history, metric, i), DASHES, strict=False):
                _front(ax, values, ORANGE, "s", dashes)
        ax.set_title(name, size=TEXT, loc="left")
        ax.grid(axis="y", linewidth=0.6, linestyle=":")
        ax.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10], min_n_ticks=1, nbins=5))
    for ax in axes[:, 0]:
        ax.set_ylabel(metric)
    for column in range(COLUMNS):
        lowest = [ax for ax in axes[:, column] if ax.figure is not None]
        if lowest:
            lowest[-1].set_xlabel("epoch")
            lowest[-1].tick_params(labelbottom=True)
    more = "; orange: laid over" if over else ""
    fig.suptitle(f"solid: training, dashed: validation{more}", size=SMALL, x=0.02, ha="left")
    return fig


@styled
def scatter(points, xlabel, ylabel, marked=()):
    """Draw a point a name, with a bar from its lowest to its highest value; the x axis is logarithmic.

    points: {name: (x above 0, [y, ...])}: the point lies at the mean of y. marked: names drawn as orange diamonds.
    """
    if not isinstance(points, dict) or not points:
        raise ValueError(f"points must be a dict with one point at least, got {points!r:.60}")
    unknown = sorted(set(marked) - set(points))
    if unknown:
        raise ValueError(f"marked names points that are not there: {', '.join(unknown)}")
    places = {}
    for name, (x, values) in points.items():
        x = float(numbers(f"points[{name!r}], x", x, {0}, "a number"))
        if x <= 0:
            raise ValueError(f"points[{name!r}]: x must be above 0 on a logarithmic axis, got {x:g}")
        places[name] = x, numbers(f"points[{name!r}], y", values, {1}, "a list of numbers")
    fig, ax = subplots(height=3.6)
    for name, (x, values) in places.items():
        colour, marker = (ORANGE, "D") if name in marked else (BLUE, "o")
        ax.plot([x, x], [values.min(), values.max()], color=colour, linewidth=3, marker="", alpha=0.5)
        ax.plot([x], [values.mean()], color=colour, marker=marker, markersize=8)
    ax.set_xscale("log")
    ax.margins(x=0.12, y=0.12)
    ax.xaxis.set_major_locator(LogLocator(base=10, numticks=12))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter(EngFormatter(sep=" "))
    ax.grid(linewidth=0.6)
    ax.set_xlabel(f"{xlabel} (log scale)")
    ax.set_ylabel(ylabel)
    _name_points(fig, ax, places, marked)
    return fig


def _lines(name, history, metric, *where):
    """Return the training and, where there is one, the validation values; none of an empty history."""
    history = getattr(history, "history", history)
    if not history:
        return []
    if metric not in history:
        raise ValueError(f"{name} has no {metric!r}, only {', '.join(sorted(history))}")
    keys = [key for key in (metric, f"val_{metric}") if key in history]
    return [numbers(f"{name}[{key!r}]", history[key], {1}, "one number an epoch", gaps=True) for key in keys]


def _epochs(values):
    return range(1, len(values) + 1)


def _front(ax, values, colour, marker, dashes):
    every = max(1, len(values) // 6)
    ax.update_datalim([(len(values), 0)], updatey=False)  # the axis reaches over gaps too
    ax.plot(_epochs(values), values, color=colour, marker=marker, markersize=4, linestyle=dashes, markevery=every)


def _name_points(fig, ax, places, marked):
    """Write each name beside its point: right, left, above or below, where it meets no point, name or edge."""
    fig.draw_without_rendering()  # now the axes have their place
    to_inches = ax.transData.transform
    dpi = fig.dpi
    box = ax.get_window_extent()
    left, bottom, right, top = (edge / dpi for edge in (box.x0, box.y0, box.x1, box.y1))
    height, gap = SMALL * 1.2 / 72, 0.1
    centres = {name: to_inches((x, values.mean())) / dpi for name, (x, values) in places.items()}
    taken = [(x - 0.07, y - 0.07, x + 0.07, y + 0.07) for x, y in centres.values()]
    for name, (x, y) in centres.items():
        width = text_width(name)
        aside, up = x + gap, 0.8 * height
        choices = [  # (left edge, bottom edge), the best one first
            (aside, y - height / 2),
            (x - gap - width, y - height / 2),
            (aside, y - height / 2 + up),
            (aside, y - height / 2 - up),
            (x - gap - width, y - height / 2 + up),
            (x - gap - width, y - height / 2 - up),
            (x - width / 2, y + gap),
            (x - width / 2, y - gap - height),
        ]

        def cost(corner, width=width):
            x0, y0 = corner
            x1, y1 = x0 + width, y0 + height
            over = sum(max(0, min(x1, c) - max(x0, a)) * max(0, min(y1, d) - max(y0, b)) for a, b, c, d in taken)
            out = max(0, left - x0) + max(0, x1 - right) + max(0, bottom - y0) + max(0, y1 - top)
            return over + out

        corner = min(choices, key=cost)
        taken.append((*corner, corner[0] + width, corner[1] + height))
        ax.annotate(
            name,
            (places[name][0], places[name][1].mean()),
            (72 * (corner[0] - x), 72 * (corner[1] - y)),
            textcoords="offset points",
            va="bottom",
            size=SMALL,
            color=ORANGE if name in marked else INK,
        )
