"""A Keras model read as lines: what follows a convolution until the next one, with forks and repeats.

`read(model)` returns the lines that `network` draws and `network_alt` says. It knows nothing of drawing.
"""

import functools
from typing import NamedTuple

from cnnlib.graph import graph_of, inner_graph, nodes
from cnnlib.summary import summarize

LONGEST = 6  # marks in one line
_STARTS = {"input", "C", "F", "flatten", "G", "+", "‖", "other"}  # kinds that begin a line
_ACTIVATIONS = {"relu": "ReLU", "relu6": "ReLU6", "leaky_relu": "leaky ReLU", "elu": "ELU", "gelu": "GELU"}


class Mark(NamedTuple):
    """One layer: its kind (a key of cbapd.NAMES), its settings as the figure writes them and as one says them."""

    kind: str
    detail: str
    words: str


class Line(NamedTuple):
    """Layers that stand in one line, the shape behind the last of them, their parameters; `times` in a row.

    `number` and `sources` are set only in nets that are no nest of forks: this line's number, and those of the
    lines that it reads.
    """

    marks: tuple
    shape: str
    params: int
    times: int = 1
    number: int | None = None
    sources: tuple = ()


class Fork(NamedTuple):
    """Branches that read the same; an empty one is a shortcut that changes nothing.

    forks: they come from one place (else each begins with an input of the net). joins: they meet in the next line.
    """

    branches: tuple
    forks: bool = True
    joins: bool = True


class Repeat(NamedTuple):
    """A few lines, `times` in a row."""

    items: tuple
    times: int


class Net(NamedTuple):
    """A whole net: its name, its items (Line, Fork, Repeat), all its parameters."""

    name: str
    items: tuple
    params: int


def read(model, fold=True):
    """Return the `Net` of a built Keras model; with `fold`, equal neighbours become one with `times`.

    Raises TypeError and ValueError as `cnnlib.summary.summarize` does.
    """
    table = summarize(model)
    steps, outputs = _steps(model, {row.name: row for row in table})
    try:
        items = _nest(steps, outputs)
    except _Tangled:
        items = _numbered(steps)
    return Net(table.name, _fold(items) if fold else items, table.params)


def walk(items):
    """Yield every line, at any depth, with the number of times that it occurs in the net."""
    for item in items:
        if isinstance(item, Line):
            yield item, item.times
        elif isinstance(item, Repeat):
            yield from ((line, times * item.times) for line, times in walk(item.items))
        else:
            for branch in item.branches:
                yield from walk(branch)


# --- the graph ----------------------------------------------------------------------------------------------


class _Step(NamedTuple):
    """One use of a layer; `sources` are places in the list of steps."""

    marks: tuple
    shape: str
    params: int
    sources: tuple


class _Tangled(Exception):
    """The graph is no nest of forks and joins."""


def _steps(model, rows):
    """Return ([_Step, ...] in an order in which sources come first, places of the model's outputs)."""
    steps, counted = [], set()

    def add(layer, name, shape, sources):
        row = rows.get(name)
        params = 0 if row is None or name in counted else row.params
        counted.add(name)
        text = " × ".join("?" if side is None else f"{side:,}" for side in shape[1:])
        steps.append(_Step(_marks(layer, len(sources)), text, params, tuple(sources)))
        return len(steps) - 1

    def follow(graph, sources, prefix):
        known = {id(x): source for x, source in zip(graph[0], sources, strict=True)}
        for node in nodes(*graph):
            if all(id(x) in known for x in node.output_tensors):
                continue  # where the graph begins
            layer, taken = node.operation, [known[id(x)] for x in node.input_tensors]
            inside = inner_graph(layer, node)
            if inside:
                given = follow(inside, taken, f"{prefix}{layer.name}/")
            else:
                shape = tuple(node.output_tensors[0].shape)
                given = [add(layer, prefix + layer.name, shape, taken)] * len(node.output_tensors)
            known.update((id(x), place) for x, place in zip(node.output_tensors, given, strict=True))
        return [known[id(x)] for x in graph[1]]

    graph = graph_of(model)
    starts = [add(None, x.name, tuple(x.shape), ()) for x in graph[0]]
    return steps, follow(graph, starts, "")


