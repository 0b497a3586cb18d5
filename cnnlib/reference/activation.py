"""ReLU, sigmoid and softmax; the gradients of the first two (softmax's is part of the loss)."""

import numpy as np

from cnnlib.reference._arrays import floats, gradient


def relu(x):
    """Return x where it is above 0, else 0. Output shape: that of x, any. Raises TypeError for no numbers."""
    x = floats("x", x)
    return np.maximum(x, x.dtype.type(0))


def relu_backward(dy, x):
    """Return the gradient dx of `relu`: dy where x is above 0, else 0. At 0 itself it is 0, as in TensorFlow.

    Input shape: dy and x any, the same. Output shape: theirs.
    Raises ValueError for two shapes, TypeError for what is not numbers.
    """
    x = floats("x", x)
    dy = gradient(dy, x.shape)
    return np.where(x > 0, dy, dy.dtype.type(0))


def sigmoid(x):
    """Return 1 / (1 + exp(-x)), without overflow. Output shape: that of x. Raises TypeError for no numbers."""
    x = floats("x", x)
    small = np.exp(-np.abs(x))  # at most 1
    return np.where(x < 0, small, x.dtype.type(1)) / (1 + small)


def sigmoid_backward(dy, x):
    """Return the gradient dx of `sigmoid`: dy * s * (1 - s) with s = sigmoid(x).

    Shapes and errors are those of `relu_backward`.
    """
    s = sigmoid(x)
    return gradient(dy, s.shape) * s * (1 - s)


def softmax(logits):
    """Return positive numbers that sum to 1 along the last axis: exp(logits), divided by their sum.

    Input shape: (..., classes). Output shape: the same. The largest logit is subtracted first, which changes
    nothing but keeps exp from overflowing (Goodfellow, Bengio and Courville, *Deep Learning*, section 4.1).
    Raises ValueError for no classes, TypeError for what is not numbers.
    """
    logits = floats("logits", logits)
    if not logits.ndim or not logits.shape[-1]:
        raise ValueError(f"logits has shape {logits.shape}: use (..., classes), one class at least")
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)
