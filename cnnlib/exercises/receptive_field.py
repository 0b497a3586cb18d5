"""Exercises of the chapter "Receptive field"."""

import numpy as np

from cnnlib import geometry
from cnnlib.exercises._model import Mistake, function_exercise, value_exercise

# --- 1 · predict, then run: the first layers of a large net -------------------------------------------------

STEM = [(7, 2), (3, 2), (5, 2)]  # convolution, pooling, convolution: (kernel_size, strides)


def _walk(layers, read=lambda k: k - 1, early=False):
    """Return the size that comes out where each layer adds read(k) jumps, the jump taken too early if `early`."""
    size, jump = 1, 1
    for k, s in layers:
        size += read(k) * (jump * s if early else jump)
        jump *= s
    return size


stem = value_exercise(
    "receptive-field.stem",
    idea="A layer reaches (K - 1) jumps further, in the jump of its input; then its stride multiplies the jump.",
    hints=(
        "Make a table with a row for each layer: its kernel, its stride, the field and the jump after it.",
        "Begin with a field of 1 and a jump of 1. For each row: first the field, with the jump of the row above, "
        "then the jump.",
        "A pooling reads a window and moves by steps, as a convolution does. It has a row like any other.",
    ),
    truth=lambda: geometry.receptive_field(STEM),
    mistakes=(
        Mistake(
            "jump forgotten",
            "You added every K - 1 as it is: behind a stride, neighbours lie further apart in the picture.",
            lambda: (_walk([(k, 1) for k, _ in STEM]), None),
        ),
        Mistake(
            "jump too early",
            "You multiplied by a layer's own stride before its kernel reached out: the kernel reads the map below, "
            "and that map has the old jump.",
            lambda: (_walk(STEM, early=True), None),
        ),
        Mistake(
            "whole kernels",
            "You added whole kernels: of a window's cells, one is there already, only the others reach further.",
            lambda: (_walk(STEM, read=lambda k: k), None),
        ),
        Mistake(
            "pooling left out",
            "Your net has no pooling: it has no weights, but it has a window and a stride.",
            lambda: geometry.receptive_field([STEM[0], STEM[2]]),
        ),
        Mistake(
            "strides added",
            "The field is right. For the jump you added the strides: one step of the last map is two steps of the map "
            "before it, and each of those is two steps of the one before.",
            lambda: (geometry.receptive_field(STEM)[0], sum(s for _, s in STEM)),
        ),
        Mistake(
            "last stride left out",
            "The field is right. The last stride does not widen it, but it moves the neighbour's field further away.",
            lambda: (geometry.receptive_field(STEM)[0], geometry.receptive_field(STEM[:2])[1]),
        ),
    ),
)

# --- 2 · by hand: two layers of 3x3 on a colour picture -----------------------------------------------------

CHANNELS, FILTERS = 3, 24


def _two(middle, in_channels=CHANNELS):
    """Return the multiply-accumulates of two 3x3 layers for one pixel of the output."""
    return geometry.conv_macs(1, 3, in_channels, middle) + geometry.conv_macs(1, 3, middle, FILTERS)


def _one(in_channels=CHANNELS):
    return geometry.conv_macs(1, 5, in_channels, FILTERS)


MIDDLE = max(middle for middle in range(1, FILTERS) if _two(middle) < _one())

colour = value_exercise(
    "receptive-field.colour",
    idea="Two small kernels are cheaper than a large one where the channels are equal; a wide middle makes them costly.",
    hints=(
        "One output number of a filter costs one product a weight: kernel times kernel times input channels.",
        "The first 3x3 layer reads the three colours. How many channels does the second one read?",
        "For the third number leave the filters in the middle open, write the cost of the two layers with that "
        "letter, and ask when it is less than the cost of the one layer.",
    ),
    truth=lambda: (_two(FILTERS), _one(), MIDDLE),
    mistakes=(
        Mistake(
            "equal channels",
            "You let the first layer read as many channels as it has filters: the picture has three.",
            lambda: (_two(FILTERS, FILTERS), _one(FILTERS), None),
        ),
        Mistake(
            "one colour",
            "Your first layer reads a grey picture: a filter has a kernel for each colour.",
            lambda: (_two(FILTERS, 1), _one(1), None),
        ),
        Mistake(
            "both read the picture",
            "Both of your layers read the picture: the second one reads the maps of the first.",
            lambda: (2 * geometry.conv_macs(1, 3, CHANNELS, FILTERS), None, None),
        ),
        Mistake(
            "one filter",
            "Those are the costs of one kernel in each layer: every filter does this work, in every input channel.",
            lambda: (2 * geometry.conv_macs(1, 3, 1, 1), geometry.conv_macs(1, 5, 1, 1), None),
        ),
        Mistake(
            "biases",
            "You counted the biases: they are added, and only products are counted here.",
            lambda: (_two(FILTERS) + 2 * FILTERS, _one() + FILTERS, None),
        ),
        Mistake(
            "rounded up",
            "The costs are right. Put your number in the middle into the cost of the two layers: is it still less?",
            lambda: (_two(FILTERS), _one(), MIDDLE + 1),
        ),
    ),
)

# --- 3 · write the function: the cells that an output reads -------------------------------------------------


def _cells(layers, index, step=None):
    """Return the input positions under output `index`; `step` replaces one layer's rule (i, k, s, d) -> positions."""
    step = step or (lambda i, k, s, d: [i * s + d * tap for tap in range(k)])
    positions = {index}
    for k, s, d in reversed(layers):
        positions = {p for i in positions for p in step(i, k, s, d)}
    return np.array(sorted(positions))


def _with_repeats(layers, index):
    positions = [index]
    for k, s, d in reversed(layers):
        positions = [i * s + d * tap for i in positions for tap in range(k)]
    return np.array(sorted(positions))


