"""Exercises of the chapter "AlexNet"."""

import math

import numpy as np

from cnnlib import geometry
from cnnlib.exercises._model import Mistake, function_exercise, value_exercise

# --- 1 · predict, then run: "same" in the first two convolutions --------------------------------------------

SIDE, LAST_FILTERS, UNITS = 32, 256, 2048
KERNEL, POOL, POOL_STRIDES = 3, 3, 2


def _sides(padding="same", pool=POOL):
    """Return the sides behind the first, the second and the third pooling."""
    sides, side = [], SIDE
    for pad in (padding, padding, "same"):
        side = geometry.output_size(geometry.output_size(side, KERNEL, 1, pad), pool, POOL_STRIDES)
        sides.append(side)
    return sides


def _dense(side, filters=LAST_FILTERS, use_bias=True):
    return geometry.dense_params(side**2 * filters, UNITS, use_bias)


same = value_exercise(
    "alexnet.same",
    idea="A rim of zeros around two maps more than doubles the first dense layer: it pays for every cell that is left.",
    hints=(
        "With zeros around it a map keeps its size: only the poolings make it smaller.",
        "The pooling window covers 3 cells and moves in steps of 2. It must lie inside the map: at how many places does it?",
        "A third pooling stands between the last convolution and the dense layer. Then all maps are laid out in one row.",
    ),
    truth=lambda: (*_sides()[:2], _dense(_sides()[2])),
    mistakes=(
        Mistake(
            "as without padding",
            "Your first map is the one of the unpadded net: nothing is cut off at the border now.",
            lambda: (_sides("valid")[0], None, None),
        ),
        Mistake(
            "exact half",
            "You halved the side. The window covers three cells, so the last place is reached one step earlier.",
            lambda: (_sides(pool=2)[0], None, None),
        ),
        Mistake(
            "third pooling forgotten",
            "Your dense layer reads the maps of the last convolution: a pooling stands between.",
            lambda: (None, None, _dense(_sides()[1])),
        ),
        Mistake(
            "as before",
            "Your dense layer is the one of the unpadded net: larger maps hand more numbers to it.",
            lambda: (None, None, _dense(_sides("valid")[2])),
        ),
        Mistake(
            "one map",
            "Your dense layer reads a single map: Flatten lines up those of all filters.",
            lambda: (None, None, _dense(_sides()[2], filters=1)),
        ),
        Mistake(
            "no bias",
            "The weights of the dense layer are right, but each unit has a bias too.",
            lambda: (None, None, _dense(_sides()[2], use_bias=False)),
        ),
    ),
)

# --- 2 · by hand: normalise over neighbouring channels, and over the batch ----------------------------------

CHANNELS, RAISED, OFFSET = (1, 3, 2, 5, 3), 7, 2
MEAN, VARIANCE = 0.5, 4


def _lrn(channels, index, offset=OFFSET, neighbours=None, power=2, root=math.sqrt):
    """Return channel number `index` over the root of (offset + the squares of the channels beside it and its own)."""
    if neighbours is None:
        neighbours = [i for i in (index - 1, index, index + 1) if 0 <= i < len(channels)]
    return channels[index] / root(offset + sum(channels[i] ** power for i in neighbours))


def _by_hand(**changes):
    raised = (RAISED, *CHANNELS[1:])
    last = len(CHANNELS) - 1
    normed = (_lrn(CHANNELS, 1, **changes), _lrn(CHANNELS, last, **changes), _lrn(raised, 1, **changes))
    return *normed, (CHANNELS[1] - MEAN) / math.sqrt(VARIANCE)


def _first(**changes):
    """Return an answer of which only the first part is looked at."""
    return _lrn(CHANNELS, 1, **changes), None, None, None


