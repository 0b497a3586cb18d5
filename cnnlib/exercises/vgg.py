"""Exercises of the chapter "VGG"."""

import numpy as np

from cnnlib import geometry
from cnnlib.exercises._model import (
    CORRECT,
    INCORRECT,
    Exercise,
    Mistake,
    NotAttempted,
    Verdict,
    function_exercise,
    is_empty,
    learners_code,
    value_exercise,
)

KERNEL, POOL = 3, 2
CHANNELS, UNITS = 512, 512  # of the last group, of the dense layers behind it

# --- 1 · predict, then run: larger pictures -----------------------------------------------------------------

PICTURE, POOLINGS = 48, 5


def _pooled(n, padding="same", times=POOLINGS):
    """Return the side of a picture's maps after some poolings."""
    for _ in range(times):
        n = geometry.output_size(n, POOL, POOL, padding)
    return n


LAST_SIDE = _pooled(PICTURE, times=POOLINGS - 1)


def _flat(side):
    """Return what Flatten hands over, and the parameters of the dense layer that reads it."""
    return side**2 * CHANNELS, geometry.dense_params(side**2 * CHANNELS, UNITS)


larger = value_exercise(
    "vgg.larger-picture",
    idea="Convolutions do not care how large a picture is; the side is rounded up at each `same` pooling, and only "
    "the first dense layer pays.",
    hints=(
        "Write the sides down, one a group: halve, and halve again. One of the steps does not come out even.",
        "A pooling with padding `same` has ceil(n / 2) places: the last window may hang over the border.",
        "Flatten lines up every cell of every channel of what the last pooling leaves.",
    ),
    truth=lambda: (LAST_SIDE, *_flat(_pooled(PICTURE))),
    mistakes=(
        Mistake(
            "rounded down",
            "Your last pooling throws the odd row and column away: that is what `valid` does, and this one pads.",
            lambda: (LAST_SIDE, *_flat(_pooled(PICTURE, "valid"))),
        ),
        Mistake(
            "as on 32",
            "That is what happens to pictures of 32 × 32. Start from the larger side.",
            lambda: (_pooled(32, times=POOLINGS - 1), *_flat(_pooled(32))),
        ),
        Mistake(
            "pooled too often",
            "Your maps of group 5 have been pooled five times: the fifth pooling stands behind that group.",
            lambda: (_pooled(PICTURE), None, None),
        ),
        Mistake(
            "last pooling left out",
            "You flattened what goes into the last pooling: it halves once more.",
            lambda: (None, _flat(LAST_SIDE)[0], None),
        ),
        Mistake(
            "one channel",
            "You flattened one map: there is one for each filter of the last group.",
            lambda: (None, _pooled(PICTURE) ** 2, None),
        ),
        Mistake(
            "no bias",
            "The weights of your dense layer are right, but each unit has a bias too.",
            lambda: (None, None, geometry.dense_macs(_flat(_pooled(PICTURE))[0], UNITS)),
        ),
    ),
)

# --- 2 · by hand: products with a zero ----------------------------------------------------------------------

SIDE = 4  # of the maps of group 4
TAPS = KERNEL**2


def _read(row, column):
    """Return how many cells of the window of one output lie on the map and not on the padding."""
    on = [sum(0 <= cell < SIDE for cell in geometry.window(SIDE, i, KERNEL, padding="same")) for i in (row, column)]
    return on[0] * on[1]


ZEROS = np.array([[TAPS - _read(row, column) for column in range(SIDE)] for row in range(SIDE)])
CORNER, EDGE, MIDDLE, ALL = int(ZEROS[0, 0]), int(ZEROS[0, 1]), int(ZEROS[1, 1]), int(ZEROS.sum())
PAIRS = CHANNELS * CHANNELS  # of a channel in and a filter

zeros = value_exercise(
    "vgg.zeros",
    idea="The smaller the map, the more of a `same` convolution's work is done on its padding.",
    hints=(
        "Draw the map with a ring of zeros around it, lay the window on a corner, and count the cells on the ring.",
        "How many corners, how many other edge cells, how many inner cells has the map?",
        "Each cell of each window is one product for every pair of an input channel and a filter.",
    ),
    truth=lambda: (CORNER, EDGE, MIDDLE, ALL, ALL * PAIRS),
    mistakes=(
        Mistake(
            "read, not missed",
            "You counted the cells that lie on the map: the question is about those that are a zero.",
            lambda: (TAPS - CORNER, TAPS - EDGE, TAPS - MIDDLE, None, None),
        ),
        Mistake(
            "corner counted twice",
            "At a corner you counted a row and a column of the window, and the cell that they share twice.",
            lambda: (CORNER + 1, None, None, None, None),
        ),
        Mistake(
            "edges left out",
            "Your total is that of the corners. The other cells of the edge miss a row or a column of the window, too.",
            lambda: (CORNER, EDGE, MIDDLE, 4 * CORNER, None),
        ),
        Mistake(
            "one filter",
            "The counts are right. The layer has many filters, and each does this in every channel.",
            lambda: (CORNER, EDGE, MIDDLE, ALL, ALL * CHANNELS),
        ),
        Mistake(
            "one pair",
            "The counts are right, but that is the work for one pair of a channel and a filter.",
            lambda: (CORNER, EDGE, MIDDLE, ALL, ALL),
        ),
        Mistake(
            "all products",
            "The counts are right. The last number holds the products with the map as well.",
            lambda: (CORNER, EDGE, MIDDLE, ALL, geometry.conv_macs(SIDE, KERNEL, CHANNELS, CHANNELS)),
        ),
    ),
)

