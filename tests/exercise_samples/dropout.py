"""Sample answers of the chapter "Dropout"."""

import itertools
import math

import numpy as np

from exercise_samples import Later, Sample, stub


def keras_threes():
    """Ask the layer itself for the survivors' value; mean and variance follow from the two values."""
    from keras import layers

    layer = layers.Dropout(0.75, seed=0)
    y = np.asarray(layer(np.full((100, 100), 3.0, "float32"), training=True))
    kept = float(y.max())
    mean = 0.25 * kept
    return kept, mean, 0.25 * (kept - mean) ** 2 + 0.75 * mean**2, float(layer(np.full((1, 1), 3.0)).numpy().max())


def four_units_case_by_case():
    """Add up all sixteen masks."""
    terms, rate = (6, -10, 6, 8), 0.2
    one_gone = mean = square = 0
    for mask in itertools.product((0, 1), repeat=4):
        chance = math.prod(1 - rate if kept else rate for kept in mask)
        y = sum(term * kept for term, kept in zip(terms, mask, strict=True)) / (1 - rate)
        one_gone += chance * (sum(mask) == 3)
        mean += chance * y
        square += chance * y**2
    return [one_gone, (6 - 10 + 8) / (1 - rate), mean, square - mean**2]


def inverted(x, rate, training, rng):
    if not training:
        return x
    return x * (rng.random(x.shape) >= rate) / (1 - rate)


def inverted_by_binomial(x, rate, training, rng):
    return x * (rng.binomial(1, 1 - rate, x.shape) / (1 - rate) if training else 1)


def masked(kept, x, rate):
    return np.where(kept, x / (1 - rate), 0)


def rate_kept(x, rate, training, rng):
    return masked(rng.random(x.shape) < rate, x, rate) if training else x


def divided_by_the_rate(x, rate, training, rng):
    return x * (rng.random(x.shape) >= rate) / (rate or 1) if training else x


def fixed_number(x, rate, training, rng):
    if not training:
        return x
    kept = np.arange(x.size) >= round(rate * x.size)
    return masked(rng.permutation(kept).reshape(x.shape), x, rate)


def in_place(x, rate, training, rng):
    if training:
        x *= (rng.random(x.shape) >= rate) / (1 - rate)
    return x


def there_and_back(x, dy, rate, rng, mask_of=lambda kept, y: kept, scaled=True):
    kept = rng.random(x.shape) >= rate
    y = np.where(kept, x, 0) / (1 - rate)
    return y, dy * mask_of(kept, y) / (1 - rate if scaled else 1)


def one_mask_with_its_factor(x, dy, rate, rng):
    mask = rng.choice([0, 1 / (1 - rate)], size=x.shape, p=[rate, 1 - rate])
    return [x * mask, mask * dy]


def broken_step(x, dy, rate, rng):
    """The function as the chapter prints it."""
    kept = rng.random(x.shape) >= rate
    y = np.where(kept, x, 0) / (1 - rate)
    kept = rng.random(x.shape) >= rate
    dx = np.where(kept, dy, 0)
    return y, dx


def second_mask(x, dy, rate, rng):
    y, dx = broken_step(x, dy, rate, rng)
    return y, dx / (1 - rate)