lrn = value_exercise(
    "alexnet.lrn",
    idea="A large number in one channel makes its neighbours small: the channels compete. Batch normalisation looks at one "
    "channel only, so what happens next door is nothing to it.",
    hints=(
        "Square the channel itself and the one on each side of it, add the squares and the offset, take the root.",
        "The last channel has a neighbour on one side only. Nothing is put in the place of the other.",
        "Batch normalisation in use: minus the mean, over the deviation, which is the root of the variance.",
    ),
    truth=_by_hand,
    mistakes=(
        Mistake("no offset", "You left out the offset that is added to the sum of squares.", lambda: _first(offset=0)),
        Mistake(
            "itself left out",
            "You added the squares of the neighbours only: the channel's own square belongs to the sum.",
            lambda: _first(neighbours=(0, 2)),
        ),
        Mistake("no root", "You divided by the sum itself: its square root is asked for.", lambda: _first(root=float)),
        Mistake("not squared", "You added the numbers themselves: their squares are added.", lambda: _first(power=1)),
        Mistake(
            "all channels",
            "You added the squares of all channels: only the ones directly beside it count.",
            lambda: _first(neighbours=range(len(CHANNELS))),
        ),
        Mistake(
            "round the corner",
            "Your last channel has the first one as a neighbour: the row of channels does not close to a ring.",
            lambda: (None, _lrn(CHANNELS, len(CHANNELS) - 1, neighbours=(3, 4, 0)), None, None),
        ),
        Mistake(
            "variance for deviation",
            "In the last part you divided by the variance: the deviation is its root.",
            lambda: (None, None, None, (CHANNELS[1] - MEAN) / VARIANCE),
        ),
    ),
)

# --- 3 · write the function: the top-k error of averaged nets -----------------------------------------------


def _hits(probabilities, labels, k):
    """Return for each picture whether its label is among the k classes with the largest probability."""
    best = np.argsort(-probabilities, axis=-1)[:, :k]
    return (best == np.reshape(labels, (-1, 1))).any(axis=1)


def _top_k_error(probabilities, labels, k):
    return float(1 - _hits(probabilities.mean(axis=0), labels, k).mean())


def _top_k_cases(rng):
    cases = []
    for nets, images, classes, k, column in [
        (3, 40, 10, 1, True),
        (3, 40, 10, 3, False),
        (1, 30, 12, 5, True),
        (5, 60, 20, 5, False),
        (2, 8, 6, 6, True),  # every class is among the best six
        (2, 1, 10, 2, False),
    ]:
        logits = rng.normal(size=(nets, images, classes)) * 2
        labels = rng.integers(0, classes, images)
        logits[:, np.arange(images), labels] += 1  # better than guessing, and the nets disagree
        exponentials = np.exp(logits)
        cases.append(
            {
                "probabilities": exponentials / exponentials.sum(axis=-1, keepdims=True),
                "labels": labels[:, None] if column else labels,
                "k": k,
            }
        )
    return cases


top_k = function_exercise(
    "alexnet.top-k",
    idea="Averaging comes first: the nets' probabilities are averaged, then the k best classes are looked up once. The "
    "errors of several nets cannot be averaged into it.",
    hints=(
        "First make one table out of several: average over the nets. Which axis is that?",
        "np.argsort sorts upward: where do the largest stand in its answer? Keep k of them in every row.",
        "A picture is a miss if its label is not among these k. Bring the labels into one shape first, whatever they "
        "came in. What share of the pictures is missed?",
    ),
    truth=_top_k_error,
    cases=_top_k_cases,
    mistakes=(
        Mistake(
            "errors averaged",
            "You averaged the errors of the single nets: average their probabilities, then look once.",
            lambda probabilities, labels, k: float(np.mean([1 - _hits(p, labels, k).mean() for p in probabilities])),
        ),
        Mistake(
            "one net",
            "You looked at the first net alone: the others have a say, too.",
            lambda probabilities, labels, k: _top_k_error(probabilities[:1], labels, k),
        ),
        Mistake(
            "accuracy",
            "You return the share of pictures that are right: the error is the rest.",
            lambda probabilities, labels, k: 1 - _top_k_error(probabilities, labels, k),
        ),
        Mistake(
            "count",
            "You return how many pictures are missed: the error is their share.",
            lambda probabilities, labels, k: _top_k_error(probabilities, labels, k) * np.size(labels),
        ),
        Mistake(
            "smallest",
            "You took the classes with the smallest probabilities: argsort puts the largest at the end.",
            lambda probabilities, labels, k: _top_k_error(-probabilities, labels, k),
        ),
        Mistake(
            "best one only",
            "You looked at the best class alone: any of the best k counts as right.",
            lambda probabilities, labels, k: _top_k_error(probabilities, labels, 1),
        ),
    ),
)

# --- 4 · find the bug: a count that is right for LeNet only -------------------------------------------------


