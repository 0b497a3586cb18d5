"""Exercises of the chapter "The conv layer in Keras"."""

import math

import numpy as np

from cnnlib import geometry
from cnnlib.exercises._model import Mistake, function_exercise, value_exercise

BYTES = 4  # of a float32


def _facts(shape, filters, kernel_size, strides=1, padding="valid", use_bias=True):
    """Return (height, width, channels, parameters) of a Conv2D on an input (height, width, channels)."""
    axes = zip(shape[:2], _pair(kernel_size), _pair(strides), strict=True)
    sides = [geometry.output_size(n, k, s, padding) for n, k, s in axes]
    return *sides, filters, geometry.conv_params(_pair(kernel_size), shape[2], filters, use_bias)


def _pair(value):
    return value if isinstance(value, tuple) else (value, value)


# --- 1 · predict, then run: a rectangle with two strides ----------------------------------------------------

SHAPE, FILTERS, KERNEL, STRIDES = (33, 50, 4), 11, (3, 5), (2, 1)

predict = value_exercise(
    "keras-conv-layer.predict",
    idea="Strides and padding set height and width, filters set the channels, and the parameters know neither.",
    hints=(
        "Every pair is (rows, columns): work out the height with the first numbers, the width with the second.",
        "With padding the side is the input's, divided by the stride and rounded up.",
        "A filter is as deep as its input and has one bias. How many weights lie in one window?",
    ),
    truth=lambda: _facts(SHAPE, FILTERS, KERNEL, STRIDES, "same"),
    mistakes=(
        Mistake(
            "no padding",
            'Your height and width are those without padding: the layer says "same".',
            lambda: (*_facts(SHAPE, FILTERS, KERNEL, STRIDES)[:2], None, None),
        ),
        Mistake(
            "strides forgotten",
            'Your map is as large as the picture: "same" keeps the size where the stride is one, and only there.',
            lambda: (*SHAPE[:2], None, None),
        ),
        Mistake(
            "axes swapped",
            "You halved the wrong side: the first number of a pair is for the rows, the second for the columns.",
            lambda: (*_facts(SHAPE, FILTERS, KERNEL[::-1], STRIDES[::-1], "same")[:2], None, None),
        ),
        Mistake(
            "rounded down",
            'Your height is one short: with "same" the window also stands on the last row, so round up.',
            lambda: (SHAPE[0] // STRIDES[0], None, None, None),
        ),
        Mistake(
            "channels multiplied",
            "Your output has a map for every filter and every input channel: a filter adds its channels up.",
            lambda: (None, None, FILTERS * SHAPE[2], None),
        ),
        Mistake(
            "flat filter",
            "Your filters read a single channel: each is as deep as its input.",
            lambda: (None, None, None, _facts((*SHAPE[:2], 1), FILTERS, KERNEL)[3]),
        ),
        Mistake(
            "no bias",
            "The weights are right, but by default each filter has a bias too.",
            lambda: (None, None, None, _facts(SHAPE, FILTERS, KERNEL, use_bias=False)[3]),
        ),
    ),
)

# --- 2 · by hand: parameters, work and memory of one layer --------------------------------------------------

COUNT_SHAPE, COUNT_FILTERS, COUNT_KERNEL, COUNT_STRIDES = (31, 22, 3), 8, 5, 2


def _count(strides=COUNT_STRIDES, channels=COUNT_SHAPE[2], use_bias=True):
    """Return (parameters, multiply-accumulates, bytes of the output)."""
    shape = (*COUNT_SHAPE[:2], channels)
    *sides, filters, params = _facts(shape, COUNT_FILTERS, COUNT_KERNEL, strides, use_bias=use_bias)
    macs = geometry.conv_macs(tuple(sides), COUNT_KERNEL, channels, filters)
    return params, macs, math.prod(sides) * filters * BYTES


count = value_exercise(
    "keras-conv-layer.count",
    idea="Parameters are counted once, multiplications at every place of the window, memory for every output number.",
    hints=(
        "First the output: how many places has the window, downward and across?",
        "The weights once more at each place: that is the work. The biases are added, not multiplied.",
        "The memory is that of the output's numbers: places times filters, and each number takes its bytes.",
    ),
    truth=_count,
    mistakes=(
        Mistake(
            "flat filter",
            "Your filters read one colour: a filter is as deep as its input.",
            lambda: (_count(channels=1)[0], None, None),
        ),
        Mistake(
            "no bias",
            "The weights are right, but each filter has a bias too, and a bias is a parameter.",
            lambda: (_count(use_bias=False)[0], None, None),
        ),
        Mistake(
            "strides forgotten",
            "You let the window stop at every pixel: with these strides it leaves out every second place.",
            lambda: (None, _count(strides=1)[1], None),
        ),
        Mistake(
            "biases multiplied",
            "You counted the biases as multiplications: they are added to sums that are already there.",
            lambda: (None, _count()[0] * _count()[2] // COUNT_FILTERS // BYTES, None),
        ),
        Mistake(
            "one filter",
            "Your work is that of a single filter: each filter goes over the picture.",
            lambda: (None, _count()[1] // COUNT_FILTERS, None),
        ),
        Mistake(
            "numbers, not bytes",
            "That is how many numbers the output has: each of them takes several bytes in float32.",
            lambda: (None, None, _count()[2] // BYTES),
        ),
        Mistake(
            "bits",
            "Those are bits: eight of them make a byte.",
            lambda: (None, None, _count()[2] * 8),
        ),
    ),
)

# --- 3 · write the function: what Keras works out before any number is computed -----------------------------


def _describe_cases(rng):
    cases = [
        ((30, 23, 3), 6, 5, 1, "valid"),
        ((30, 23, 3), 6, 5, 1, "same"),
        ((29, 40, 4), 7, (3, 5), 2, "same"),
        ((29, 40, 4), 7, (3, 5), (1, 3), "valid"),
        ((5, 9, 2), 1, (5, 2), 4, "valid"),
        ((17, 11, 1), 3, 1, (2, 5), "same"),
    ]
    names = ("input_shape", "filters", "kernel_size", "strides", "padding")
    return [dict(zip(names, case, strict=True)) for case in cases]


def _axes_swapped(shape, filters, kernel_size, strides, padding):
    return _facts(shape, filters, _pair(kernel_size)[::-1], _pair(strides)[::-1], padding)


def _rounded_down(shape, filters, kernel_size, strides, padding):
    height, width, *rest = _facts(shape, filters, kernel_size, strides, padding)
    if padding == "same":
        height, width = (n // s for n, s in zip(shape[:2], _pair(strides), strict=True))
    return height, width, *rest


describe = function_exercise(
    "keras-conv-layer.describe",
    idea="A layer's output shape and its parameters follow from its arguments: no number need be computed for them.",
    hints=(
        "Turn what may be one number or a pair into a pair first. Then treat rows and columns alike.",
        '"valid": the places of a window, at strides. "same": the side divided by the stride, rounded up.',
        "Try one row of a Keras layer that you know, then one where nothing is square and the stride does not divide.",
    ),
    truth=_facts,
    cases=_describe_cases,
    mistakes=(
        Mistake(
            "flat filter",
            "The shapes are right, but your filters read a single channel: each is as deep as its input.",
            lambda shape, *rest: _facts((*shape[:2], 1), *rest),
        ),
        Mistake(
            "no bias",
            "The shapes are right, and the weights too: each filter has a bias as well.",
            lambda *case: _facts(*case, use_bias=False),
        ),
        Mistake(
            "one bias",
            "You gave the layer one bias: each filter has its own.",
            lambda *case: (*_facts(*case)[:3], _facts(*case, use_bias=False)[3] + 1),
        ),
        Mistake(
            "padding ignored",
            'You treat every layer as "valid": look at the argument `padding`.',
            lambda shape, filters, kernel_size, strides, padding: _facts(shape, filters, kernel_size, strides),
        ),
        Mistake(
            "strides ignored",
            "Your window stops at every pixel: look at the argument `strides`.",
            lambda shape, filters, kernel_size, strides, padding: _facts(shape, filters, kernel_size, 1, padding),
        ),
        Mistake(
            "axes swapped",
            "Your pairs are read as (columns, rows): the first number is for the rows.",
            _axes_swapped,
        ),
        Mistake(
            "rounded down",
            'With "same" you round down: the window stands on the last pixels too, so round up.',
            _rounded_down,
        ),
    ),
)

# --- 4 · find the bug: weights from PyTorch -----------------------------------------------------------------


def _torch_cases(rng):
    shapes = [(4, 4, 3, 3), (5, 2, 3, 3), (6, 3, 5, 2), (2, 7, 1, 4), (1, 1, 2, 2)]
    return [{"w": rng.normal(size=shape), "b": rng.normal(size=shape[0])} for shape in shapes]


from_torch = function_exercise(
    "keras-conv-layer.from-torch",
    idea="A transpose moves axes and keeps each weight with its window, channel and filter; a reshape only recounts.",
    hints=(
        "The shape that comes out is right. Follow one single weight: where was it before, and where is it now?",
        "Make an array in which every weight tells its place, such as 1000·filter + 100·channel + 10·row + column.",
        "The four axes must change places, so that each weight keeps its filter, channel, row and column. NumPy has a "
        "function for that, and it is not reshape.",
    ),
    truth=lambda w, b: (np.transpose(w, (2, 3, 1, 0)), b),
    cases=_torch_cases,
    mistakes=(
        Mistake(
            "as given",
            "This is still a reshape: it fills the new shape in the old order, and weights end up in other filters.",
            lambda w, b: (w.reshape(*w.shape[2:], w.shape[1], w.shape[0]), b),
        ),
        Mistake(
            "filters before channels",
            "Rows and columns are right, but the last two axes stand the wrong way round: in Keras filters come last.",
            lambda w, b: (np.transpose(w, (2, 3, 0, 1)), b),
        ),
        Mistake(
            "rows and columns swapped",
            "You turned the whole order round: that lays every kernel on its side, rows become columns.",
            lambda w, b: (w.T, b),
        ),
        Mistake(
            "flipped",
            "The axes are right, but you turned the kernels by half a turn: both libraries lay them on as they stand.",
            lambda w, b: (np.transpose(w, (2, 3, 1, 0))[::-1, ::-1], b),
        ),
    ),
)

EXERCISES = (predict, count, describe, from_torch)
