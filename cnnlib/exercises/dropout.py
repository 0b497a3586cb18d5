"""Exercises of the chapter "Dropout"."""

import math

import numpy as np

from cnnlib.exercises._compare import difference
from cnnlib.exercises._model import (
    CORRECT,
    INCORRECT,
    Exercise,
    Mistake,
    Verdict,
    call,
    describe,
    learners_code,
    value_exercise,
)

# --- 1 · predict, then run: a layer full of threes ----------------------------------------------------------

LEVEL, HIGH_RATE = 3.0, 0.75


def _noise(x, rate, scale):
    """Return what is kept, the mean and the variance where survivors are multiplied by `scale`."""
    kept = x * scale
    mean = (1 - rate) * kept
    return kept, mean, (1 - rate) * kept**2 - mean**2


_right = _noise(LEVEL, HIGH_RATE, 1 / (1 - HIGH_RATE))
_bare = _noise(LEVEL, HIGH_RATE, 1)

predict = value_exercise(
    "dropout.threes",
    idea="Survivors are divided by 1 - rate: the mean stays, the noise grows with the rate, and in use nothing happens.",
    hints=(
        "Which part of the numbers survives? The survivors have to make up for all of them.",
        "There are only two values behind the layer. Write down each with its probability: that gives the mean.",
        "Variance: the mean of the squares, minus the square of the mean. In use, read what the layer does again.",
    ),
    truth=lambda: (*_right, LEVEL),
    mistakes=(
        Mistake(
            "not scaled",
            "You kept the survivors as they are: then the mean behind the layer is smaller than the mean before it.",
            lambda: (*_bare, None),
        ),
        Mistake(
            "divided by the rate",
            "You divided by the rate, the share that is lost: divide by the share that is left.",
            lambda: (LEVEL / HIGH_RATE, None, None, None),
        ),
        Mistake(
            "mean falls",
            "Your survivors are right, but not the mean: what is added to the few is what the others lost.",
            lambda: (_right[0], _bare[1], None, None),
        ),
        Mistake(
            "standard deviation",
            "All but the third are right, and the third is the standard deviation: its square is asked for.",
            lambda: (_right[0], _right[1], math.sqrt(_right[2]), None),
        ),
        Mistake(
            "variance of ones",
            "Your variance is that of a layer full of ones: three times the number has more than three times the variance.",
            lambda: (_right[0], _right[1], HIGH_RATE / (1 - HIGH_RATE), None),
        ),
        Mistake(
            "scaled in use",
            "In training all is right. In use you shrink the numbers: the paper does that, Keras has scaled already.",
            lambda: (*_right, LEVEL * (1 - HIGH_RATE)),
        ),
    ),
)

# --- 2 · by hand: one unit behind four ----------------------------------------------------------------------

INPUTS, WEIGHTS, RATE, GONE = np.array([2.0, 5.0, 6.0, 4.0]), np.array([3.0, -2.0, 1.0, 2.0]), 0.2, 2
TERMS = INPUTS * WEIGHTS
WITHOUT_ONE = TERMS.sum() - TERMS[GONE]


def _exactly(count, rate=RATE):
    """Return the probability that exactly `count` of the units are dropped."""
    n = len(INPUTS)
    return math.comb(n, count) * rate**count * (1 - rate) ** (n - count)


