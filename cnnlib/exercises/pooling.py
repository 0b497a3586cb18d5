"""Exercises of the chapter "Pooling"."""

import numpy as np

from cnnlib import geometry, reference
from cnnlib.exercises._model import Mistake, function_exercise, value_exercise

# --- 1 · predict, then run: three poolings in a row ---------------------------------------------------------

SIDE, CHANNELS = 76, 20
CHAIN = [(3, 2, "valid"), (2, 2, "same"), (3, 3, "valid")]  # pool_size, strides, padding


def _sides(chain=CHAIN, side=SIDE):
    sides = []
    for pool_size, strides, padding in chain:
        side = geometry.output_size(side, pool_size, strides, padding)
        sides.append(side)
    return sides


def _with(place, *layer):
    """Return the chain with another layer at one place."""
    return [layer if i == place else old for i, old in enumerate(CHAIN)]


sizes = value_exercise(
    "pooling.sizes",
    idea="Pooling sizes follow the rules of convolution: valid rounds down, same rounds up, and channels stay.",
    hints=(
        "Take the layers one at a time: the side that leaves one enters the next.",
        'For "valid": how many whole steps fit behind the first window? For "same": side divided by strides, rounded up.',
        "The third layer names no strides: what does Keras take then? And the last layer: over which axes is the mean?",
    ),
    truth=lambda: (*_sides(), CHANNELS),
    mistakes=(
        Mistake(
            "strides of 1",
            "Your third layer moves by one cell, as a convolution would: a pooling without strides moves by its own size.",
            lambda: (*_sides(_with(2, 3, 1, "valid")), None),
        ),
        Mistake(
            "side by strides",
            "Your first side is the input's side divided by the strides: that is the rule of another padding.",
            lambda: (_sides(_with(0, 3, 2, "same"))[0], None, None, None),
        ),
        Mistake(
            "same rounded down",
            'Your second layer leaves its last row out: with "same" there is a window for it, and padding fills the rest.',
            lambda: (_sides()[0], _sides(_with(1, 2, 2, "valid"))[1], None, None),
        ),
        Mistake(
            "valid rounded up",
            'Your third layer has a window that hangs over the edge: "valid" uses whole windows only.',
            lambda: (*_sides(_with(2, 3, 3, "same")), None),
        ),
        Mistake(
            "flattened",
            "The sides are right. At the end you keep every cell of every map: that is Flatten. What does the global "
            "mean leave of each map?",
            lambda: (*_sides(), _sides()[-1] ** 2 * CHANNELS),
        ),
        Mistake(
            "one number",
            "The sides are right. You took the mean of all maps together: each map has its own.",
            lambda: (*_sides(), 1),
        ),
    ),
)

# --- 2 · by hand: overlapping windows, and windows that hang over the edge ----------------------------------

MAP = np.array([[4, -2, 0, 6, 2], [8, 14, -4, 0, 4], [-6, 0, 4, 12, 0], [2, 6, -2, -8, 10], [0, -4, 16, 2, 0]])


def _pooled(pool, *arguments):
    return pool(MAP[None, :, :, None], *arguments)[0, :, :, 0]


def _tiles(rows, statistic):
    """Return a statistic of the tiles that the map is cut into, at the same places along both axes."""
    return np.array([[statistic(part) for part in np.split(band, rows, axis=1)] for band in np.split(MAP, rows)])


by_hand = value_exercise(
    "pooling.by-hand",
    idea="A number can win two windows that overlap. Cells of the padding are no cells: a mean leaves them out.",
    hints=(
        "Mark the windows on paper first. Two windows of the first layer share a column, or a row.",
        'For the second layer, "same" tells how many windows there are. How many rows and columns are missing, and on '
        "which side do they go?",
        "A mean is a sum divided by a count. Count the cells of the map in each window, not those of the window.",
    ),
    truth=lambda: (_pooled(reference.max_pool, 3, 2), _pooled(reference.average_pool, 3, None, "same")),
    mistakes=(
        Mistake(
            "side by side",
            "Your windows of the first layer lie side by side: with this stride they overlap.",
            lambda: (_tiles([3], np.max), None),
        ),
        Mistake(
            "padding counted",
            "The maxima are right. Your means divide by all cells of the window: those of the padding do not count.",
            lambda: (_pooled(reference.max_pool, 3, 2), _tiles([3], np.sum) / 9),
        ),
        Mistake(
            "sums",
            "The maxima are right. Your second layer adds up and does not divide.",
            lambda: (_pooled(reference.max_pool, 3, 2), _tiles([3], np.sum)),
        ),
        Mistake(
            "padding in front",
            "The maxima are right. Your padding of the second layer stands in front: an odd row goes after the map.",
            lambda: (_pooled(reference.max_pool, 3, 2), _tiles([2], np.mean)),
        ),
        Mistake(
            "whole windows only",
            'The maxima are right. Your second layer has one window: that is "valid", the layer pads.',
            lambda: (_pooled(reference.max_pool, 3, 2), _pooled(reference.average_pool, 3)),
        ),
    ),
)

# --- 3 · write the function: the way back through max pooling -----------------------------------------------


def _shares(window, how):
    """Return what part of an output's gradient each cell of its window gets."""
    share = np.zeros(window.shape)
    if how == "winner":
        share.flat[np.argmax(window)] = 1
    elif how == "last winner":
        share.flat[window.size - 1 - np.argmax(window.ravel()[::-1])] = 1
    elif how == "all winners":
        share[window == window.max()] = 1
    elif how == "equal parts":
        share[:] = 1 / window.size
    return share


