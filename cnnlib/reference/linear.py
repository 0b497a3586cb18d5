"""The dense layer and its gradients."""

import numpy as np

from cnnlib.reference._arrays import floats, gradient


def dense(x, w, b=None):
    """Return x @ w + b: each output is a weighted sum of all inputs, plus its bias.

    Input shape: x (N, inputs), w (inputs, units), b (units,) or None. Output shape: (N, units).
    Raises ValueError for shapes that do not fit together, TypeError for what is not numbers.
    """
    x, w = _prepare(x, w)
    b = np.zeros(w.shape[1], w.dtype) if b is None else floats("b", b)
    if b.shape != w.shape[1:]:
        raise ValueError(f"b has shape {b.shape}: use one number a unit, {w.shape[1:]}")
    return x @ w + b


def dense_backward(dy, x, w):
    """Return the gradients (dx, dw, db) of `dense`, whose arguments x and w are given again.

    Input shape: dy (N, units); x and w as in `dense`. Output shape: dx as x, dw as w, db (units,).
    Weight (i, u) joined input i with unit u in every image: its gradient is the sum of input times gradient.
    Raises ValueError for shapes that do not fit together, TypeError for what is not numbers.
    """
    x, w = _prepare(x, w)
    dy = gradient(dy, (len(x), w.shape[1]))
    return dy @ w.T, x.T @ dy, dy.sum(axis=0)


def _prepare(x, w):
    x, w = floats("x", x), floats("w", w)
    if x.ndim != 2:
        raise ValueError(f"x has shape {x.shape}: use two axes (images, inputs)")
    if w.ndim != 2:
        raise ValueError(f"w has shape {w.shape}: use two axes (inputs, units)")
    if x.shape[1] != w.shape[0]:
        raise ValueError(f"x has {x.shape[1]} inputs and w reads {w.shape[0]}: the two must be equal")
    return x, w
