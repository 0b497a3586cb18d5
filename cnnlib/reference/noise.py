"""Dropout, with the mask drawn inside or by itself, and its gradient."""

import numpy as np

from cnnlib._arguments import integer
from cnnlib.reference._arrays import floats, number


def dropout(x, rate, rng):
    """Set each number to 0 with probability `rate`, divide the others by 1 - rate: Keras's rule in training.

    rng is a `numpy.random.Generator`. The division keeps the expected value, so inference needs no change
    ("inverted" dropout; Srivastava et al. (2014), section 10, scale in training as an alternative).
    Output shape: that of x. With the same rng it keeps the same cells as `dropout_mask`.

    Raises ValueError unless 0 <= rate < 1, TypeError where rate is no number or rng no generator.
    """
    x = floats("x", x)
    kept = _kept(x.shape, rate, rng)
    return np.where(kept, x / x.dtype.type(1 - rate), x.dtype.type(0))


def dropout_mask(shape, rate, rng):
    """Return what `dropout` multiplies by: float32, 0 with probability `rate`, otherwise 1 / (1 - rate).

    shape: an int or a tuple of them; the mask's shape. Where an axis is 1 in the mask and longer in x, one draw
    holds for the whole axis: (N, 1, 1, C) drops whole maps, as `SpatialDropout2D` does.

    Raises ValueError unless 0 <= rate < 1, TypeError where rate is no number or rng no generator; both for a
    shape that is none.
    """
    sides = shape if isinstance(shape, (tuple, list)) else (shape,)
    sides = tuple(integer(f"shape[{i}]", side, 0) for i, side in enumerate(sides))
    kept = _kept(sides, rate, rng)
    return np.where(kept, np.float32(1 / (1 - rate)), np.float32(0))


def dropout_backward(dy, mask):
    """Return the gradient dx of y = x * mask: dy * mask. The cells that were dropped get nothing.

    Input shape: dy that of x; mask, as `dropout_mask` returns it, the same, or 1 where it holds for an axis.
    Output shape: that of dy.

    Raises ValueError for shapes that do not fit together, TypeError for what is not numbers.
    """
    dy, mask = floats("dy", dy), floats("mask", mask)
    if dy.ndim != mask.ndim or any(m not in (1, n) for m, n in zip(mask.shape, dy.shape, strict=True)):
        raise ValueError(f"mask has shape {mask.shape}: use that of dy, {dy.shape}, with 1 where it holds for an axis")
    return dy * mask


def _kept(shape, rate, rng):
    """Return which numbers stay, True with probability 1 - rate."""
    if not 0 <= number("rate", rate) < 1:
        raise ValueError(f"rate={rate!r} is not valid: use 0 <= rate < 1")
    if not isinstance(rng, np.random.Generator):
        raise TypeError(f"rng={rng!r} is not a numpy.random.Generator: use numpy.random.default_rng(seed)")
    return rng.random(shape) >= rate