# --- 3 · write the function: what any VGG costs -------------------------------------------------------------


def _costs(plan, side, units, classes, *, bias=True, chained=True, halved=True, dense="all", flat="cells"):
    """Return (parameters, MACs) of a VGG net; the settings are the ways to get it wrong."""
    params, macs, channels, maps = 0, 0, 3, side
    for step in plan:
        if step == "M":
            maps //= 2
            continue
        params += geometry.conv_params(KERNEL, channels, step, use_bias=bias)
        macs += geometry.conv_macs(maps if halved else side, KERNEL, channels, step)
        channels = step if chained else 3
    inputs = maps**2 * channels if flat == "cells" else channels
    widths = {"all": [inputs, units, units, classes], "one hidden": [inputs, units, classes], "none": []}[dense]
    for inside, outside in zip(widths, widths[1:], strict=False):
        params += geometry.dense_params(inside, outside, bias)
        macs += geometry.dense_macs(inside, outside)
    return params, macs


VGG11 = [64, "M", 128, "M", 256, 256, "M", 512, 512, "M", 512, 512, "M"]


def _costs_cases(rng):
    cases = [(VGG11, 32, 512, 10), (VGG11, 224, 4096, 1000), ([8, 8, "M", 16, "M"], 12, 20, 7), ([5], 6, 9, 4)]
    for _ in range(3):
        groups = int(rng.integers(1, 5))
        plan = []
        for filters in rng.integers(2, 40, groups):
            plan += [int(filters)] * int(rng.integers(1, 5)) + ["M"]
        cases.append((plan, 16 * int(rng.integers(1, 4)), int(rng.integers(8, 90)), int(rng.integers(2, 30))))
    return [dict(zip(("plan", "side", "units", "classes"), case, strict=True)) for case in cases]


costs = function_exercise(
    "vgg.costs",
    idea="A regular net is a short list, and all its costs follow from that list.",
    hints=(
        "Walk along the plan and keep two numbers up to date: the side of the maps and their channels.",
        'A number in the plan is a convolution: it reads the channels so far, and leaves as many as it says. "M" '
        "touches the side only.",
        "Behind the plan stand three dense layers. What does the first of them read, now that Flatten has been there?",
    ),
    truth=_costs,
    cases=_costs_cases,
    mistakes=(
        Mistake(
            "no biases",
            "The weights and the MACs are right. Every filter and every unit also has a bias.",
            lambda *case: _costs(*case, bias=False),
        ),
        Mistake(
            "always three channels",
            "Each of your convolutions reads the three colours: from the second on it reads the maps before it.",
            lambda *case: _costs(*case, chained=False),
        ),
        Mistake(
            "side never halves",
            "The parameters are right. But your convolutions all slide over the whole picture, behind the poolings too.",
            lambda *case: _costs(*case, halved=False),
        ),
        Mistake(
            "cells not flattened",
            "Your first dense layer reads one number a channel: Flatten hands over every cell of every map.",
            lambda *case: _costs(*case, flat="channels"),
        ),
        Mistake(
            "one dense layer too few",
            "Two dense layers of `units` stand before the one with the classes. You have one.",
            lambda *case: _costs(*case, dense="one hidden"),
        ),
        Mistake(
            "no dense layers",
            "Those are the convolutions alone: three dense layers follow.",
            lambda *case: _costs(*case, dense="none"),
        ),
    ),
)

# --- 4 · find the bug: one layer, used many times -----------------------------------------------------------

NET_INPUT = (32, 32, 3)
PLANS = ([(2, 4), (3, 6)], [(1, 5), (4, 3), (2, 2)])

