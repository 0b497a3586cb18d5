"""Exercises of the chapter "From dense layers to convolution"."""

import numpy as np

from cnnlib import geometry, reference
from cnnlib.exercises._model import Mistake, function_exercise, value_exercise

# --- 1 · predict, then run: what grows with the picture -----------------------------------------------------

SIDE, CHANNELS = 224, 3  # a colour photo
UNITS = 128
FILTERS, KERNEL = 16, 3
CELLS = SIDE * SIDE * CHANNELS

growth = value_exercise(
    "dense-to-convolution.growth",
    idea="A dense layer has a weight for every pixel; a convolution's parameters do not know the picture's size.",
    hints=(
        "For each layer ask: how many numbers does one unit, or one filter, read? Each needs a weight.",
        "A unit of the dense layer reads all rows, all columns and all three colours. "
        "A filter reads a small window, but in all three colours too.",
        "Multiply by the number of units or filters. Then count the biases: one for each of them.",
    ),
    truth=lambda: (
        geometry.dense_params(CELLS, UNITS),
        geometry.conv_params(KERNEL, CHANNELS, FILTERS),
    ),
    mistakes=(
        Mistake(
            "one colour",
            "One of your layers sees a grey picture: a colour pixel is three numbers, and each has its own weight.",
            lambda: (geometry.dense_params(SIDE * SIDE, UNITS), None),
        ),
        Mistake(
            "flat filter",
            "Your filter is a flat square: a filter is as deep as its input, so here it is three squares thick.",
            lambda: (None, geometry.conv_params(KERNEL, 1, FILTERS)),
        ),
        Mistake(
            "dense without bias",
            "The dense layer's weights are right, but each of its units has a bias too.",
            lambda: (geometry.dense_params(CELLS, UNITS, use_bias=False), None),
        ),
        Mistake(
            "filters without bias",
            "The filters' weights are right, but each filter has a bias too.",
            lambda: (None, geometry.conv_params(KERNEL, CHANNELS, FILTERS, use_bias=False)),
        ),
        Mistake(
            "weights at every position",
            "Your convolution has its own weights at every position: the window takes the same weights along.",
            lambda: (
                None,
                geometry.conv_params(KERNEL, CHANNELS, FILTERS) * geometry.output_size(SIDE, KERNEL) ** 2,
            ),
        ),
    ),
)

# --- 2 · by hand: one window --------------------------------------------------------------------------------

WINDOW = np.array([[2, 0, 1], [3, 1, 0], [1, 4, 2]])
WEIGHTS = np.array([[0, 1, 2], [-1, 0, 3], [1, 0, -2]])
BIAS = 3


def _window_sum(weights, bias):
    x, w = WINDOW[None, :, :, None], weights[:, :, None, None]
    return reference.conv2d(x, w, np.array([bias])).item()


def _window_sums(bias):
    return _window_sum(WEIGHTS, bias), _window_sum(WEIGHTS[::-1, ::-1], bias)


window_sum = value_exercise(
    "dense-to-convolution.window-sum",
    idea="Keras lays the kernel on the window as it stands; the convolution of mathematics turns it first.",
    hints=(
        "Lay the kernel on the window: nine pairs of numbers. Multiply each pair, add the nine products.",
        "For the second number turn the kernel by half a turn first: its last number comes first.",
        "The bias is added once, after the nine products.",
    ),
    truth=lambda: _window_sums(BIAS),
    mistakes=(
        Mistake(
            "swapped",
            "The two numbers have changed places: which of the two operations turns the kernel, and which does not?",
            lambda: _window_sums(BIAS)[::-1],
        ),
        Mistake(
            "no bias",
            "Both sums of nine products are right, but a layer adds its bias to the sum.",
            lambda: _window_sums(0),
        ),
        Mistake(
            "nine biases",
            "You added the bias to each product: it comes in once for a window.",
            lambda: _window_sums(WEIGHTS.size * BIAS),
        ),
        Mistake(
            "never turned",
            "Both of your numbers leave the kernel as it stands: one of the two operations turns it.",
            lambda: (_window_sum(WEIGHTS, BIAS),) * 2,
        ),
        Mistake(
            "mirrored once",
            "The first number is right. For the second you mirrored the kernel along one side only: half a "
            "turn swaps left and right, and top and bottom too.",
            lambda: (_window_sum(WEIGHTS, BIAS), _window_sum(WEIGHTS[:, ::-1], BIAS)),
        ),
    ),
)