def _nest(steps, outputs):
    """Return the items of a graph that is a nest of forks and joins. Raises _Tangled for others."""
    end = len(steps)
    readers = [[] for _ in steps]
    for place, step in enumerate(steps):
        for source in step.sources:
            readers[source].append(place)
    for place, its in enumerate(readers):
        if place in outputs or not its:
            its.append(end)

    # Where all ways from a step meet again: its nearest common successor (Cooper, Harvey and Kennedy,
    # "A simple, fast dominance algorithm", 2001, on the graph turned round).
    meets = [end] * (end + 1)

    def common(one, other):
        while one != other:
            one, other = (meets[one], other) if one < other else (one, meets[other])
        return one

    for place in reversed(range(end)):
        meets[place] = functools.reduce(common, readers[place])
    seen = set()

    def sequence(place, stop):
        found = []
        while place != stop:
            if place in seen:
                raise _Tangled
            seen.add(place)
            found.append(steps[place])
            if len(readers[place]) == 1:
                place = readers[place][0]
            else:
                meeting = meets[place]
                branches = tuple(sequence(reader, meeting) for reader in readers[place])
                found.append(Fork(branches, joins=meeting != end))
                place = meeting
        return _lines(found)

    starts = [place for place, step in enumerate(steps) if not step.sources]
    if len(starts) == 1:
        return sequence(0, end)
    meeting = functools.reduce(common, starts)
    first = Fork(tuple(sequence(start, meeting) for start in starts), forks=False, joins=meeting != end)
    return (first, *sequence(meeting, end))


def _lines(found):
    """Put steps that belong together into one line; forks stay."""
    items, open_line = [], None
    for step in found:
        if isinstance(step, Fork):
            items.append(step)
            open_line = None
        elif open_line is not None and _goes_on(open_line, step):
            open_line = Line(open_line.marks + step.marks, step.shape, open_line.params + step.params)
            items[-1] = open_line
        else:
            open_line = Line(step.marks, step.shape, step.params)
            items.append(open_line)
    return tuple(items)


def _goes_on(line, step):
    if step.marks[0].kind == "prepare":
        return line.marks[0].kind == "input"
    short = len(line.marks) + len(step.marks) <= LONGEST
    return short and step.marks[0].kind not in _STARTS and line.marks[0].kind != "input"


def _numbered(steps):
    """Return numbered lines that name what they read: for a graph in which branches cross."""
    readers = [sum(place in step.sources for step in steps) for place in range(len(steps))]
    lines, line_of = [], {}
    for place, step in enumerate(steps):
        chained = place and step.sources == (place - 1,) and readers[place - 1] == 1
        if chained and _goes_on(lines[-1], step):
            last = lines[-1]
            lines[-1] = last._replace(marks=last.marks + step.marks, shape=step.shape, params=last.params + step.params)
        else:
            sources = tuple(sorted({line_of[source] for source in step.sources}))
            lines.append(Line(step.marks, step.shape, step.params, number=len(lines) + 1, sources=sources))
        line_of[place] = len(lines)
    return tuple(lines)