by_hand = value_exercise(
    "dropout.four-units",
    idea="Each unit draws for itself. Means add up, variances of independent terms too, each with its own square.",
    hints=(
        "One certain unit dropped, the others kept: which probability has that? And how many such cases are there?",
        "For the second number leave one product out, and do not forget what happens to the survivors.",
        "Take a single product first: two values, two probabilities. Its mean? Its variance? Then add up the four.",
    ),
    truth=lambda: (_exactly(1), WITHOUT_ONE / (1 - RATE), TERMS.sum(), np.sum(TERMS**2) * RATE / (1 - RATE)),
    rtol=2e-3,  # two digits will do
    mistakes=(
        Mistake(
            "one certain unit",
            "Your probability is that of one certain unit: any one of the four may be the one that is missing.",
            lambda: (_exactly(1) / len(INPUTS), None, None, None),
        ),
        Mistake(
            "at least one",
            "Your probability counts the cases with more than one dropped unit too: exactly one is asked for.",
            lambda: (1 - _exactly(0), None, None, None),
        ),
        Mistake(
            "not scaled",
            "In your step the survivors are not scaled.",
            lambda: (None, WITHOUT_ONE, None, None),
        ),
        Mistake(
            "scaled by three of four",
            "You scaled by what this one mask kept: the factor belongs to the rate and is the same for every mask.",
            lambda: (None, WITHOUT_ONE * len(INPUTS) / (len(INPUTS) - 1), None, None),
        ),
        Mistake(
            "mean falls",
            "Your mean is that of unscaled survivors: what does the scaling do to the mean of one product?",
            lambda: (None, None, TERMS.sum() * (1 - RATE), None),
        ),
        Mistake(
            "square of the sum",
            "You squared the sum. Four units draw on their own, so square each product and add up the squares.",
            lambda: (None, None, None, TERMS.sum() ** 2 * RATE / (1 - RATE)),
        ),
        Mistake(
            "unscaled variance",
            "Your variance is that of unscaled survivors: scaling stretches it by the square of the factor.",
            lambda: (None, None, None, np.sum(TERMS**2) * RATE * (1 - RATE)),
        ),
    ),
)

# --- 3 · write the function: inverted dropout ---------------------------------------------------------------


def _not_floats(outcome, shape):
    """Return what is wrong with an outcome that should be an array of floats, None where it is one."""
    if type(outcome) in (tuple, list):
        return "A NumPy array is expected, not a list or a tuple."
    if type(outcome) is np.ndarray and outcome.shape == shape and outcome.dtype.kind in "fiu":
        return None if outcome.dtype.kind == "f" else "Whole numbers come back: the factor has to be in them."
    return difference(outcome, np.zeros(shape), rtol=0)


SIGMAS = 6  # a right answer is turned down once in half a thousand million checks, whatever it draws

UNCHANGED = Mistake(
    "nothing dropped", "With training=True every number is still there, though the rate is above 0: where is the mask?"
)
DROPS_IN_USE = Mistake(
    "drops in use", "With training=False numbers are missing: in use the layer lets everything through."
)
SCALES_IN_USE = Mistake(
    "scaled in use",
    "With training=False you shrink the numbers. That is the paper's way. Here the scaling is done in training, so "
    "that nothing is left to do in use.",
)
NOT_SCALED = Mistake(
    "not scaled", "The mask is right, but the survivors are as they were: then the mean falls while training."
)
WRONG_FACTOR = Mistake(
    "divided by the rate", "The survivors are divided by the rate: divide by the probability of staying, not of going."
)
KEEPS_THE_RATE = Mistake(
    "rate is kept", "You keep the share that should go: a rate of 0.2 loses two of ten numbers and not eight."
)
FIXED_COUNT = Mistake(
    "fixed number",
    "You always drop the same number of cells. Each cell draws for itself, so the number differs from call to call.",
)
ONE_ROW = Mistake(
    "one mask for all rows", "All rows have the same cells dropped: each picture of a batch gets a mask of its own."
)
WHOLE_ROWS = Mistake("whole rows", "Whole rows are dropped or kept, one draw for each: draw a number for every cell.")
OTHER_RANDOM = Mistake(
    "own random numbers",
    "Two generators with the same seed give two different masks here: draw from the rng that you are given.",
)
SAME_MASK = Mistake(
    "same mask again", "Two calls in a row give the same mask: do not make a new generator, go on with the given one."
)
IN_PLACE = Mistake("in place", "Your function overwrites the x that it was given: the caller may still need it.")


def _case(rng, shape, rate, training, seed):
    """Return the arguments of one call; no number of x is 0, so that a 0 behind the layer is a dropped one."""
    x = rng.uniform(0.5, 2, shape) * rng.choice([-1, 1], shape)
    return {"x": x, "rate": rate, "training": training, "rng": np.random.default_rng(seed)}