# --- 3 · write the function: one channel --------------------------------------------------------------------


def _one_channel(image, kernel, padding="valid"):
    return reference.conv2d(image[None, :, :, None], kernel[:, :, None, None], padding=padding)[0, :, :, 0]


def _one_channel_cases(rng):
    sizes = [((6, 6), (3, 3)), ((5, 8), (3, 3)), ((7, 6), (2, 4)), ((5, 5), (5, 5)), ((3, 4), (1, 1))]
    cases = [{"image": rng.normal(size=image), "kernel": rng.normal(size=kernel)} for image, kernel in sizes]
    photo = rng.integers(0, 256, (6, 5), np.uint8)
    return [*cases, {"image": photo, "kernel": np.array([[-1.0, 0.0, 2.5]])}]


one_channel = function_exercise(
    "dense-to-convolution.one-channel",
    idea="A window of the kernel's size stops at every place where it fits: n - k + 1 places along each side.",
    hints=(
        "How many places are there for a window of 3 in a row of 5? Count them on paper.",
        "Make the output first, full of zeros, then fill it in two loops: one over its rows, one over its columns.",
        "Take one output number, row 1 and column 2 say: in which row and column of the picture does its window "
        "begin, and before which does it end? Two slices cut it out; then do with it what you did in exercise 2.",
    ),
    truth=_one_channel,
    cases=_one_channel_cases,
    mistakes=(
        Mistake(
            "flipped",
            "Your kernel is turned by half a turn: a layer lays it on the window as it stands.",
            lambda image, kernel: _one_channel(image, kernel[::-1, ::-1]),
        ),
        Mistake(
            "one short",
            "Your output is one row and one column short: does the window also stop in the last place where it fits?",
            lambda image, kernel: _one_channel(image, kernel)[:-1, :-1],
        ),
        Mistake(
            "same size",
            "Your output is as large as the picture: without padding no window hangs over the border.",
            lambda image, kernel: _one_channel(image, kernel, padding="same"),
        ),
        Mistake(
            "kernel unused",
            "You sum the window's numbers as they are: multiply each by the kernel's number on top of it first.",
            lambda image, kernel: _one_channel(image, np.ones_like(kernel)),
        ),
    ),
)

# --- 4 · find the bug: several channels, several filters ----------------------------------------------------


def _layer(image, w, b):
    return reference.conv2d(image[None], w, b)[0]


def _layer_cases(rng):
    sizes = [
        ((6, 5, 3), (3, 3, 3, 2)),
        ((4, 7, 2), (2, 3, 2, 4)),
        ((4, 4, 5), (4, 4, 5, 1)),
        ((3, 3, 1), (1, 1, 1, 2)),
    ]
    return [
        {"image": rng.normal(size=image), "w": rng.normal(size=w), "b": rng.normal(size=w[-1])} for image, w in sizes
    ]


find_the_bug = function_exercise(
    "dense-to-convolution.find-the-bug",
    idea="The window has n - k + 1 places along a side, and one bias is added after all channels are summed.",
    hints=(
        "Look at the shape first: convolve a 3x3 picture with a 3x3 kernel on paper, then with the function.",
        "Then give it a picture of zeros: what is left is what the biases do. Try one channel, then three.",
        "Something is added inside the loop over channels that belongs to the filter, not to the channel.",
    ),
    truth=_layer,
    cases=_layer_cases,
    mistakes=(
        Mistake(
            "as given",
            "This still has both bugs: one in the number of places, one in what is added there.",
            lambda image, w, b: _layer(image, w, b * w.shape[2])[:-1, :-1],
        ),
        Mistake(
            "one short",
            "The sums are right now, but a row and a column are missing: count the places of a window of 3 "
            "in a row of 3.",
            lambda image, w, b: _layer(image, w, b)[:-1, :-1],
        ),
        Mistake(
            "bias for each channel",
            "The shape is right now, but the sums are not: how often is the bias added to one output number?",
            lambda image, w, b: _layer(image, w, b * w.shape[2]),
        ),
        Mistake(
            "no bias",
            "The shape is right and the bias is gone: it must be added once for each output number.",
            lambda image, w, b: _layer(image, w, None),
        ),
    ),
)

EXERCISES = (growth, window_sum, one_channel, find_the_bug)