def _fold(items):
    """Join equal neighbours, one line or several; what has a number stays alone."""
    items = [
        item._replace(branches=tuple(map(_fold, item.branches))) if isinstance(item, Fork) else item for item in items
    ]
    folded, i = [], 0
    while i < len(items):
        best, times = 1, 1
        for size in range(1, (len(items) - i) // 2 + 1):
            count = 1
            while items[i + count * size : i + (count + 1) * size] == items[i : i + size]:
                count += 1
            if count > 1 and count * size > best * times:
                best, times = size, count
        part = items[i : i + best]
        if times == 1:
            folded += part
        elif best == 1 and isinstance(part[0], Line):
            folded.append(part[0]._replace(times=times))
        else:
            folded.append(Repeat(tuple(part), times))
        i += best * times
    return tuple(folded)


# --- layers in words ----------------------------------------------------------------------------------------


def _marks(layer, sources):
    """Return the marks of a layer: two where its activation is built in. None is the net's input."""
    import keras

    if layer is None:
        return (Mark("input", "input", "input"),)
    kind = type(layer).__name__
    if not isinstance(layer, keras.layers.Layer):
        return (_op_mark(kind, sources),)
    mark = _mark(layer, kind)
    activation = getattr(layer, "activation", None)
    if mark.kind in ("C", "F") and activation not in (None, keras.activations.linear):
        return (mark, _activation(activation))
    return (mark,)


def _mark(layer, kind):
    if "Conv" in kind and hasattr(layer, "kernel_size"):
        return _convolution(layer, kind)
    if kind == "BatchNormalization":
        return Mark("B", "", "batch normalisation")
    if kind in ("Activation", "ReLU", "LeakyReLU", "PReLU", "ELU", "Softmax"):
        return _activation(layer.activation) if kind == "Activation" else _named_activation(kind)
    if kind.startswith("Global"):
        how = "max" if "Max" in kind else "average"
        return Mark("G", f"global {how}", f"global {how} pooling")
    if "Pooling" in kind and hasattr(layer, "pool_size"):
        return _pooling(layer, kind)
    if "Dropout" in kind and hasattr(layer, "rate"):
        maps = "of whole maps" if kind.startswith("Spatial") else ""
        share = f"{100 * layer.rate:.3g} %"
        return Mark("D", f"drop {'maps ' if maps else ''}{share}", f"dropout {maps} {share}".replace("  ", " "))
    if kind == "Dense":
        bias = "" if layer.use_bias else ", no bias"
        units = "1 unit" if layer.units == 1 else f"{layer.units:,} units"
        return Mark("F", units + bias, f"dense layer of {units}{bias}")
    if kind == "Flatten":
        return Mark("flatten", "flatten", "flatten")
    if kind == "Add":
        return Mark("+", "add", "added")
    if kind == "Concatenate":
        return Mark("‖", "concatenate", "concatenated")
    if kind == "Rescaling":
        return Mark("prepare", "rescaled", "rescaled")
    if kind == "Normalization" or kind.startswith("Random"):
        return Mark("prepare", kind, kind)
    return Mark("other", kind, kind)


def _op_mark(kind, sources):
    """Return the mark of one of keras.ops, by the class that Keras gives it."""
    if sources > 1:
        joins = {"Add": Mark("+", "add", "added"), "Concatenate": Mark("‖", "concatenate", "concatenated")}
        return joins.get(kind, Mark("other", kind, kind))
    if kind in ("Relu", "Relu6", "LeakyRelu", "Elu", "Gelu", "Silu", "Sigmoid", "Tanh", "Softmax"):
        return _named_activation(kind.replace("Relu", "ReLU").replace("elu", "ELU"))
    return Mark("other", kind, kind)


def _activation(activation):
    name = getattr(activation, "__name__", type(activation).__name__)
    return _named_activation(_ACTIVATIONS.get(name, name.replace("_", " ")))


def _named_activation(name):
    name = "leaky ReLU" if name == "LeakyReLU" else name
    return Mark("A", name if "LU" in name else name.lower(), f"activation {name if 'LU' in name else name.lower()}")


def _convolution(layer, kind):
    sort = {"Dep": "depthwise", "Sep": "separable"}.get(kind[:3], "transposed" if "Transpose" in kind else "")
    size = _sides(layer.kernel_size)
    filters = getattr(layer, "filters", None)
    more = [layer.padding]
    if set(layer.strides) != {1}:
        more.append(f"stride {_sides(layer.strides, short=True)}")
    if set(layer.dilation_rate) != {1}:
        more.append(f"dilation {_sides(layer.dilation_rate, short=True)}")
    if getattr(layer, "groups", 1) > 1:
        more.append(f"{layer.groups} groups")
    if not layer.use_bias:
        more.append("no bias")
    settings = ", ".join(more)
    what = f"{sort} convolution".strip()
    if filters is None:
        return Mark("C", f"{sort} {size}, {settings}", f"{what} of {_said(size)}, {settings}")
    counted = "1 filter" if filters == 1 else f"{filters:,} filters"
    drawn = f"{sort} {filters:,} @ {size}, {settings}".strip()
    return Mark("C", drawn, f"{what} with {counted} of {_said(size)}, {settings}")


def _pooling(layer, kind):
    how, size = "max" if kind.startswith("Max") else "average", _sides(layer.pool_size)
    more = "" if layer.strides == layer.pool_size else f", stride {_sides(layer.strides, short=True)}"
    more += ", same" if layer.padding == "same" else ""
    return Mark("P", f"{how} {size}{more}", f"{how} pooling {_said(size)}{more}")


def _sides(sides, short=False):
    if short and len(set(sides)) == 1:
        return str(sides[0])
    return " × ".join(map(str, sides))


def _said(sides):
    return sides.replace(" × ", " by ")
