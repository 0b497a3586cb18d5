"""Exercises of the chapter "Batch normalisation"."""

import numpy as np

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

# --- 1 · predict, then run: two batches, then use ------------------------------------------------------------

BATCHES = ((8.0, 12.0), (15.0, 25.0))
PICTURE = 10.0  # what comes in afterwards
MOMENTUM = 0.9


def _moving(kept=MOMENTUM, spread=np.var, mean=0.0, variance=1.0):
    """Return the moving mean and variance after both batches; the settings are the ways to get it wrong."""
    for batch in BATCHES:
        mean = kept * mean + (1 - kept) * np.mean(batch)
        variance = kept * variance + (1 - kept) * spread(batch)
    return mean, variance


def _used(mean, variance):
    return (PICTURE - mean) / np.sqrt(variance + 1e-3)


moving = value_exercise(
    "batch-normalisation.moving",
    idea="Each batch moves the averages by a small part of the way, from 0 and 1 on; in use only they count.",
    hints=(
        "The averages do not begin empty: one begins at 0, the other at 1. Do one batch after the other.",
        "new = momentum · old + (1 - momentum) · what this batch has. Do it for the mean and for the variance. The "
        "variance of two numbers is the square of half their distance.",
        "In use nothing is asked of a batch: subtract the moving mean, divide by the root of the moving variance.",
    ),
    truth=lambda: (*_moving(), _used(*_moving())),
    rtol=5e-3,  # a rounded third number is right
    mistakes=(
        Mistake(
            "momentum turned round",
            "You let each batch count nine times as much as all before: the momentum is what the old average keeps.",
            lambda: (*_moving(kept=1 - MOMENTUM), None),
        ),
        Mistake(
            "plain mean",
            "That is the plain mean over the two batches: the averages start somewhere, and move slowly.",
            lambda: (np.mean(BATCHES), np.mean([np.var(batch) for batch in BATCHES]), None),
        ),
        Mistake(
            "variance from zero",
            "The moving mean is right. The moving variance does not begin at 0: that would be a channel without spread.",
            lambda: (*_moving(variance=0.0), None),
        ),
        Mistake(
            "standard deviations",
            "The moving mean is right. For the other one you averaged standard deviations: what is kept is the variance.",
            lambda: (*_moving(spread=np.std), None),
        ),
        Mistake(
            "one less",
            "The moving mean is right. You divided the squares by one less than their number: here the variance of a "
            "batch is the plain mean of the squares.",
            lambda: (*_moving(spread=lambda batch: np.var(batch, ddof=1)), None),
        ),
        Mistake(
            "the last batch",
            "Both averages are right. For the last number you used the second batch's own mean and variance: in use "
            "no batch is asked.",
            lambda: (*_moving(), (PICTURE - np.mean(BATCHES[1])) / np.std(BATCHES[1])),
        ),
        Mistake(
            "no root",
            "Both averages are right. For the last number you divided by the variance: take its root first.",
            lambda: (*_moving(), (PICTURE - _moving()[0]) / _moving()[1]),
        ),
    ),
)

# --- 2 · by hand: two pictures, two channels -----------------------------------------------------------------

# (pictures, rows, columns, channels): two pictures of one row and two columns.
MAPS = np.array([[[[11, 0], [17, 4]]], [[[9, 4], [3, 0]]]], dtype=float)
GAMMA, BETA = np.array([10.0, 0.5]), np.array([1.0, 3.0])


def _by_channel(y):
    """Return each channel's numbers in a row: first picture left and right, then the second one."""
    return tuple(y[..., channel].ravel() for channel in range(MAPS.shape[-1]))


def _standardised(axes=(0, 1, 2), ddof=0, root=np.sqrt):
    return (MAPS - MAPS.mean(axis=axes, keepdims=True)) / root(MAPS.var(axis=axes, ddof=ddof, keepdims=True))


