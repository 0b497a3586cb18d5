"""Batch normalisation, its gradients in training and in inference, and the moving statistics."""

import numpy as np

from cnnlib.reference._arrays import floats, gradient, number


def batch_norm(x, gamma, beta, epsilon=1e-3, moving_mean=None, moving_variance=None):
    """Normalise each channel: gamma * (x - mean) / sqrt(variance + epsilon) + beta.

    Input shape: (..., channels); gamma, beta and the statistics (channels,). Output shape: that of x.
    The statistics are the batch's own, over all axes but the last, as in training; as in inference where both
    moving ones are given. Source: Ioffe and Szegedy (2015), algorithm 1 and section 3.2.

    Raises ValueError for shapes that do not fit together and epsilon <= 0, TypeError for what is not numbers.
    """
    x = floats("x", x)
    mean, variance, epsilon = _statistics(x, epsilon, moving_mean, moving_variance)
    gamma, beta = _vector("gamma", gamma, x), _vector("beta", beta, x)
    return gamma * (x - mean) / np.sqrt(variance + epsilon) + beta


def batch_norm_backward(dy, x, gamma, epsilon=1e-3, moving_mean=None, moving_variance=None):
    """Return the gradients (dx, dgamma, dbeta) of `batch_norm`, whose arguments are given again (but for beta).

    Input shape: dy and x (..., channels); gamma and the statistics (channels,).
    Output shape: dx as x, dgamma and dbeta (channels,).
    In training, x reaches the output on three paths: itself, through the batch's variance and through its mean.
    In inference, with both moving statistics given, those are constants and only the first path is left.
    Source: Ioffe and Szegedy (2015), section 3, the equations after algorithm 1.

    Raises ValueError for shapes that do not fit together and epsilon <= 0, TypeError for what is not numbers.
    """
    x = floats("x", x)
    dy = gradient(dy, x.shape)
    mean, variance, epsilon = _statistics(x, epsilon, moving_mean, moving_variance)
    gamma = _vector("gamma", gamma, x)
    axes = tuple(range(x.ndim - 1))
    centred, deviation = x - mean, np.sqrt(variance + epsilon)
    dnormal = dy * gamma  # the gradient of (x - mean) / deviation
    dx = dnormal / deviation
    if moving_mean is None:
        count = x.size // x.shape[-1]  # numbers a channel
        dvariance = (dnormal * centred).sum(axis=axes) * -0.5 / deviation**3
        dmean = -dnormal.sum(axis=axes) / deviation
        # d variance / dx = 2 * (x - mean) / count. The mean inside the variance adds nothing: the sum of
        # x - mean is 0.
        dx = dx + dvariance * 2 * centred / count + dmean / count
    return dx, (dy * centred / deviation).sum(axis=axes), dy.sum(axis=axes)


def moving_average(old, new, momentum=0.99):
    """Return momentum * old + (1 - momentum) * new: how Keras's layer follows the batches' statistics.

    Input shape: old and new any, the same. Output shape: theirs. Keras feeds it the batch's mean, and its
    variance with division by the count, not by the count less 1.

    Raises ValueError for two shapes and unless 0 <= momentum <= 1, TypeError for what is not numbers.
    """
    old, new = floats("old", old), floats("new", new)
    if old.shape != new.shape:
        raise ValueError(f"new has shape {new.shape}: use that of old, {old.shape}")
    if not 0 <= number("momentum", momentum) <= 1:
        raise ValueError(f"momentum={momentum!r} is not valid: use 0 <= momentum <= 1")
    dtype = np.result_type(old, new).type
    return old * dtype(momentum) + new * dtype(1 - momentum)


# --- what they share ---------------------------------------------------------------------------------------


def _statistics(x, epsilon, moving_mean, moving_variance):
    """Check; return mean and variance, the batch's own unless both moving ones are given, and epsilon."""
    if not x.ndim or not x.size:
        raise ValueError(f"x has shape {x.shape}: use one axis (channels) at least, and one number a channel")
    if not 0 < number("epsilon", epsilon) < np.inf:
        raise ValueError(f"epsilon={epsilon!r} is not valid: use a small number above 0")
    if (moving_mean is None) != (moving_variance is None):
        raise ValueError("give both moving_mean and moving_variance (inference) or neither (training)")
    if moving_mean is None:
        axes = tuple(range(x.ndim - 1))
        mean, variance = x.mean(axis=axes), x.var(axis=axes)
    else:
        mean, variance = _vector("moving_mean", moving_mean, x), _vector("moving_variance", moving_variance, x)
    return mean, variance, x.dtype.type(epsilon)


def _vector(name, value, x):
    """Return the value as one number a channel of x, in its precision."""
    value = floats(name, value).astype(x.dtype)
    if value.shape != x.shape[-1:]:
        raise ValueError(f"{name} has shape {value.shape}: use one number a channel, {x.shape[-1:]}")
    return value
