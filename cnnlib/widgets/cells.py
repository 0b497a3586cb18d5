"""What the calculators with a grid of cells share: lists of numbers from a reader, small pictures, numbers as text."""

import math
import numbers
from decimal import ROUND_HALF_UP, Decimal

import numpy as np

from cnnlib.widgets.base import words_of

LIMIT = 9999  # a larger number fits no cell


# --- numbers that a reader gives ------------------------------------------------------------------------------


def as_lists(value):
    """Return arrays and tuples, at any depth, as lists."""
    if isinstance(value, np.ndarray):
        return value.tolist()
    return [as_lists(item) for item in value] if isinstance(value, (list, tuple)) else value


def lengths(name, value) -> tuple[int, ...]:
    """Return the lengths of nested lists, which must be the same at each depth."""
    if not isinstance(value, list):
        return ()
    inner = sorted({lengths(name, item) for item in value})
    if len(inner) > 1:
        one, other = ("numbers" if not shape else f"{shape[0]} cells" for shape in (inner[0], inner[-1]))
        raise ValueError(f"{name} has rows of {one.removesuffix(' cells')} and of {other}: use one length for all")
    return (len(value), *(inner[0] if inner else ()))


def numbers_of(name, value):
    """Return numbers in lists, at any depth, each checked as `number_of` does."""
    if isinstance(value, list):
        return [numbers_of(f"{name}[{i}]", item) for i, item in enumerate(value)]
    return number_of(name, value)


def number_of(name, value):
    """Return value as an int or a float; what is finite and not too large to show."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, numbers.Real):
        raise TypeError(f"{name}={value!r} is not a number: use a number from -{LIMIT} to {LIMIT}")
    if not abs(value) <= LIMIT:
        raise ValueError(f"{name}={value} is out of range: use a number from -{LIMIT} to {LIMIT}")
    return int(value) if isinstance(value, numbers.Integral) else float(value)


# --- small pictures -------------------------------------------------------------------------------------------


def digits(text):
    """Return a preset's channel: one word a row, one base-36 digit a cell."""
    return [[int(digit, 36) for digit in row] for row in text.split()]


def scaled(picture, height, width):
    """Return the picture at another size: a cell is the mean, rounded, of the cells that it meets."""

    def spans(n, old):
        return [(i * old // n, -(-(i + 1) * old // n)) for i in range(n)]

    rows, columns = (spans(n, old) for n, old in zip((height, width), picture.shape, strict=True))
    return [[math.floor(picture[a:b, c:d].mean() + 0.5) for c, d in columns] for a, b in rows]


# --- numbers as text ------------------------------------------------------------------------------------------


def short(value) -> str:
    """Two decimals at most: 3, -0.5, 0.11. Halves go away from zero, as in the page's toFixed."""
    rounded = float(Decimal(float(value)).quantize(Decimal("0.01"), ROUND_HALF_UP))
    return f"{rounded or 0:.12g}"


def factor(value) -> str:
    """Return the number as a factor: one below 0 in brackets."""
    return f"({short(value)})" if value < 0 else short(value)


def sign(values) -> str:
    """Return "=" where all the numbers are what two decimals show of them, else "≈"."""
    return "=" if all(abs(x - float(short(x))) < 1e-9 for x in values) else "≈"


def table(caption, numbers, centre=(0, 0), most=12) -> str:
    """A table of the numbers; of more than `most` rows or columns those around `centre`."""
    starts = [
        max(0, min(middle - most // 2, side - most)) for middle, side in zip(centre, np.shape(numbers), strict=True)
    ]
    part = np.asarray(numbers)[starts[0] : starts[0] + most, starts[1] : starts[1] + most]
    caption += f" {len(numbers)} × {len(numbers[0])}"
    if part.shape != np.shape(numbers):
        (top, left), (height, width) = starts, part.shape
        ends = {"top": top + 1, "bottom": top + height, "left": left + 1, "right": left + width}
        caption += words_of("common")["paper"]["part"].format(**ends)
    rows = "".join(f"<tr>{''.join(f'<td>{short(x)}</td>' for x in row)}</tr>" for row in part)
    return f"<table><caption>{caption}</caption>{rows}</table>"
