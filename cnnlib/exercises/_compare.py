"""Compare an answer with the truth, and say what differs without saying the truth.

Only plain values are compared: exactly int, float, Fraction, NumPy's numbers and arrays of numbers, and
tuples or lists of these. Any other object is turned down unasked: one whose `==` always says True gains nothing.
"""

from fractions import Fraction

import numpy as np

ATOL = 1e-6  # absolute slack, for truths that are or come near 0
FLOAT32 = 1e-5  # of an array's largest number: what float32 may lose where large numbers cancel


def difference(answer, truth, rtol):
    """Return None where the answer equals the truth, else one sentence on what differs.

    truth: a number, an array, or a tuple of these. rtol: the relative error allowed where the truth is no integer.
    Inside a tuple, None matches any answer. In an answer, a plain tuple or list may stand for an array and the
    other way round.
    """
    if truth is None:
        return None
    if isinstance(truth, tuple):
        return _parts_difference(answer, truth, rtol)
    try:
        numbers = _numbers(answer)
    except _NotPlain as problem:
        return str(problem)
    truth = np.asarray(truth)
    if truth.dtype.kind in "iu":
        rtol = 0  # a count is right or wrong: 128 biases must not drown in 19 million weights
    return _number_difference(numbers, truth.astype(np.float64), rtol)


class _NotPlain(Exception):
    """The answer is not made of plain numbers."""


def _parts_difference(answer, truth, rtol):
    whole = None
    if type(answer) is np.ndarray and answer.ndim:
        whole, answer = answer.shape, list(answer)
    if type(answer) not in (tuple, list):
        return f"A tuple of {len(truth)} parts is expected, not {_kind(answer)}."
    if len(answer) != len(truth) and all(np.ndim(part) == 0 for part in truth):
        flat = [one for part in answer for one in (part if type(part) in (tuple, list, np.ndarray) else [part])]
        answer = flat if len(flat) == len(truth) else answer  # two triples may stand for six numbers
    if len(answer) != len(truth) and whole is not None:
        return f"{len(truth)} parts are expected, and yours is one array of shape {whole}."
    if len(answer) != len(truth):
        return f"{len(truth)} parts are expected and your answer has {len(answer)}."
    for number, (part, true_part) in enumerate(zip(answer, truth, strict=True), start=1):
        empty = (part is None or part is Ellipsis) and true_part is not None
        problem = "It is still empty." if empty else difference(part, true_part, rtol)
        if problem:
            return f"Part {number} of {len(truth)}: {problem[0].lower()}{problem[1:]}"
    return None


def _number_difference(numbers, truth, rtol):
    if numbers.shape != truth.shape:
        return f"The shape is {_shape(numbers)} and should be {_shape(truth)}."
    finite = np.abs(truth[np.isfinite(truth)])
    atol = max(ATOL, FLOAT32 * finite.max()) if rtol and truth.ndim and finite.size else ATOL
    close = np.isclose(numbers, truth, rtol=rtol, atol=atol, equal_nan=True)
    if close.all():
        return None
    odd = np.isnan(numbers) & ~np.isnan(truth)
    if odd.any():
        return f"There is a NaN{_place(odd)}: was something divided by zero?"
    place = tuple(np.argwhere(~close)[0])
    side = "too large" if numbers[place] > truth[place] else "too small"
    if not truth.ndim:
        return f"The number is {side}."
    wrong = f"{np.sum(~close)} of {close.size} numbers are not"
    return f"The shape is right, but {wrong}; the first{_place(~close)} is {side}."


def _numbers(value):
    """Return a plain value as a float64 array. Raises _NotPlain, which says what is expected."""
    kind = type(value)
    if kind in (int, float, Fraction):
        try:
            return np.asarray(float(value))
        except OverflowError:  # beyond any float
            return np.asarray(np.inf if value > 0 else -np.inf)
    if issubclass(kind, np.integer | np.floating) and kind.__module__ == "numpy":
        return np.asarray(value, np.float64)
    if kind is np.ndarray and value.dtype.kind in "iuf":
        return value.astype(np.float64)
    if kind is tuple or kind is list:
        parts = [_numbers(part) for part in value]
        if len({part.shape for part in parts}) > 1:
            raise _NotPlain("The rows of your answer have different lengths: every row needs the same.")
        return np.array(parts, np.float64)
    raise _NotPlain(
        f"A plain number or a NumPy array of numbers is expected, not {_kind(value)}."
        + (" Leave out the quotes." if kind is str else "")
        + (" Its .numpy() gives one." if callable(getattr(kind, "numpy", None)) else "")
    )


def _kind(value):
    if type(value) is np.ndarray:
        return f"an array of dtype {value.dtype} and shape {value.shape}"
    return f"a value of type {type(value).__name__}"


def _shape(array):
    return "() (a single number)" if array.ndim == 0 else str(array.shape)


def _place(where):
    """Return " at position (i, j)" of the first True, or nothing for a single number."""
    if not where.ndim:
        return ""
    return f" at position {tuple(int(i) for i in np.argwhere(where)[0])}"
