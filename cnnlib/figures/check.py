"""Checks of the arguments that figures are given."""

import numpy as np


def numbers(name, value, ndims, shape, gaps=False):
    """Return `value` as a finite numeric array with one of `ndims` axes, none of them empty.

    `shape` says in words what is expected; with `gaps`, NaN and infinity come back as NaN. Raises ValueError, or
    TypeError where there are no numbers at all.
    """
    try:
        array = np.asarray(value)
    except ValueError:  # rows of different length
        raise ValueError(f"{name} must be {shape}, got rows of different lengths") from None
    if array.dtype.name == "bfloat16":  # what a layer puts out in mixed precision; not a NumPy type of its own
        array = array.astype(np.float32)
    if array.dtype.kind not in "buif":
        raise TypeError(f"{name} must be {shape}, got {type(value).__name__} of {array.dtype}")
    if array.ndim not in ndims or 0 in array.shape:
        raise ValueError(f"{name} must be {shape}, got shape {array.shape}")
    finite = np.isfinite(array)
    if gaps and not finite.all():
        return np.where(finite, array, np.nan)
    if not finite.all():
        raise ValueError(f"{name} must be finite, got NaN or infinity")
    return array


def texts(name, value, count):
    """Return `value` as a list of `count` strings. Raises ValueError for another number of them."""
    if isinstance(value, str):
        raise TypeError(f"{name} must be a list of {count} texts, got one text: {value!r}")
    value = [str(item) for item in value]
    if len(value) != count:
        raise ValueError(f"{name} must hold {count} texts, got {len(value)}: {value[:5]}")
    return value


def count(name, value, low, high=None):
    """Return `value` as an int from `low` to `high`."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise TypeError(f"{name} must be an integer, got {value!r}")
    if value < low or (high is not None and value > high):
        raise ValueError(f"{name} must be {f'at least {low}' if high is None else f'{low} to {high}'}, got {value}")
    return int(value)