AS_GIVEN = Mistake(
    "as given",
    "This still has the bug: a layer that is made once has one set of weights, however often it is called.",
)
SHARED_CONV = Mistake(
    "convolution shared",
    "Each batch normalisation is a layer of its own now. Are the convolutions?",
)
SHARED_NORM = Mistake(
    "normalisation shared",
    "Each convolution is a layer of its own now. Does each of them have its own batch normalisation?",
)
ONE_CONV = Mistake(
    "one convolution a group",
    "No layer is used twice now, but your groups have lost layers: how many convolutions does the plan ask for?",
)
NO_RELU = Mistake(
    "activation lost",
    "All weights are there, but the output is that of a net without ReLU.",
)


def _groups(plan, share=(), relu=True, only_one=False):
    """Return a net of conv, batch norm, ReLU groups with poolings; `share`: kinds of layers made once a group."""
    import keras
    from keras import layers

    make = {
        "conv": lambda filters: layers.Conv2D(filters, KERNEL, padding="same"),
        "norm": lambda filters: layers.BatchNormalization(),
    }
    inputs = x = keras.Input(NET_INPUT)
    for convolutions, filters in plan:
        made = {}
        for i in range(1 if only_one else convolutions):
            for kind in ("conv", "norm"):
                # The first convolution of a group reads other channels, so it cannot be the shared one.
                again = kind in share and not (kind == "conv" and i == 0)
                layer = made.get(kind) if again else None
                layer = layer or make[kind](filters)
                if again:
                    made[kind] = layer
                x = layer(x)
            x = layers.Activation("relu")(x) if relu else x
        x = layers.MaxPooling2D(POOL, strides=POOL)(x)
    return keras.Model(inputs, x)


def _sizes(model):
    return sorted(tuple(w.shape) for w in model.weights)


def _check_groups(answer):
    """Build nets by the learner's function, and compare their weights and what they compute."""
    import keras

    if not callable(answer) or isinstance(answer, keras.Model):
        return Verdict(INCORRECT, "Hand in the function itself: its name, without quotes and without ().")
    rng = np.random.default_rng(2024)
    x = rng.normal(size=(2, *NET_INPUT)).astype(np.float32)
    for number, plan in enumerate(PLANS):
        first = number == 0
        with learners_code(f"building a net with plan = {plan}", first):
            model = answer([tuple(group) for group in plan])
        if is_empty(model) and first:
            raise NotAttempted
        if not isinstance(model, keras.Model):
            return Verdict(INCORRECT, "A keras.Model is expected: let the function return keras.Model(inputs, x).")
        right = _groups(plan)
        if _sizes(model) != _sizes(right):
            ways = {
                AS_GIVEN: {"share": ("conv", "norm")},
                SHARED_CONV: {"share": ("conv",)},
                SHARED_NORM: {"share": ("norm",)},
                ONE_CONV: {"only_one": True},
            }
            for mistake, settings in ways.items():
                if _sizes(model) == _sizes(_groups(plan, **settings)):
                    return mistake.verdict()
            return Verdict(
                INCORRECT,
                f"With plan = {plan} your net has {model.count_params():,} parameters in {len(model.weights)} arrays; "
                f"{right.count_params():,} in {len(right.weights)} are expected.",
            )
        weights = [rng.normal(0.2, 0.3, w.shape).astype(np.float32) ** 2 - 0.05 for w in right.weights]
        weights = [np.abs(w) if "variance" in v.path else w for w, v in zip(weights, right.weights, strict=True)]
        outputs = []
        for net in (model, right, _groups(plan, relu=False)):
            if [tuple(w.shape) for w in net.weights] != [w.shape for w in weights]:
                return Verdict(INCORRECT, "All layers are there, but they stand in another order than in the plan.")
            net.set_weights(weights)
            with learners_code("calling the net on two pictures", first=False):
                outputs.append(np.asarray(net(x)))
        mine, expected, straight = outputs
        if mine.shape != expected.shape:
            return Verdict(INCORRECT, f"The maps have shape {mine.shape} at the end, {expected.shape} is expected.")
        scale = np.abs(expected).max()
        if not np.allclose(mine, expected, rtol=1e-3, atol=1e-3 * scale):
            if np.allclose(mine, straight, rtol=1e-3, atol=1e-3 * np.abs(straight).max()):
                return NO_RELU.verdict()
            return Verdict(INCORRECT, "All weights are there, but with equal weights your net computes other numbers.")
    return Verdict(CORRECT)


find_the_bug = Exercise(
    "vgg.find-the-bug",
    idea="Making a layer makes its weights, calling it uses them: a new layer for each use, unless weights shall be shared.",
    hints=(
        "Count by hand what a group of three convolutions must have, and compare with summary().",
        "Look at which lines stand inside the loop, and which before it.",
        "A layer has its weights from the moment it is built. What happens when it is called a second time?",
    ),
    mistakes=(AS_GIVEN, SHARED_CONV, SHARED_NORM, ONE_CONV, NO_RELU),
    checker=_check_groups,
)

EXERCISES = (larger, zeros, costs, find_the_bug)