two_channels = value_exercise(
    "batch-normalisation.two-channels",
    idea="One mean and one variance a channel, over all pictures and all places; then that channel's gamma and beta.",
    hints=(
        "Write the numbers of channel 0 in one row, from both pictures. How many are they? Do the same for channel 1.",
        "For each row: its mean, the distances from it, their squares, the mean of the squares, the root of that.",
        "Divide the distances by the root. Only then multiply by gamma and add beta, each channel its own.",
    ),
    truth=lambda: _by_channel(GAMMA * _standardised() + BETA),
    mistakes=(
        Mistake(
            "both channels together",
            "You took one mean over both channels: each channel is normalised by itself.",
            lambda: _by_channel(GAMMA * _standardised((0, 1, 2, 3)) + BETA),
        ),
        Mistake(
            "each picture by itself",
            "You normalised each picture by itself: the mean goes over all pictures of the batch.",
            lambda: _by_channel(GAMMA * _standardised((1, 2)) + BETA),
        ),
        Mistake(
            "each place by itself",
            "You normalised each place by itself, over the two pictures only: a channel has one mean, whatever the place.",
            lambda: _by_channel(GAMMA * _standardised((0,)) + BETA),
        ),
        Mistake(
            "gamma and beta left out",
            "Mean 0 and standard deviation 1, right so far. The last step is missing: gamma and beta.",
            lambda: _by_channel(_standardised()),
        ),
        Mistake(
            "beta first",
            "You added beta and then multiplied by gamma: it is the other way round.",
            lambda: _by_channel(GAMMA * (_standardised() + BETA)),
        ),
        Mistake(
            "no root",
            "You divided by the variance: by its root, please.",
            lambda: _by_channel(GAMMA * _standardised(root=lambda variance: variance) + BETA),
        ),
        Mistake(
            "one less",
            "You divided the sum of the squares by one less than their number: here it is the plain mean.",
            lambda: _by_channel(GAMMA * _standardised(ddof=1) + BETA),
        ),
    ),
)

# --- 3 · write the function: one step in training ------------------------------------------------------------

EPSILON = 1e-3


def _step(x, gamma, beta, moving_mean, moving_variance, momentum, axes=None, ddof=0, keep=lambda v: v, using="batch"):
    """Return (y, moving mean, moving variance) after one batch; the settings are the ways to get it wrong."""
    axes = tuple(range(x.ndim - 1)) if axes is None else axes
    mean, variance = x.mean(axis=axes), x.var(axis=axes, ddof=ddof)
    new_mean = momentum * moving_mean + (1 - momentum) * mean
    new_variance = momentum * moving_variance + (1 - momentum) * keep(variance)
    if using == "new averages":
        mean, variance = new_mean, new_variance
    if using == "old averages":
        mean, variance = moving_mean, moving_variance
    below = np.sqrt(variance) + EPSILON if using == "epsilon outside" else np.sqrt(variance + EPSILON)
    return gamma * (x - mean) / below + beta, new_mean, new_variance


def _step_cases(rng):
    shapes = [(4, 3, 3, 2), (8, 1, 1, 3), (2, 5, 4, 1), (16, 3), (3, 6, 6, 2)]
    cases = []
    for i, shape in enumerate(shapes):
        channels = shape[-1]
        # The last case has a narrow channel, whose variance is of epsilon's size.
        spread = np.array([0.02, 3.0]) if i == len(shapes) - 1 else rng.uniform(0.5, 3, channels)
        cases.append(
            {
                "x": rng.normal(size=shape) * spread + rng.normal(size=channels) * 4,
                "gamma": rng.uniform(0.5, 2, channels),
                "beta": rng.normal(size=channels),
                "moving_mean": np.zeros(channels) if i == 0 else rng.normal(size=channels),
                "moving_variance": np.ones(channels) if i == 0 else rng.uniform(0.5, 2, channels),
                "momentum": (0.99, 0.9, 0.75, 0.6, 0.99)[i],
            }
        )
    return cases


step = function_exercise(
    "batch-normalisation.step",
    idea="In training the batch's own numbers normalise it; the averages only look on, and move a little.",
    hints=(
        "All axes but the last are averaged away. `tuple(range(x.ndim - 1))` is that for any number of axes.",
        "Three results: the batch, normalised by its own mean and variance, and the two averages, each moved.",
        "An average keeps `momentum` of what it was, and takes the rest from the batch. What is it that is averaged, "
        "the variance or its root? And where does epsilon stand, inside the root or outside?",
    ),
    truth=_step,
    cases=_step_cases,
    mistakes=(
        Mistake(
            "momentum turned round",
            "Your averages keep a small part of what they were and take over the batch nearly whole. (In PyTorch the "
            "argument of this name means that. In Keras it is what stays.)",
            lambda x, g, b, mean, variance, momentum: _step(x, g, b, mean, variance, 1 - momentum),
        ),
        Mistake(
            "batch axis only",
            "You averaged over the pictures only, so that every place has a mean of its own: a channel has one mean, "
            "over all pictures, rows and columns.",
            lambda *arguments: _step(*arguments, axes=(0,)),
        ),
        Mistake(
            "averages used",
            "You normalised by the moving averages: in training the batch's own mean and variance do that.",
            lambda *arguments: _step(*arguments, using="new averages"),
        ),
        Mistake(
            "old averages used",
            "You normalised by the averages that came in: in training the batch's own mean and variance do that.",
            lambda *arguments: _step(*arguments, using="old averages"),
        ),
        Mistake(
            "epsilon outside",
            "Your epsilon is added to the standard deviation: it belongs to the variance, inside the root. Where the "
            "variance is small, this makes a difference.",
            lambda *arguments: _step(*arguments, using="epsilon outside"),
        ),
        Mistake(
            "standard deviations kept",
            "Your third result is an average of standard deviations: what is kept is the variance.",
            lambda *arguments: _step(*arguments, keep=np.sqrt),
        ),
        Mistake(
            "one less",
            "Your variance divides by one less than the number of values. Keras takes the plain mean of the squares.",
            lambda *arguments: _step(*arguments, ddof=1),
        ),
        Mistake(
            "averages not moved",
            "The batch is normalised as it should be, but your averages have not moved.",
            lambda x, g, b, mean, variance, momentum: (_step(x, g, b, mean, variance, momentum)[0], mean, variance),
        ),
    ),
)