def _check_dropout(answer):
    """Look at what the function does to many numbers: whichever way it draws, a right one keeps these rules."""
    if not callable(answer):
        return Verdict(INCORRECT, "Hand in the function itself: its name, without quotes and without ().")
    rng = np.random.default_rng(2024)
    for number, rate in enumerate((0.2, 0.75)):
        case = _case(rng, (60, 50), rate, True, seed=number)
        x = case["x"]
        first = call(answer, case, first=number == 0)
        problem = _not_floats(first, x.shape)
        if problem:
            return Verdict(INCORRECT, f"With {describe(case)}: {problem}")
        verdict = _mask_verdict(first, x, rate)
        # `call` hands over copies, so this is the same seed once more.
        if verdict is None and not np.array_equal(first, call(answer, case, first=False)):
            verdict = OTHER_RANDOM.verdict()
        verdict = verdict or _draws_verdict(answer, x[:4], rate)
        if verdict:
            return verdict
    for rate, training in ((0.4, False), (0.0, True), (0.0, False)):
        case = _case(rng, (30, 20), rate, training, seed=7)
        result = call(answer, case, first=False)
        problem = difference(result, case["x"], rtol=1e-6)
        if problem is None:
            continue
        if not training and difference(result, case["x"] * (1 - rate), rtol=1e-6) is None:
            return SCALES_IN_USE.verdict()
        if not training and type(result) is np.ndarray and result.shape == (30, 20) and np.any(result == 0):
            return DROPS_IN_USE.verdict()
        return Verdict(INCORRECT, f"With {describe(case)}: {problem}")
    return Verdict(CORRECT)


def _mask_verdict(result, x, rate):
    """Return the verdict on one result in training, None where it could be right."""
    kept = result != 0
    if kept.all():
        return UNCHANGED.verdict()
    if not kept.any():
        return Verdict(INCORRECT, f"With rate = {rate} every number is dropped: some have to stay.")
    if (kept == kept[:, :1]).all():
        return WHOLE_ROWS.verdict()
    factors = (result / x)[kept]
    slack = SIGMAS * math.sqrt(rate * (1 - rate) / x.size)
    if abs(kept.mean() - (1 - rate)) > slack and abs(kept.mean() - rate) <= slack:
        return KEEPS_THE_RATE.verdict()
    if np.ptp(factors) > 1e-4:
        return Verdict(INCORRECT, "The survivors are not all multiplied by the same factor.")
    for factor, mistake in ((1, NOT_SCALED), (1 / rate, WRONG_FACTOR)):
        if np.isclose(factors.mean(), factor, rtol=1e-4):
            return mistake.verdict()
    if not np.isclose(factors.mean(), 1 / (1 - rate), rtol=1e-4):
        return Verdict(INCORRECT, "The survivors are multiplied by the wrong factor: should their mean not stay?")
    if (kept == kept[0]).all():
        return ONE_ROW.verdict()
    if abs(kept.mean() - (1 - rate)) > slack:
        side = "few" if kept.mean() > 1 - rate else "many"
        return Verdict(INCORRECT, f"Too {side} numbers are dropped with rate = {rate}, more than chance can explain.")
    return None


def _draws_verdict(answer, x, rate):
    """Return the verdict on many calls that share one generator, None where they could be right."""
    shared, given, results = np.random.default_rng(5), x.copy(), []
    for _ in range(25):
        with learners_code("called several times with one generator", first=False):
            results.append(np.array(answer(given, rate, True, shared)))
        if not np.array_equal(given, x):
            return IN_PLACE.verdict()
    if np.array_equal(results[0], results[1]):
        return SAME_MASK.verdict()
    if len({int(np.count_nonzero(result)) for result in results}) == 1:
        return FIXED_COUNT.verdict()
    return None


inverted = Exercise(
    "dropout.inverted",
    idea="A mask drawn cell by cell, survivors divided by 1 - rate, and nothing at all in use.",
    hints=(
        "Begin with the easy half: what comes back when training is False?",
        "rng.random(x.shape) gives a number from 0 to 1 for each cell. For which share of them is it below the rate?",
        "Test yourself on an array of ones with many cells: which two values come out, and what is their mean?",
    ),
    mistakes=(
        UNCHANGED,
        DROPS_IN_USE,
        SCALES_IN_USE,
        NOT_SCALED,
        WRONG_FACTOR,
        KEEPS_THE_RATE,
        FIXED_COUNT,
        ONE_ROW,
        WHOLE_ROWS,
        OTHER_RANDOM,
        SAME_MASK,
        IN_PLACE,
    ),
    checker=_check_dropout,
)