def _conv(kernel, channels, filters, groups):
    return geometry.conv_params(kernel, channels, filters, groups=groups)


def _pool(side, window, stride):
    return geometry.output_size(side, window, stride)


def _count(side, channels, layers, conv=_conv, pool=_pool):
    """Return the parameters of a stack of ("conv", ...), ("pool", ...), ("dense", ...), counted by two rules."""
    total = 0
    for kind, *numbers in layers:
        if kind == "conv":
            kernel, stride, padding, filters, groups = numbers
            total += conv(kernel, channels, filters, groups)
            side, channels = geometry.output_size(side, kernel, stride, padding), filters
        elif kind == "pool":
            side = pool(side, *numbers)
        else:
            (units,) = numbers
            total += geometry.dense_params(side * side * channels, units)
            side, channels = 1, units
    return total


def _ungrouped(kernel, channels, filters, groups):
    return _conv(kernel, channels, filters, 1)


def _without_overlap(side, window, stride):
    return side // window


def _count_cases(_rng):
    small = [("conv", 3, 1, 0, 4, 1), ("pool", 2, 2), ("dense", 5)]
    overlapping = [("conv", 5, 2, 1, 8, 1), ("pool", 3, 2), ("dense", 7), ("dense", 3)]
    grouped = [("conv", 3, 1, 1, 6, 1), ("conv", 3, 1, 1, 12, 3), ("pool", 2, 2), ("dense", 4)]
    both = [
        ("conv", 11, 4, 0, 96, 1),
        ("pool", 3, 2),
        ("conv", 5, 1, 2, 256, 2),
        ("pool", 3, 2),
        ("conv", 3, 1, 1, 384, 1),
        ("conv", 3, 1, 1, 384, 2),
        ("conv", 3, 1, 1, 256, 2),
        ("pool", 3, 2),
        ("dense", 4096),
        ("dense", 1000),
    ]
    wide_steps = [("conv", 3, 1, 1, 4, 2), ("pool", 2, 3), ("dense", 5)]
    return [
        {"side": side, "channels": channels, "layers": layers}
        for side, channels, layers in [
            (10, 1, small),
            (24, 3, overlapping),
            (12, 3, grouped),
            (227, 3, both),
            (17, 2, wide_steps),
            (9, 3, [("dense", 4)]),
        ]
    ]


count = function_exercise(
    "alexnet.count",
    idea="A filter of a grouped convolution reads only the channels of its group; a pooling that overlaps leaves more cells "
    "than one that does not. Nets that have neither cannot show it: test with one that has both.",
    hints=(
        "Two lines are wrong: one is about a number of weights, the other about a side.",
        "A filter in one of two groups does not read all channels. How deep is it then, and how many biases are there?",
        "Pooling windows may overlap. Which numbers decide where the next window begins, and did the line use both?",
    ),
    truth=_count,
    cases=_count_cases,
    mistakes=(
        Mistake(
            "as it was",
            "Both bugs are still there: follow a net with groups and with overlapping windows by hand.",
            lambda *arguments: _count(*arguments, conv=_ungrouped, pool=_without_overlap),
        ),
        Mistake(
            "groups left",
            "The sides are right now. But each filter still reads all channels, in whatever group it stands.",
            lambda *arguments: _count(*arguments, conv=_ungrouped),
        ),
        Mistake(
            "pooling left",
            "The groups are right now. But your pooling still moves by the width of its window.",
            lambda *arguments: _count(*arguments, pool=_without_overlap),
        ),
        Mistake(
            "biases shared",
            "You divided the biases by the groups as well: each filter has one, in whatever group it stands.",
            lambda *arguments: _count(*arguments, conv=lambda k, c, f, g: _conv(k, c, f, 1) // g),
        ),
        Mistake(
            "one group only",
            "You counted the filters of one group: the others have their own weights.",
            lambda *arguments: _count(*arguments, conv=lambda k, c, f, g: _conv(k, c // g, f // g, 1)),
        ),
        Mistake(
            "window forgotten",
            "Your pooling looks at the steps alone: the window must fit into the map at its last place.",
            lambda *arguments: _count(*arguments, pool=lambda side, window, stride: side // stride),
        ),
    ),
)

EXERCISES = (same, lrn, top_k, count)
