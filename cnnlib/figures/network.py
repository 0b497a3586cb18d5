"""A net drawn from its Keras model in the CBAPD code, and the same in words."""

from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from matplotlib.path import Path

from . import cbapd, netlines
from .netlines import Fork, Line, Repeat
from .style import INK, LINE, MUTED, PANEL, PAPER, SMALL, WIDTH, canvas, styled, text_width, wrap

MARGIN = 0.05
INDENT = 0.42  # of a branch against what stands before it
RETURN = 0.2  # room at the right of a branch, for the edge of its panel and the way out
GAP = 0.1  # between two lines
ROOM = 1.25  # least width of the settings beside the marks; where there is less they stand below


@styled
def network(model, fold=True, legend=True):
    """Draw a net from top to bottom, one line for what follows a convolution (or dense layer) until the next one.

    Every layer has its mark (letter, colour and shape: see `cbapd_legend`). Beside the marks stand their settings,
    at the right the output shape of the line and, below it, its parameters. Branches are indented, each in a panel of
    its own; an arc at their left is a shortcut that changes nothing.

    model: a built Keras model, Sequential, functional or subclassed; nested models are opened. fold: equal lines
    that follow each other are drawn once, with their number; the parameters are those of all of them. legend: write
    below what the marks mean.
    Raises TypeError and ValueError as `cnnlib.summary.summarize` does.
    """
    net = netlines.read(model, fold)
    layout = _Layout(net.items)
    layout.head()
    layout.sequence(net.items, 0, 1)
    layout.foot(net.params)
    if legend:
        kinds = {mark.kind for line, _ in netlines.walk(net.items) for mark in line.marks}
        layout.y = cbapd.legend(layout.plan, kinds, layout.y + 0.06)
    fig, ax = canvas(layout.y + 0.05)
    for draw in layout.plan:
        draw(ax)
    return fig