# --- 4 · find the bug: there and back -----------------------------------------------------------------------

AS_GIVEN = Mistake(
    "as given", "This still has both bugs: compare the places of the zeros in y and in dx, then the sizes."
)
FRESH_MASK = Mistake(
    "second mask", "The gradient is scaled now. But its zeros stand in other places than those of y: whose mask is it?"
)
GRADIENT_NOT_SCALED = Mistake(
    "gradient not scaled",
    "One mask for both now. But y is x times a factor, so the slope is that factor, on the way back too.",
)
NO_MASK = Mistake(
    "no mask on the way back", "Your gradient reaches dropped numbers as well: nothing that they do changes y."
)
ZERO_INPUTS = Mistake(
    "mask read off y",
    "You took every 0 in y for a dropped number. An x may be 0 and kept, as many are behind a ReLU: its gradient passes.",
)


def _check_there_and_back(answer):
    """Compare the gradient with the mask that y shows, whichever way the function draws it."""
    if not callable(answer):
        return Verdict(INCORRECT, "Hand in the function itself: its name, without quotes and without ().")
    rng = np.random.default_rng(2024)
    found = None
    for number, rate in enumerate((0.5, 0.2, 0.7)):
        x = np.maximum(rng.normal(size=(40, 30)), 0)  # behind a ReLU: half of it is 0
        case = {"x": x, "dy": rng.uniform(1, 2, x.shape), "rate": rate, "rng": np.random.default_rng(number)}
        outcome = call(answer, case, first=number == 0)
        where = f"With {describe(case)}: "
        if type(outcome) not in (tuple, list) or len(outcome) != 2:
            return Verdict(INCORRECT, f"{where}two arrays are expected, y and dx.")
        for name, part in zip(("y", "dx"), outcome, strict=True):
            problem = _not_floats(part, x.shape)
            if problem:
                return Verdict(INCORRECT, f"{where}{name}: {problem}")
        found = found or _gradient_verdict(*outcome, case)
    return found or Verdict(CORRECT)


def _gradient_verdict(y, dx, case):
    """Return the verdict on one output and gradient, None where they are right."""
    x, dy, rate = case["x"], case["dy"], case["rate"]
    factor, slack = 1 / (1 - rate), SIGMAS * math.sqrt(rate * (1 - rate) / np.count_nonzero(x))
    on, kept = x != 0, y != 0
    if not np.allclose(y[kept], factor * x[kept], rtol=1e-5) or abs(kept[on].mean() - (1 - rate)) > slack:
        return Verdict(
            INCORRECT, "y is wrong now, and it was right before: survivors scaled, as many as the rate leaves."
        )
    slope, passes = dx / dy, dx != 0
    same = np.array_equal(passes[on], kept[on])
    size = slope[passes].mean() if passes.any() else 0.0
    if passes.all():
        return NO_MASK.verdict()
    if not same:
        return (AS_GIVEN if np.isclose(size, 1, rtol=1e-4) else FRESH_MASK).verdict()
    if np.allclose(slope[passes], 1, rtol=1e-4):
        return GRADIENT_NOT_SCALED.verdict()
    if not np.allclose(slope[passes], factor, rtol=1e-4):
        return Verdict(
            INCORRECT, "The zeros of dx stand in the right places, but the rest is not dy times the factor of y."
        )
    if not passes[~on].any():
        return ZERO_INPUTS.verdict()
    if abs(passes[~on].mean() - (1 - rate)) > slack:
        return Verdict(INCORRECT, "Where x is 0, the mask of dx is not the one that y was made with.")
    return None


there_and_back = Exercise(
    "dropout.find-the-bug",
    idea="Back goes the way there: the same mask and the same factor. What was dropped learns nothing in this step.",
    hints=(
        "Call it with x and dy full of ones and a handful of cells. Print y, and dx below it.",
        "If a cell of y is 0 whatever x is, how much does y change when x changes a little?",
        "And where y is x times a factor: by how much does y change when x grows by 1?",
    ),
    mistakes=(AS_GIVEN, FRESH_MASK, GRADIENT_NOT_SCALED, NO_MASK, ZERO_INPUTS),
    checker=_check_there_and_back,
)

EXERCISES = (predict, by_hand, inverted, there_and_back)