SAMPLES = {
    "threes": Sample(
        Later(keras_threes),
        np.array([3 / (1 - 0.75), 3, 9 * 0.75 / 0.25, 3]),
        (None, None, None, None),
        {
            "not scaled": (3, 0.75, 9 * 0.75 * 0.25, 3),
            "divided by the rate": (4, 1, 3, 3),
            "mean falls": (12, 0.75, 27, 3),
            "standard deviation": (12, 3, 27**0.5, 3),
            "variance of ones": (12, 3, 3, 3),
            "scaled in use": (12, 3, 27, 0.75),
        },
    ),
    "four-units": Sample(
        Later(four_units_case_by_case),
        (4 * 0.2 * 0.8**3, 5, 10, 0.25 * (36 + 100 + 36 + 64)),
        (None, None, None, None),
        {
            "one certain unit": (0.2 * 0.8**3, 5, 10, 59),
            "at least one": (1 - 0.8**4, 5, 10, 59),
            "not scaled": (0.4096, 4, 10, 59),
            "scaled by three of four": (0.4096, 16 / 3, 10, 59),
            "mean falls": (0.4096, 5, 8, 59),
            "square of the sum": (0.4096, 5, 10, 25),
            "unscaled variance": (0.4096, 5, 10, 0.16 * 236),
        },
    ),
    "inverted": Sample(
        inverted,
        inverted_by_binomial,
        stub,
        {
            "nothing dropped": lambda x, rate, training, rng: x,
            "drops in use": lambda x, rate, training, rng: inverted(x, rate, True, rng),
            "scaled in use": lambda x, rate, training, rng: (
                inverted(x, rate, True, rng) if training else x * (1 - rate)
            ),
            "not scaled": lambda x, rate, training, rng: x * (rng.random(x.shape) >= rate) if training else x,
            "divided by the rate": divided_by_the_rate,
            "rate is kept": rate_kept,
            "fixed number": fixed_number,
            "one mask for all rows": lambda x, rate, training, rng: (
                masked(rng.random(x.shape[-1]) >= rate, x, rate) if training else x
            ),
            "whole rows": lambda x, rate, training, rng: (
                masked(rng.random((x.shape[0], 1)) >= rate, x, rate) if training else x
            ),
            "own random numbers": lambda x, rate, training, rng: inverted(x, rate, training, np.random.default_rng()),
            "same mask again": lambda x, rate, training, rng: inverted(x, rate, training, np.random.default_rng(0)),
            "in place": in_place,
        },
        near_misses=[
            (lambda x, rate, training, rng: inverted(x, rate, training, rng).tolist(), "not a list"),
            (lambda x, rate, training, rng: inverted(x, rate, training, rng)[0], "shape"),
            (lambda x, rate, training, rng: np.round(inverted(x, rate, training, rng)).astype(int), "Whole numbers"),
            (lambda x, rate, training, rng: inverted(x, (1 + rate) / 2, training, rng), "wrong factor"),
            (lambda x, rate, training, rng: masked(rng.random(x.shape) >= 0.5, x, rate) if training else x, "chance"),
            (lambda x, rate, training, rng: 0 * x if training else x, "some have to stay"),
            (lambda x, rate, training, rng: inverted(x, rate, True, rng) if training else 2 * x, "too"),
        ],
        inputs={
            "training and use": lambda cases: {case[2] for case in cases} == {True, False},
            "a rate of 0": lambda cases: any(case[1] == 0 for case in cases),
            "a rate below and one above a half": lambda cases: (
                min(c[1] for c in cases) < 0.5 < max(c[1] for c in cases)
            ),
            "no zero in x": lambda cases: all(np.all(case[0] != 0) for case in cases),
        },
    ),
    "find-the-bug": Sample(
        there_and_back,
        one_mask_with_its_factor,
        stub,
        {
            "as given": broken_step,
            "second mask": second_mask,
            "gradient not scaled": lambda *case: there_and_back(*case, scaled=False),
            "no mask on the way back": lambda *case: there_and_back(*case, mask_of=lambda kept, y: 1),
            "mask read off y": lambda *case: there_and_back(*case, mask_of=lambda kept, y: y != 0),
        },
        near_misses=[
            (lambda *case: there_and_back(*case)[0], "two arrays"),
            (lambda *case: (there_and_back(*case)[0], there_and_back(*case)[1].tolist()), "dx: A NumPy array"),
            (lambda x, dy, rate, rng: (x, dy), "y is wrong"),
            (lambda *case: (there_and_back(*case)[0], 2 * there_and_back(*case)[1]), "y"),
        ],
        inputs={
            "zeros in x, as behind a ReLU": lambda cases: all(np.any(case[0] == 0) for case in cases),
            "more than one rate": lambda cases: len({case[2] for case in cases}) > 1,
        },
    ),
}