class _Layout:
    """Places everything from top to bottom; `plan` draws it once the height of the canvas is known."""

    def __init__(self, items):
        """Measure the columns."""
        self.plan, self.y = [], MARGIN
        self.right = WIDTH - MARGIN - RETURN * _depth(items)
        lines = [line for line, _ in netlines.walk(items)]
        numbers = [text for line in lines for text in (line.shape, f"{line.params:,}")]
        self.numbers = max(map(text_width, [*numbers, "parameters"]))
        self.column = max(end for end in _mark_ends(items, 0)) + 0.08
        self.beside = self.right - self.numbers - 0.12 - self.column >= ROOM

    def text(self, x, y, text, **style):
        style = {"size": SMALL, "va": "center_baseline", "linespacing": 1.25, **style}
        self.plan.append(lambda ax: ax.text(x, y, text, **style))

    def way(self, points, colour=MUTED, width=1.4, arrow=False):
        """Draw a line through the points, with a head at its end where asked."""
        xs, ys = zip(*points, strict=True)
        if arrow:
            head = {"arrowstyle": "-|>", "mutation_scale": 8, "shrinkA": 0, "shrinkB": 0}
            self.plan.append(
                lambda ax: ax.add_patch(
                    FancyArrowPatch(points[-2], points[-1], color=colour, linewidth=width, zorder=2, **head)
                )
            )
            xs, ys = xs[:-1], ys[:-1]
        if len(xs) > 1:
            self.plan.append(lambda ax: ax.plot(xs, ys, color=colour, linewidth=width, marker="", zorder=2))

    def panel(self, left, top, right, bottom, depth, face, dashes="solid"):
        def draw(ax):
            box = FancyBboxPatch((left, top), right - left, bottom - top, boxstyle="round,pad=0,rounding_size=0.06")
            box.set(facecolor=face, edgecolor=MUTED, linewidth=1, linestyle=dashes, zorder=depth / 100)
            ax.add_patch(box)

        self.plan.append(draw)

    def head(self):
        for text, colour in (("output shape", INK), ("parameters", MUTED)):
            self.text(self.right, self.y + LINE / 2, text, ha="right", color=colour)
            self.y += LINE
        self.y += 0.06

    def foot(self, params):
        self.way([(MARGIN, self.y), (self.right, self.y)], MUTED, 0.8)
        self.y += 0.06
        text = f"{params:,} parameters in all"
        self.text(self.right, self.y + LINE / 2, text, ha="right", weight="bold")
        self.y += LINE + 0.06

    def sequence(self, items, depth, times, entry=None):
        """Place items one below the other; `entry` is where the way down to the first of them begins.

        Returns (middle of the first line, where the way out begins).
        """
        first, below = None, entry
        for item in items:
            if isinstance(item, Line):
                y = self.line(item, depth, times)
                middle = _spine(depth)
                if below is not None and (item.number is None or item.number - 1 in item.sources):
                    self.way([(middle, below), (middle, y)])
                below = y
            elif isinstance(item, Repeat):
                y, below = self.repeat(item, depth, times, below)
            else:
                y, below = self.fork(item, depth, times, below)
            first = y if first is None else first
        return first, below

    def line(self, line, depth, times):
        """Place one line and return the height of its marks' middle."""
        left = _spine(depth) - cbapd.PITCH / 2
        # Below the marks a text has the whole width; beside them it has its column.
        x = self.column if self.beside else _spine(depth) + 0.1
        room = self.right - x - (self.numbers + 0.12 if self.beside else 0)
        settings = _filled(_settings(line), room)
        lines = len(settings)
        params = line.params * line.times * times
        numbers = [line.shape, f"{params:,}"] if params else [line.shape]
        tall = max(cbapd.SIDE * 1.2, len(numbers) * LINE, lines * LINE if self.beside else 0)
        middle = self.y + tall / 2
        for i, mark in enumerate(_drawn(line)):
            place = left + (i + 0.5) * cbapd.PITCH
            self.plan.append(lambda ax, kind=mark.kind, at=place: cbapd.mark(ax, kind, at, middle))
        for i, text in enumerate(numbers):
            at = middle + (i - (len(numbers) - 1) / 2) * LINE
            self.text(self.right, at, text, ha="right", color=MUTED if i else INK)
        if self.beside:
            self.block(x, middle - lines * LINE / 2, settings)
            self.y += tall + GAP
        else:
            self.block(x, self.y + tall + 0.02, settings)
            self.y += tall + 0.02 + lines * LINE + GAP
        return middle

    def block(self, x, top, lines):
        for i, text in enumerate(lines):
            self.text(x, top + (i + 0.5) * LINE, text)

    def repeat(self, item, depth, times, entry):
        left, top = _spine(depth) - cbapd.PITCH / 2 - 0.11, self.y
        right = self.right + RETURN * _depth(item.items) + 0.03
        self.text(_spine(depth) + cbapd.PITCH / 2, top + 0.05 + LINE / 2, f"{item.times} times:", weight="bold")
        self.y += LINE + 0.12
        first, below = self.sequence(item.items, depth, times * item.times, entry)
        self.panel(left, top, right, self.y - GAP / 2, depth, "none", (0, (4, 2)))
        self.y += GAP
        return first, below

    def fork(self, item, depth, times, entry):
        """Place the branches, and the ways into them and out of them down to the joining line, which comes next."""
        spine, start = _spine(depth), self.y if entry is None else entry
        edge = self.right + RETURN * _depth([item]) - 0.13  # of the panels
        back = edge + 0.08  # where the ways out come down
        ins, outs = [], []
        for branch in (branch for branch in item.branches if branch):
            self.y += 0.06
            begin = self.y - 0.05
            middle, _ = self.sequence(branch, depth + 1, times)
            left = _spine(depth + 1) - cbapd.PITCH / 2 - 0.05
            self.panel(left, begin, edge, self.y - GAP + 0.05, depth, PANEL if depth % 2 == 0 else PAPER)
            ins.append((left, middle))
            outs.append(self.y - GAP - 0.02)
        for left, middle in ins if item.forks else []:
            self.way([(spine, start), (spine, middle), (left, middle)], arrow=True)
        self.y += 0.03
        if item.joins:
            bar = self.y
            self.y += 0.14
            into = (spine + 0.07, self.y + cbapd.SIDE * 0.12)
            for out in outs:
                self.way([(edge, out), (back, out), (back, bar)])
            self.way([(back, bar), (into[0], bar), into], arrow=True)
            if not all(item.branches):
                self.plan.append(lambda ax: _arc(ax, spine - cbapd.SIDE * 0.45, start, into[1]))
        return ins[0][1] if ins else start, None