# --- 4 · find the bug: a block that is always in use ---------------------------------------------------------

SIDE, CHANNELS, FILTERS = 6, 3, 4

FROZEN = Mistake(
    "frozen",
    "After some steps of `fit` its moving_mean is still full of zeros: the block tells its normalisation, in training "
    "too, that this is not training.",
)
ALWAYS_TRAINING = Mistake(
    "always training",
    "Now it normalises by the batch in use as well: what comes out for a picture depends on the pictures beside it.",
)
REMOVED = Mistake(
    "removed",
    "No layer in your block keeps a moving mean: leave the layers as they are and mend how they are called.",
)
NO_ACTIVATION = Mistake(
    "no activation",
    "Negative numbers come out of your block: the ReLU at its end is gone.",
)


def _check_block(answer):
    """Train a net with the learner's block for some steps, and look at what it does, not at how it is written."""
    import keras

    if not callable(answer) or isinstance(answer, keras.layers.Layer):
        return Verdict(INCORRECT, "Hand in the class itself, without (): the check makes a block of its own.")
    with learners_code(f"making a block with {FILTERS} filters"):
        block = answer(FILTERS)
    if is_empty(block):
        raise NotAttempted
    if not isinstance(block, keras.layers.Layer):
        return Verdict(INCORRECT, "A class of layers is expected, made with the number of its filters.")
    inputs = keras.Input((SIDE, SIDE, CHANNELS))
    with learners_code("calling the block"):
        maps = block(inputs)
    if is_empty(maps):
        raise NotAttempted
    if tuple(getattr(maps, "shape", ())) != (None, SIDE, SIDE, FILTERS):
        return Verdict(INCORRECT, f"The block should make {FILTERS} maps as large as its input, with `same` padding.")
    averages = [v for v in block.non_trainable_variables if v.path.endswith("moving_mean")]
    if not averages:
        return REMOVED.verdict()

    rng = np.random.default_rng(2024)
    x = rng.random((32, SIDE, SIDE, CHANNELS), np.float32)
    model = keras.Model(inputs, keras.layers.Dense(2)(keras.layers.Flatten()(maps)))
    # Eager, because for a few steps the compiling takes longer than the work.
    model.compile(keras.optimizers.SGD(0.01), "mse", run_eagerly=True)
    with learners_code("training the block", first=False):
        model.fit(x, np.zeros((len(x), 2), np.float32), batch_size=8, epochs=1, shuffle=False, verbose=0)
    if not all(np.any(np.asarray(v)) for v in averages):
        return FROZEN.verdict()
    in_use = keras.Model(inputs, maps)
    with learners_code("training the block", first=False):
        dim, bright = (np.asarray(in_use(factor * x, training=True)) for factor in (10, 100))
    if not np.allclose(dim, bright, atol=0.05):
        return Verdict(
            INCORRECT,
            "In training your block normalises by its averages, not by the batch: multiply the pictures by 10, and what "
            "comes out changes.",
        )
    with learners_code("using the block", first=False):
        alone, together = np.asarray(in_use(x[:4])), np.asarray(in_use(x))
    if not np.allclose(alone, together[:4], atol=1e-4):
        return ALWAYS_TRAINING.verdict()
    if together.min() < -1e-6:
        return NO_ACTIVATION.verdict()
    return Verdict(CORRECT)


asleep = Exercise(
    "batch-normalisation.asleep",
    idea="A word written into the call overrules what fit says. Hand on what you are told, or say nothing.",
    hints=(
        "Put the block into a network, train it for a step, and print moving_mean. Which number should have moved?",
        "Which layers behave in two ways? Who tells the block's inner layers which of the two it is?",
        "Neither True nor False is right as a fixed word. Let the block be told, in an argument of its `call`.",
    ),
    mistakes=(FROZEN, ALWAYS_TRAINING, REMOVED, NO_ACTIVATION),
    checker=_check_block,
)

EXERCISES = (moving, two_channels, step, asleep)
