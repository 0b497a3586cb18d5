"""Exercises of the chapter "Inception"."""

import numpy as np

from cnnlib import geometry
from cnnlib.exercises._model import (
    INCORRECT,
    Exercise,
    Mistake,
    Verdict,
    check_models,
    function_exercise,
    value_exercise,
)

# --- 1 · predict, then run: the stride moves to the second convolution --------------------------------------

SIDE, CHANNELS, FILTERS, KERNEL, STRIDES, STEM = 32, 16, 16, 5, 2, 3


def _moved(reduce_side=SIDE, side=SIDE // STRIDES):
    """Return (pixels read, receptive field, multiply-accumulates of both convolutions)."""
    unread = len(geometry.unread_cells(SIDE, KERNEL, STRIDES, "same"))
    field, _ = geometry.receptive_field([(STEM,), (1,), (KERNEL, STRIDES)])
    reduce = geometry.conv_macs(reduce_side, 1, CHANNELS, FILTERS)
    return (SIDE - unread) ** 2, field, reduce + geometry.conv_macs(side, KERNEL, FILTERS, FILTERS)


stride = value_exercise(
    "inception.stride",
    idea="Behind the wide window a stride skips places of the window and no pixel; in front of it, it skips pixels.",
    hints=(
        "Write down, for one axis, which cells the first three windows of five cells cover. Is a cell left out?",
        "A window reaches further by one less than its kernel, times the distance of two neighbours in the map that it "
        "reads. Where does that distance become larger?",
        "The first of the two convolutions works at each pixel now. The second one has as many places as its output.",
    ),
    truth=_moved,
    mistakes=(
        Mistake(
            "pixels skipped",
            "You count the pixels at the steps of the stride only: a window of five cells covers what lies between them.",
            lambda: ((SIDE // STRIDES) ** 2, None, None),
        ),
        Mistake(
            "field as before",
            "Your field is that of the old order. The window reads a map whose cells lie one pixel apart: the stride "
            "comes into play behind it.",
            lambda: (None, geometry.receptive_field([(STEM,), (1, STRIDES), (KERNEL,)])[0], None),
        ),
        Mistake(
            "stem forgotten",
            "Your field is counted in cells of the stem's map: each of those sees more than one pixel of the picture.",
            lambda: (None, KERNEL, None),
        ),
        Mistake(
            "whole kernel",
            "You added all cells of the window: one of them is there already.",
            lambda: (None, STEM + KERNEL, None),
        ),
        Mistake(
            "reduction at a quarter",
            "Your 1 x 1 convolution still leaves out pixels: without a stride it works at each of them.",
            lambda: (None, None, _moved(reduce_side=SIDE // STRIDES)[2]),
        ),
        Mistake(
            "window at every pixel",
            "Your 5 x 5 window stops at every pixel: it is the one that has the stride now.",
            lambda: (None, None, _moved(side=SIDE)[2]),
        ),
        Mistake(
            "one convolution",
            "You counted the 5 x 5 convolution alone: there are two in the branch.",
            lambda: (None, None, geometry.conv_macs(SIDE // STRIDES, KERNEL, FILTERS, FILTERS)),
        ),
    ),
)

# --- 2 · by hand: a bottleneck and its limit ----------------------------------------------------------------

WIDE, NARROW, OUT, WINDOW = 256, 32, 64, 5  # channels in, behind the 1 x 1, out; side of the window


def _weights(narrow):
    """Return the weights of the 1 x 1 and of the window behind it, without biases."""
    return geometry.conv_params(1, WIDE, narrow, use_bias=False) + geometry.conv_params(
        WINDOW, narrow, OUT, use_bias=False
    )


def _bottleneck():
    """Return (weights without it, weights with it, the largest width that still saves weights)."""
    direct = geometry.conv_params(WINDOW, WIDE, OUT, use_bias=False)
    largest = max(width for width in range(1, WIDE + 1) if _weights(width) < direct)
    return direct, _weights(NARROW), largest


bottleneck = value_exercise(
    "inception.bottleneck",
    idea="Both layers of a bottleneck grow with its width. It saves as long as the two together stay below the one.",
    hints=(
        "Weights of a convolution: the cells of the window, times the channels that it reads, times its filters.",
        "With the bottleneck there are two layers. The second one no longer reads what the first one reads.",
        "For a width r both layers have a number of weights that grows with r. Write the sum as r times something, and "
        "ask for which whole r it is still below your first number.",
    ),
    truth=_bottleneck,
    mistakes=(
        Mistake(
            "window as a line",
            "You took the side of the window for its cells: it has rows and columns.",
            lambda: (WINDOW * WIDE * OUT, None, None),
        ),
        Mistake(
            "flat filter",
            "Your filters read a single channel: each is as deep as its input.",
            lambda: (WINDOW**2 * OUT, None, None),
        ),
        Mistake(
            "second layer alone",
            "Your second number is the window's layer alone: the 1 x 1 in front of it has weights too.",
            lambda: (None, WINDOW**2 * NARROW * OUT, None),
        ),
        Mistake(
            "nothing reduced",
            "Behind your bottleneck the window still reads all channels: it reads what the 1 x 1 puts out.",
            lambda: (None, WIDE * NARROW + WINDOW**2 * WIDE * OUT, None),
        ),
        Mistake(
            "rounded up",
            "At this width the bottleneck has more weights than the direct layer, by a little: take the whole number below.",
            lambda: (None, None, _bottleneck()[2] + 1),
        ),
        Mistake(
            "only narrower",
            "Your limit asks only whether the bottleneck is narrower than its input. Its own 1 x 1 layer costs weights, "
            "so the limit comes earlier.",
            lambda: (None, None, WIDE - 1),
        ),
    ),
)

# --- 3 · write the function: a 1 x 1 convolution ------------------------------------------------------------


def _pointwise(x, w, b, strides):
    return x[:, ::strides, ::strides] @ w + b


def _pointwise_cases(rng):
    settings = [((2, 5, 7, 3), 4, 1), ((2, 6, 8, 3), 5, 2), ((1, 7, 5, 4), 2, 3), ((4, 4, 4, 1), 1, 2)]
    return [
        {
            "x": rng.normal(size=shape),
            "w": rng.normal(size=(shape[-1], filters)),
            "b": rng.normal(size=filters),
            "strides": strides,
        }
        for shape, filters, strides in settings
    ]


pointwise = function_exercise(
    "inception.pointwise",
    idea="A 1 x 1 convolution is one small dense layer that serves every pixel; its stride decides which pixels.",
    hints=(
        "Leave the strides out at first. What does a dense layer with weights w and bias b make of one pixel's channels?",
        "The operator @ multiplies the last axis of x with the first axis of w, for all pixels of all pictures at once.",
        "Then the pixels: rows and columns are the two axes in the middle. A slice takes every s-th of them.",
    ),
    truth=_pointwise,
    cases=_pointwise_cases,
    mistakes=(
        Mistake(
            "strides ignored",
            "You work at each pixel: look at the argument `strides`.",
            lambda x, w, b, strides: x @ w + b,
        ),
        Mistake(
            "rows only",
            "You skip rows but keep every column: the stride holds for both.",
            lambda x, w, b, strides: x[:, ::strides] @ w + b,
        ),
        Mistake(
            "pictures skipped",
            "You skip pictures: the first axis is the batch, and all of it stays.",
            lambda x, w, b, strides: x[::strides, ::strides] @ w + b,
        ),
        Mistake(
            "starts late",
            "You begin in the middle of the first step: with strides the first pixel is read, then every s-th.",
            lambda x, w, b, strides: x[:, strides - 1 :: strides, strides - 1 :: strides] @ w + b,
        ),
        Mistake(
            "bias forgotten",
            "The products are right, but each filter also adds its bias.",
            lambda x, w, b, strides: x[:, ::strides, ::strides] @ w,
        ),
    ),
)

# --- 4 · find the bug: a unit that does not fit together ----------------------------------------------------

# Shape of the input, filters of each convolution.
UNITS = ({"shape": (9, 12, 20), "filters": 6}, {"shape": (7, 7, 5), "filters": 3})

STACKED = Mistake(
    "stacked upwards",
    "It builds, but your maps lie one above the other and make a taller map: put them together along the channels.",
)
SKIPPED = Mistake(
    "reduction skipped",
    "It builds and its shape is right, but a large window reads the input of the unit: one of your 1 x 1 convolutions "
    "leads nowhere. Count the parameters.",
)
POOL_LOST = Mistake(
    "pool lost",
    "The maps fit now, but no branch takes the largest of each 3 x 3 any more: let the pooling keep its window and the size "
    "of the map.",
)
ADDED = Mistake(
    "added",
    "Your branches are added up: then nobody can tell them apart any more. They are to stand side by side.",
)


def _check_unit(answer):
    """Build the learner's unit and look at its weights, and at what it computes with weights that we know."""
    return check_models(answer, UNITS, "concatenation", _unit_problem)


def _unit_problem(model, shape, filters):
    import keras

    height, width, channels = shape
    if tuple(model.output_shape) == (None, 4 * height, width, filters):
        return STACKED.verdict()
    if tuple(model.output_shape) == (None, height, 4 * width, filters):
        return STACKED.verdict()
    if tuple(model.output_shape) == (None, height, width, filters):
        return ADDED.verdict()
    if tuple(model.output_shape) != (None, height, width, 4 * filters):
        return Verdict(
            INCORRECT, "The height and width of your output are not those of the input, or it has other channels."
        )
    convolutions = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]
    kernels = sorted(tuple(layer.kernel.shape) for layer in convolutions)
    if any(kernel[0] > 1 and kernel[2] == channels for kernel in kernels):
        return SKIPPED.verdict()
    pools = [layer for layer in model.layers if isinstance(layer, keras.layers.MaxPooling2D)]
    if [pool.pool_size for pool in pools] != [(3, 3)]:
        return POOL_LOST.verdict()
    if kernels != sorted([(1, 1, channels, filters)] * 4 + [(k, k, filters, filters) for k in (3, 5)]):
        return Verdict(
            INCORRECT, "Your unit has other convolutions than the listing: four of 1 x 1, one of 3 x 3, one of 5 x 5."
        )
    x = np.random.default_rng(2024).random((2, *shape), np.float32)
    # With weights of -1 every sum is below 0: one that gets through has no ReLU behind it, whether as the layer's own
    # activation or as a layer of its own.
    for layer in convolutions:
        _fill(layer, -1)
    through = np.any(model(x))
    for layer in convolutions:
        for other in convolutions:
            _fill(other, -1 if other is layer else 1)
        through |= np.min(model(x)) < 0
    for layer in convolutions:
        _fill(layer, 1)
    maps = np.asarray(model(x))
    # And ReLU has no upper end: a hundred times the input is a hundred times the output.
    if through or not np.allclose(model(100 * x), 100 * maps, rtol=1e-2):
        return Verdict(INCORRECT, "Every convolution of the listing has ReLU.")
    for branch in _with_ones(x, filters):
        if sum(np.allclose(maps[..., i], branch, rtol=1e-2) for i in range(4 * filters)) != filters:
            return Verdict(
                INCORRECT, "The layers are right, but not what reads what: follow each branch from x to its end."
            )
    return None


def _fill(layer, value):
    layer.set_weights([np.full(layer.kernel.shape, value), *(np.zeros(w.shape) for w in layer.weights[1:])])


def _with_ones(x, filters):
    """Return the map that each branch makes of x where all weights are 1."""

    def windows(maps, side, outside):
        pad = [(0, 0), (side // 2,) * 2, (side // 2,) * 2]
        padded = np.pad(maps, pad, constant_values=outside)
        return np.lib.stride_tricks.sliding_window_view(padded, (side, side), axis=(1, 2))

    sums = x.sum(-1)
    largest = [windows(x[..., i], 3, -np.inf).max((-2, -1)) for i in range(x.shape[-1])]
    return sums, *(filters * windows(sums, side, 0).sum((-2, -1)) for side in (3, 5)), sum(largest)


fit_together = Exercise(
    "inception.fit-together",
    idea="Keras stops where maps do not fit. Where they fit and are still the wrong ones, only a count or a test can tell.",
    hints=(
        "Run it and read the error: it lists the shapes that shall be put together. Which branch has the odd one, and which "
        "of its layers makes the map smaller?",
        "Once it builds, print the output shape. Which of its numbers should the four branches have added up to?",
        "Then count the parameters of every layer by hand. One is larger than it should be, and one layer is missing.",
    ),
    mistakes=(STACKED, SKIPPED, POOL_LOST, ADDED),
    checker=_check_unit,
)

EXERCISES = (stride, bottleneck, pointwise, fit_together)