def _arc(ax, x, top, bottom):
    """Draw a shortcut down the left side, from one line's first mark to another's."""
    bend, out = 0.16, x - 0.13
    ways = [
        (Path.MOVETO, (x, top)),
        (Path.CURVE3, (out, top)),
        (Path.CURVE3, (out, top + bend)),
        (Path.LINETO, (out, bottom - bend)),
        (Path.CURVE3, (out, bottom)),
        (Path.CURVE3, (x, bottom)),
    ]
    codes, corners = zip(*ways, strict=True)
    head = {"arrowstyle": "-|>", "mutation_scale": 11, "shrinkA": 0, "shrinkB": 0}
    ax.add_patch(FancyArrowPatch(path=Path(corners, codes), color=INK, linewidth=2, fill=False, zorder=2, **head))


def _spine(depth):
    """Return where the first mark of a line stands."""
    return MARGIN + 0.1 + cbapd.PITCH / 2 + depth * INDENT


def _drawn(line):
    return [mark for mark in line.marks if mark.kind != "prepare"]


def _mark_ends(items, depth):
    for item in items:
        if isinstance(item, Line):
            yield _spine(depth) + (len(_drawn(item)) - 0.5) * cbapd.PITCH
        elif isinstance(item, Repeat):
            yield from _mark_ends(item.items, depth)
        else:
            for branch in item.branches:
                yield from _mark_ends(branch, depth + 1)


def _depth(items):
    """Return how deep forks are nested."""
    deepest = 0
    for item in items:
        if isinstance(item, Repeat):
            deepest = max(deepest, _depth(item.items))
        elif isinstance(item, Fork):
            deepest = max(deepest, 1 + max(map(_depth, item.branches)))
    return deepest


def _settings(line):
    """Return what stands beside the marks, in parts that are not broken."""
    details = [mark.detail for mark in line.marks if mark.detail]
    if line.number is not None and line.sources and line.sources != (line.number - 1,):
        details.append(f"reads {_list(map(str, line.sources))}")
    text = "; ".join(details).replace(", ", ",\n").replace("; ", ";\n")
    before = f"({line.number}) " if line.number is not None else f"{line.times} times: " if line.times > 1 else ""
    return (before + text).split("\n") if details else []


def _filled(parts, room):
    """Return lines no wider than `room`, each of as many parts as fit; a part that is too wide is broken."""
    lines = []
    for part in parts:
        if lines and text_width(f"{lines[-1]} {part}") <= room:
            lines[-1] += f" {part}"
        else:
            lines += wrap(part, room).split("\n")
    return lines


# --- in words -----------------------------------------------------------------------------------------------


def network_alt(model, fold=True):
    """Return in words what `network(model, fold)` draws, from the same lines: the alt text of that figure.

    Raises TypeError and ValueError as `cnnlib.summary.summarize` does.
    """
    net = netlines.read(model, fold)
    name = f"The network {net.name}" if net.name else "A network"
    return f"{name} from top to bottom, {net.params:,} parameters in all. {_say(net.items, 1)}"


def _say(items, times):
    return " ".join(_say_item(item, times) for item in items)


def _say_item(item, times):
    if isinstance(item, Line):
        return _say_line(item, times)
    if isinstance(item, Repeat):
        return (
            f"{item.times} times: {_say(item.items, times * item.times)} So far what stands there {item.times} times."
        )
    full = [branch for branch in item.branches if branch]
    shortcut = " A shortcut leads past it unchanged." if len(full) == 1 else " A shortcut leads past them unchanged."
    shortcut = shortcut if len(full) < len(item.branches) else ""
    if len(full) == 1:
        return f"A branch: {_say(full[0], times)}{shortcut}"
    said = " ".join(f"Branch {i}: {_say(branch, times)}" for i, branch in enumerate(full, 1))
    begin = "branches read the same." if item.forks else "branches begin the net."
    return f"{len(full)} {begin} {said}{shortcut} {'Here they meet.' if item.joins else 'They do not meet again.'}"


def _say_line(line, times):
    parts = [mark.words for mark in line.marks]
    text = ", then ".join(parts) if len(parts) == 2 else ", ".join(parts)
    text = text[0].upper() + text[1:]
    if line.times > 1:
        text = f"{line.times} times in a row: {text[0].lower()}{text[1:]}"
    if line.number is not None:
        text = f"({line.number}) {text}"
        if line.sources and line.sources != (line.number - 1,):
            text += f", reading {_list(map(str, line.sources))}"
    params = line.params * line.times * times
    shape = line.shape.replace(" × ", " by ") + (
        "" if "×" in line.shape else " number" if line.shape == "1" else " numbers"
    )
    return f"{text}: {shape}{f', {params:,} parameters' if params else ''}."


def _list(words):
    *some, last = words
    return f"{', '.join(some)} and {last}" if some else last