def _whole(layers, index):
    cells = _cells(layers, index)
    return np.arange(cells[0], cells[-1] + 1)


def _cells_cases(rng):
    fixed = [
        ([(3, 1, 1), (3, 1, 1)], 0),
        ([(3, 2, 1), (2, 2, 1), (4, 1, 1)], 3),
        ([(3, 1, 2), (3, 1, 2)], 1),
        ([(1, 3, 1), (3, 1, 1)], 2),
        ([(2, 1, 5)], 4),
    ]
    draw = [[(int(k), int(s), int(d) if s == 1 else 1) for k, s, d in rng.integers(1, 4, (3, 3))] for _ in range(3)]
    return [{"layers": layers, "index": index} for layers, index in [*fixed, *((stack, 2) for stack in draw)]]


cells = function_exercise(
    "receptive-field.cells",
    idea="Go from the output to the input: each layer turns a place into the places that its window reads there.",
    hints=(
        "One layer first: which cells does output number 4 of a kernel of 3 with stride 2 read? And with dilation 2?",
        "Keep a set of places. Begin with the one output, and let each layer turn every place into its window's cells.",
        "You stand at the end of the stack: which layer comes first on the way down? And a set forgets doubles: "
        "sort it at the end.",
    ),
    truth=_cells,
    cases=_cells_cases,
    mistakes=(
        Mistake(
            "whole field",
            "You return every cell from the first to the last: dilation and stride can leave holes that nobody reads.",
            _whole,
        ),
        Mistake(
            "first layer first",
            "You began with the first layer: its outputs are not where you stand. Begin with the last one.",
            lambda layers, index: _cells(layers[::-1], index),
        ),
        Mistake(
            "stride left out",
            "Your windows move one cell for each output: how far apart do two windows begin with a stride of 2?",
            lambda layers, index: _cells(layers, index, lambda i, k, s, d: [i + d * tap for tap in range(k)]),
        ),
        Mistake(
            "dilation left out",
            "Your windows have no gaps: with dilation, a kernel's cells lie d apart.",
            lambda layers, index: _cells(layers, index, lambda i, k, s, d: [i * s + tap for tap in range(k)]),
        ),
        Mistake(
            "index left out",
            "You always look at the first output: begin at the one that is asked for.",
            lambda layers, index: _cells(layers, 0),
        ),
        Mistake(
            "repeats",
            "The cells are right, but some stand there several times: each once, please, in order.",
            _with_repeats,
        ),
    ),
)

# --- 4 · find the bug: first and last cell of a field -------------------------------------------------------


def _span(layers, index, early=False, padding="in jumps", step=True, extra=0):
    """Return the first and last position that output `index` sees; the settings are the ways to get it wrong."""
    size, jump, start = 1, 1, 0
    for k, s, p in layers:
        used = jump * s if early else jump
        size += (k - 1) * used
        start -= p * {"in jumps": used, "in pixels": 1, "none": 0}[padding]
        jump *= s
    first = start + index * (jump if step else 1)
    return first, first + size - 1 + extra


def _truth(layers, index):
    stack = [(k, s, 1, p) for k, s, p in layers]
    size, jump = geometry.receptive_field(stack)
    first = geometry.receptive_field_start(stack) + index * jump
    return first, first + size - 1


def _span_cases(rng):
    fixed = [
        ([(3, 1, 1), (3, 2, 1), (3, 1, 1)], 2),
        ([(5, 2, 0), (2, 2, 0), (3, 1, 0)], 0),
        ([(7, 2, 3), (3, 2, 1), (3, 1, 1)], 5),
        ([(1, 4, 0)], 3),
    ]
    draw = [[(int(k), int(s), int(p)) for k, s, p in rng.integers(1, 4, (4, 3))] for _ in range(3)]
    return [{"layers": layers, "index": index} for layers, index in [*fixed, *((stack, 4) for stack in draw)]]


find_the_bug = function_exercise(
    "receptive-field.find-the-bug",
    idea="Everything a layer does is measured in the jump of its input, and outputs lie one whole jump apart.",
    hints=(
        "Try one layer on paper: a kernel of 3 with stride 2 and one cell of padding. What do outputs 0 and 1 see?",
        "Look at the field's size first, then at where it begins. Which jump does a layer reach out with: that "
        "of the map it reads, or that of the map it makes?",
        "How far does the field move from one output to the next?",
    ),
    truth=_truth,
    cases=_span_cases,
    mistakes=(
        Mistake(
            "as given",
            "This still has both bugs: one in the order of the lines, one in what is returned.",
            lambda layers, index: _span(layers, index, early=True, step=False),
        ),
        Mistake(
            "step of one",
            "Sizes are right now. But the next output's field does not begin one cell further on.",
            lambda layers, index: _span(layers, index, step=False),
        ),
        Mistake(
            "jump too early",
            "The step between outputs is right now. But a layer's own stride comes after its kernel has reached out.",
            lambda layers, index: _span(layers, index, early=True),
        ),
        Mistake(
            "one cell too many",
            "The first cell is right, the last one is one too far: how many cells lie from first to last, both counted?",
            lambda layers, index: _span(layers, index, extra=1),
        ),
        Mistake(
            "padding unscaled",
            "Your padding is always counted in pixels: a cell put around a later map is as wide as that map's jump.",
            lambda layers, index: _span(layers, index, padding="in pixels"),
        ),
        Mistake(
            "no padding",
            "Your fields begin as if nothing were put around the maps.",
            lambda layers, index: _span(layers, index, padding="none"),
        ),
    ),
)

EXERCISES = (stem, colour, cells, find_the_bug)