def _back(x, dy, pool_size, strides, how="winner", add=True, weigh=lambda gradient, window: gradient):
    """Return the gradient at the input; the settings are the ways to get it wrong."""
    dx = np.zeros(x.shape)
    for row, column in np.ndindex(dy.shape):
        place = tuple(slice(i * strides, i * strides + pool_size) for i in (row, column))
        share = _shares(x[place], how)
        part = share * weigh(dy[row, column], x[place])
        dx[place] = dx[place] + part if add else np.where(share > 0, part, dx[place])
    return dx


def _back_cases(rng):
    cases = []
    for (height, width), pool_size, strides in (
        ((4, 6), 2, 2),
        ((7, 5), 3, 2),
        ((6, 6), 3, 1),
        ((7, 8), 2, 3),
        ((5, 9), 4, 2),
    ):
        x = rng.normal(size=(height, width))
        if strides == 1:
            x = np.maximum(x - 1, 0).round()  # ties, as after ReLU: most cells are 0
        outputs = [geometry.output_size(side, pool_size, strides) for side in x.shape]
        cases.append({"x": x, "dy": rng.normal(size=outputs), "pool_size": pool_size, "strides": strides})
    return cases


backward = function_exercise(
    "pooling.backward",
    idea="Each output hands its whole gradient to the cell that won its window; a cell that won twice gets both.",
    hints=(
        "Begin with zeros in the shape of x. Then go over the outputs, one at a time: which cells does its window hold?",
        "np.argmax gives a place in the flattened window: np.unravel_index makes a row and a column of it.",
        "Those are counted from the corner of the window: add where the window begins. And a cell may win more than once.",
    ),
    truth=_back,
    cases=_back_cases,
    mistakes=(
        Mistake(
            "overwritten",
            "Where windows overlap, a cell can win several of them: yours keeps the last gradient only.",
            lambda *case: _back(*case, add=False),
        ),
        Mistake(
            "equal parts",
            "You share the gradient out among all cells of the window: that is average pooling.",
            lambda *case: _back(*case, how="equal parts"),
        ),
        Mistake(
            "all winners",
            "Where several cells are equally large, all of yours get the whole gradient: the sum must not grow. Take the first.",
            lambda *case: _back(*case, how="all winners"),
        ),
        Mistake(
            "last winner",
            "Of equally large cells you take the last one: take the first, as NumPy and TensorFlow do.",
            lambda *case: _back(*case, how="last winner"),
        ),
        Mistake(
            "times the value",
            "You multiply by the number that won: the output grows as fast as the winner does, whatever its size.",
            lambda *case: _back(*case, weigh=lambda gradient, window: gradient * window.max()),
        ),
        Mistake(
            "ones",
            "You mark the winners with ones: they must get what has come back to their outputs.",
            lambda *case: _back(*case, weigh=lambda gradient, window: 1),
        ),
    ),
)

# --- 4 · find the bug: max pooling with "same" padding ------------------------------------------------------


def _max_pool_same(x, pool_size, strides, fill=-np.inf, default=None, after=True):
    """Return the pooled map; the settings are the ways to get it wrong."""
    strides = strides or default or pool_size
    zeros = [geometry.pad_amounts(side, pool_size, strides, "same") for side in x.shape]
    padded = np.pad(x, zeros if after else [pair[::-1] for pair in zeros], constant_values=fill)
    windows = np.lib.stride_tricks.sliding_window_view(padded, (pool_size, pool_size))[::strides, ::strides]
    return windows.max(axis=(2, 3))


def _truth(x, pool_size, strides):
    return reference.max_pool(x[None, :, :, None], pool_size, strides, "same")[0, :, :, 0]


def _same_cases(rng):
    settings = [((5, 7), 2, 2), ((5, 5), 3, None), ((6, 7), 2, None), ((8, 6), 3, 2), ((4, 7), 4, 1)]
    return [{"x": rng.normal(size=shape) - 1, "pool_size": k, "strides": s} for shape, k, s in settings]


find_the_bug = function_exercise(
    "pooling.find-the-bug",
    idea="Padding must never win a window, so it is minus infinity; and a pooling moves by its own size unless told.",
    hints=(
        "Try it on a map of which every number is below 0. Which number should stand in the last column?",
        "What would you have to put around a map, so that it can never be the largest of a window?",
        "The other bug shows when the strides are left out: look up what Keras does then.",
    ),
    truth=_truth,
    cases=_same_cases,
    mistakes=(
        Mistake(
            "as given",
            "This still has both bugs: one in what is put around the map, one in how far the window moves.",
            lambda *case: _max_pool_same(*case, fill=0, default=1),
        ),
        Mistake(
            "zeros",
            "The steps are right now. But where all numbers of a window at the edge are below 0, a zero wins.",
            lambda *case: _max_pool_same(*case, fill=0),
        ),
        Mistake(
            "step of one",
            "The padding is right now. But without strides your window moves by one cell.",
            lambda *case: _max_pool_same(*case, default=1),
        ),
        Mistake(
            "fixed stride",
            "The padding is right. Without strides yours moves by two, whatever the size of the window.",
            lambda *case: _max_pool_same(*case, default=2),
        ),
        Mistake(
            "padding in front",
            "Your odd row and column stand in front of the map: they were right before, at the end.",
            lambda *case: _max_pool_same(*case, after=False),
        ),
    ),
)

EXERCISES = (sizes, by_hand, backward, find_the_bug)
