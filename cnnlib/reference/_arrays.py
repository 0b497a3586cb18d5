"""The checks that the layers share: arrays of floats, one number, a pair, the shape of a gradient."""

import numbers

import numpy as np

from cnnlib._arguments import integer


def array(name, value):
    """Return the value as an array of whatever it holds."""
    try:
        return np.asarray(value)
    except ValueError:  # rows of different lengths
        raise ValueError(f"{name} is not an array of numbers: give every row the same length") from None


def floats(name, value):
    """Return the value as an array of float32 or wider."""
    value = array(name, value)
    if value.dtype.kind not in "biuf":
        raise TypeError(f"{name} has dtype {value.dtype}: use real numbers")
    return value.astype(np.result_type(value, np.float32))


def pictures(name, value):
    """Return the value as floats of shape (images, height, width, channels)."""
    value = floats(name, value)
    if value.ndim != 4:
        raise ValueError(f"{name} has shape {value.shape}: use four axes (images, height, width, channels)")
    return value


def gradient(dy, shape):
    """Return dy as floats; it must have the shape of the layer's output."""
    dy = floats("dy", dy)
    if dy.shape != tuple(shape):
        raise ValueError(f"dy has shape {dy.shape}: use that of the layer's output, {tuple(shape)}")
    return dy


def number(name, value):
    """Return the value, which must be one real number."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise TypeError(f"{name}={value!r} is not a number")
    return value


def pair(name, value):
    """Return (rows, columns) from a positive int or a pair of them."""
    if not isinstance(value, (tuple, list)):
        return (integer(name, value),) * 2
    if len(value) != 2:
        raise ValueError(f"{name}={value!r} is not valid: use an int or a pair (rows, columns)")
    return tuple(integer(f"{name}[{i}]", side) for i, side in enumerate(value))
