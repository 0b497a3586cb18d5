"""Exercises of the chapter "CIFAR-10"."""

import numpy as np

from cnnlib.exercises._model import (
    CORRECT,
    INCORRECT,
    Exercise,
    Mistake,
    Verdict,
    call,
    function_exercise,
    value_exercise,
)

# --- 1 · predict, then run: bytes ---------------------------------------------------------------------------

IMAGES, PICTURE = 50_000, (32, 32, 3)
NUMBERS = IMAGES * int(np.prod(PICTURE))


def _bytes_each(scale=None):
    """Return the bytes of one number of a uint8 picture, as NumPy leaves it after `scale`."""
    picture = np.zeros(PICTURE, np.uint8)
    return (scale(picture) if scale else picture).itemsize


memory = value_exercise(
    "cifar10.memory",
    idea="A uint8 array divided by 255.0 comes out as float64: eight bytes a number, twice what training needs.",
    hints=(
        "How many numbers are there in all? Multiply pictures, rows, columns and colours.",
        "uint8 means 8 bits. How many bytes is that?",
        "What dtype does NumPy give to uint8 / 255.0? Try it on an array of one number.",
    ),
    truth=lambda: (NUMBERS * _bytes_each(), NUMBERS * _bytes_each(lambda x: x / 255.0)),
    mistakes=(
        Mistake(
            "float32",
            "You counted four bytes after the division, those of float32: NumPy does not stop there by itself.",
            lambda: (None, NUMBERS * _bytes_each(lambda x: x / np.float32(255))),
        ),
        Mistake(
            "same dtype",
            "You let the array keep its size: a uint8 cannot hold 0.5, so the division makes another dtype.",
            lambda: (None, NUMBERS * _bytes_each()),
        ),
        Mistake(
            "one colour",
            "You counted one number a pixel: a colour pixel has three.",
            lambda: (NUMBERS // PICTURE[-1], None),
        ),
        Mistake(
            "bits",
            "You counted bits: eight bits make one byte.",
            lambda: (8 * NUMBERS, None),
        ),
        Mistake(
            "megabytes",
            "Your unit is the megabyte: the question asks for bytes.",
            lambda: (NUMBERS / 1e6, None),
        ),
    ),
)

# --- 2 · by hand: how far chance alone moves an accuracy ----------------------------------------------------

CLASSES = 10
TEST_IMAGES, VALIDATION_IMAGES = 10_000, 5_000
ACCURACY = 0.6  # of the model that is measured on the validation images


def _standard_error(p, n):
    return float(np.sqrt(p * (1 - p) / n))


chance = value_exercise(
    "cifar10.chance",
    idea="An accuracy is a mean over pictures, so it has a standard error; differences below it say little.",
    hints=(
        "The guess does not look at the picture. How often does one of ten equally likely classes come up?",
        "Right or wrong is a coin with probability p: its variance is p * (1 - p).",
        "The variance of a mean of n such coins is n times smaller; the standard error is its square root.",
    ),
    truth=lambda: (
        1 / CLASSES,
        _standard_error(1 / CLASSES, TEST_IMAGES),
        _standard_error(ACCURACY, VALIDATION_IMAGES),
    ),
    rtol=0.02,
    mistakes=(
        Mistake(
            "percent",
            "You answered in percent: here an accuracy is a number from 0 to 1.",
            lambda: (100 / CLASSES, None, None),
        ),
        Mistake(
            "variance",
            "You gave the variance of the mean: the standard error is its square root.",
            lambda: (None, _standard_error(1 / CLASSES, TEST_IMAGES) ** 2, None),
        ),
        Mistake(
            "one picture",
            "You gave the spread of a single picture: a mean over n pictures spreads sqrt(n) times less.",
            lambda: (None, _standard_error(1 / CLASSES, 1), None),
        ),
        Mistake(
            "divided by n",
            "You divided the spread of one picture by n: the variance shrinks n times, the spread sqrt(n) times.",
            lambda: (None, _standard_error(1 / CLASSES, 1) / TEST_IMAGES, None),
        ),
        Mistake(
            "chance again",
            "For the third number you took the guess's accuracy again: this model is right more often.",
            lambda: (None, None, _standard_error(1 / CLASSES, VALIDATION_IMAGES)),
        ),
    ),
)

# --- 3 · write the function: a stratified split -------------------------------------------------------------

LOST = Mistake(
    "lost",
    "Some pictures are in neither part: every index must stand in one of the two.",
)
TWICE = Mistake(
    "twice",
    "Some pictures are in both parts: a validation picture that was trained on proves nothing.",
)
REPEATED = Mistake(
    "repeated",
    "A part holds a picture more than once: draw without putting back what was drawn.",
)
UNBALANCED = Mistake(
    "unbalanced",
    "The classes are not equal in the validation part: take `per_class` pictures from each class by itself.",
)
NOT_DRAWN = Mistake(
    "not drawn",
    "Two generators with different seeds give the same split: draw the pictures with `rng`, do not take the "
    "first ones.",
)
OTHER_DICE = Mistake(
    "other dice",
    "Two generators with the same seed give different splits: draw with the `rng` you are given and nothing else.",
)
SPLIT_FORM = "Return two lists of whole numbers, the training indices and the validation indices"


def _index_set(part):
    """Return one part of the learner's split as a sorted list of ints, or None where it is no such thing."""
    if type(part) not in (list, tuple, np.ndarray):
        return None
    if type(part) is not np.ndarray and not all(type(i) is int or isinstance(i, np.integer) for i in part):
        return None
    indices = np.array(part, int) if len(part) == 0 else np.array(part)
    return sorted(indices.tolist()) if indices.ndim == 1 and indices.dtype.kind in "iu" else None


def _split(function, labels, per_class, seed, first=False):
    """Return the learner's split as two sorted lists of indices, or the Verdict on what is not one."""
    case = {"labels": labels, "per_class": per_class, "rng": np.random.default_rng(seed)}
    outcome = call(function, case, first)
    if type(outcome) not in (tuple, list) or len(outcome) != 2:
        return Verdict(INCORRECT, f"{SPLIT_FORM}; yours is a value of type {type(outcome).__name__}.")
    parts = [_index_set(part) for part in outcome]
    for name, part in zip(("training", "validation"), parts, strict=True):
        if part is None:
            return Verdict(INCORRECT, f"{SPLIT_FORM}; your {name} part is no flat list or array of them.")
    return parts


def _check_split(answer):
    if not callable(answer):
        return Verdict(INCORRECT, "Hand in the function itself: its name, without quotes and without ().")
    rng = np.random.default_rng(2024)
    # Few and many classes, unequal ones, and one that goes to validation whole; labels of shape (N, 1) as in
    # the data set.
    cases = [
        (np.repeat(np.arange(10), 12), 3),
        (np.repeat([0, 1, 2], [9, 5, 30]), 4),
        (np.repeat([0, 1], [2, 40]), 2),
    ]
    for number, (labels, per_class) in enumerate(cases):
        labels = rng.permutation(labels).astype(np.uint8)[:, None]
        split = _split(answer, labels, per_class, seed=1, first=number == 0)
        if isinstance(split, Verdict):
            return split
        train, validation = split
        if set(train) & set(validation):
            return TWICE.verdict()
        if len(set(train)) < len(train) or len(set(validation)) < len(validation):
            return REPEATED.verdict()
        if set(train) | set(validation) != set(range(len(labels))):
            return LOST.verdict()
        counts = [int(np.sum(labels[validation] == c)) for c in np.unique(labels)]
        if counts != [per_class] * len(counts):
            return UNBALANCED.verdict()
        if _split(answer, labels, per_class, seed=1) != split:
            return OTHER_DICE.verdict()
        if _split(answer, labels, per_class, seed=2) == split:
            return NOT_DRAWN.verdict()
    return Verdict(CORRECT)


stratified_split = Exercise(
    "cifar10.split",
    idea="Drawn class by class, kept apart from training, the same for the same seed: a split to choose models by.",
    hints=(
        "Solve it for one class first: which positions of `labels` hold it? Mind that `labels` is a column.",
        "Of these positions some go to validation. Which method of `rng` draws several things from a list, and "
        "how do you keep it from drawing one of them twice?",
        "Do so for each class and collect what was drawn. All other indices are for training: how can you tell "
        "them from those that were drawn?",
    ),
    mistakes=(TWICE, REPEATED, LOST, UNBALANCED, OTHER_DICE, NOT_DRAWN),
    checker=_check_split,
)

# --- 4 · find the bug: standardise --------------------------------------------------------------------------

CHANNEL_AXES, PIXEL_AXES = (0, 1, 2), (0,)


def _standardise(x_train, x_test, axes=CHANNEL_AXES, source="train", ddof=0):
    """Standardise both sets with the statistics of `source` over `axes`; what the mistakes differ in.

    The deviation divides by the number of values minus `ddof`.
    """
    x_train, x_test = x_train / 255.0, x_test / 255.0
    sources = {
        "train": (x_train, x_train),
        "own": (x_train, x_test),
        "both": (np.concatenate([x_train, x_test]),) * 2,
    }
    pairs = zip((x_train, x_test), sources[source], strict=True)
    return tuple((x - s.mean(axes)) / s.std(axes, ddof=ddof) for x, s in pairs)


def _standardise_cases(rng):
    tint = np.array([40, 0, 90])
    return [
        {
            "x_train": (rng.integers(0, 120, (train, 4, 5, 3)) + tint).astype(np.uint8),
            "x_test": (rng.integers(60, 160, (test, 4, 5, 3)) + tint).astype(np.uint8),
        }
        for train, test in [(12, 6), (30, 5), (8, 7)]
    ]


standardise = function_exercise(
    "cifar10.standardise",
    idea="One mean and one deviation a colour, from the training pictures alone, for every picture there will be.",
    hints=(
        "Print the shape of what is subtracted. How many numbers should it have for three colours?",
        "After the mend the test pictures do not have mean 0 and deviation 1: that is right. Why?",
        "In use a model sees one picture at a time: which statistics can it know then?",
    ),
    truth=_standardise,
    cases=_standardise_cases,
    mistakes=(
        Mistake(
            "as given",
            "This still has both bugs: one in the axes of the mean, one in the pictures that the mean comes from.",
            lambda x_train, x_test: _standardise(x_train, x_test, PIXEL_AXES, "own"),
        ),
        Mistake(
            "test statistics",
            "The test pictures are still standardised with their own statistics: the model would see the "
            "whole test set before its exam.",
            lambda x_train, x_test: _standardise(x_train, x_test, source="own"),
        ),
        Mistake(
            "per pixel",
            "The statistics come from the right pictures, but each pixel has its own: a colour needs one "
            "mean over all pictures, rows and columns.",
            lambda x_train, x_test: _standardise(x_train, x_test, PIXEL_AXES),
        ),
        Mistake(
            "both together",
            "Your statistics mix training and test pictures: nothing of the test set may flow into preparation.",
            lambda x_train, x_test: _standardise(x_train, x_test, source="both"),
        ),
        Mistake(
            "all colours in one",
            "You take one mean for all colours: red, green and blue each have their own.",
            lambda x_train, x_test: _standardise(x_train, x_test, (0, 1, 2, 3)),
        ),
        Mistake(
            "sample deviation",
            "Your deviation divides by n - 1, as for guessing that of a larger whole from a sample: divide by n, "
            "so that the training pictures themselves come out with deviation 1.",
            lambda x_train, x_test: _standardise(x_train, x_test, ddof=1),
        ),
    ),
)

EXERCISES = (memory, chance, stratified_split, standardise)
