"""Layers in readable NumPy: what the chapters derive, checked against TensorFlow.

Pictures are (images, height, width, channels), kernels (height, width, channels, filters), as in Keras. Sizes
and padding come from `geometry`. Whole numbers and half precision are computed in float32 or better, so that
no uint8 picture overflows.

A convolution here is what Keras and TensorFlow call one: a cross-correlation, the kernel is not flipped
(Goodfellow, Bengio and Courville, *Deep Learning*, section 9.1, equation 9.6; documentation of
`tf.nn.convolution`).
"""

import numbers

import numpy as np

from cnnlib import geometry
from cnnlib._arguments import integer

__all__ = [
    "average_pool",
    "batch_norm",
    "conv2d",
    "conv2d_loops",
    "conv2d_matmul",
    "conv2d_windows",
    "dropout",
    "max_pool",
]


# --- convolution, three ways -------------------------------------------------------------------------------


def conv2d_loops(x, w, b=None, strides=1, padding="valid", dilation_rate=1):
    """Convolve as the definition reads: one output number at a time. Slow, and easy to check by hand.

    Arguments and result are those of `conv2d`.
    """
    x, w, b, step, gap, (out_height, out_width) = _prepare(x, w, b, strides, padding, dilation_rate)
    images, (kernel_height, kernel_width, _, filters) = len(x), w.shape
    y = np.zeros((images, out_height, out_width, filters), x.dtype)
    for image in range(images):
        for row in range(out_height):
            for column in range(out_width):
                # The window's first cell, then every `gap`-th cell, as many as the kernel has.
                rows = row * step[0] + gap[0] * np.arange(kernel_height)
                columns = column * step[1] + gap[1] * np.arange(kernel_width)
                window = x[image][np.ix_(rows, columns)]
                for f in range(filters):
                    y[image, row, column, f] = np.sum(window * w[:, :, :, f]) + b[f]
    return y


def conv2d_windows(x, w, b=None, strides=1, padding="valid", dilation_rate=1):
    """Convolve with a view of every window, all multiplied by the kernel in one contraction.

    Arguments and result are those of `conv2d`. The windows are a view: no pixel is copied to make them.
    """
    x, w, b, step, gap, _ = _prepare(x, w, b, strides, padding, dilation_rate)
    covered = [d * (k - 1) + 1 for d, k in zip(gap, w.shape[:2], strict=True)]
    # (N, H', W', C, window's height, window's width)
    windows = np.lib.stride_tricks.sliding_window_view(x, covered, axis=(1, 2))
    windows = windows[:, :: step[0], :: step[1], :, :: gap[0], :: gap[1]]
    return np.tensordot(windows, w, axes=[(3, 4, 5), (2, 0, 1)]) + b


def conv2d_matmul(x, w, b=None, strides=1, padding="valid", dilation_rate=1):
    """Convolve with one matrix product: each window is unrolled into a row, each filter into a column.

    Arguments and result are those of `conv2d`. Source: Chellapilla, Puri and Simard, "High Performance
    Convolutional Neural Networks for Document Processing" (2006). At stride 1 the rows take about
    kernel_height * kernel_width times the memory of the picture.
    """
    x, w, b, step, gap, (out_height, out_width) = _prepare(x, w, b, strides, padding, dilation_rate)
    images, (kernel_height, kernel_width, channels, filters) = len(x), w.shape
    patches = np.empty((images, out_height, out_width, kernel_height, kernel_width, channels), x.dtype)
    for i in range(kernel_height):
        for j in range(kernel_width):
            # What kernel cell (i, j) sees as the window moves: the picture from (i, j) on, in steps.
            top, left = i * gap[0], j * gap[1]
            bottom, right = top + (out_height - 1) * step[0] + 1, left + (out_width - 1) * step[1] + 1
            patches[:, :, :, i, j] = x[:, top : bottom : step[0], left : right : step[1]]
    rows = patches.reshape(images * out_height * out_width, kernel_height * kernel_width * channels)
    columns = w.reshape(kernel_height * kernel_width * channels, filters)
    return (rows @ columns + b).reshape(images, out_height, out_width, filters)


def conv2d(x, w, b=None, strides=1, padding="valid", dilation_rate=1):
    """Convolve pictures with filters; each output pixel is the sum of window * filter, plus the bias.

    Input shape: x (N, H, W, C), w (kernel_height, kernel_width, C, F), b (F,) or None.
    Output shape: (N, H', W', F), H' and W' by `geometry.output_size`.
    strides, dilation_rate: an int, or a pair (rows, columns). Unlike Keras, both may exceed 1 at once.
    padding: "valid", "same", an int, or ((top, bottom), (left, right)).
    Raises ValueError for shapes that do not fit together, TypeError for what is not numbers.
    """
    return conv2d_windows(x, w, b, strides, padding, dilation_rate)


# --- pooling, normalisation, dropout: the forward passes ---------------------------------------------------


def max_pool(x, pool_size=2, strides=None, padding="valid"):
    """Return the largest number of each window, channel by channel. "same" pads with minus infinity.

    Input shape: (N, H, W, C). Output shape: (N, H', W', C). pool_size and strides: an int or a pair; strides
    is pool_size unless given. padding: "valid" or "same", as in Keras.
    """
    return _pool_windows(_floats("x", x), pool_size, strides, padding, fill=-np.inf).max(axis=(4, 5))


def average_pool(x, pool_size=2, strides=None, padding="valid"):
    """Return the mean of each window, channel by channel. Padding does not count, as in Keras.

    Arguments and shapes are those of `max_pool`.
    """
    x = _floats("x", x)
    sums = _pool_windows(x, pool_size, strides, padding, fill=0).sum(axis=(4, 5))
    real_cells = _pool_windows(np.ones_like(x), pool_size, strides, padding, fill=0).sum(axis=(4, 5))
    return sums / real_cells


def batch_norm(x, gamma, beta, epsilon=1e-3, moving_mean=None, moving_variance=None):
    """Normalise each channel: gamma * (x - mean) / sqrt(variance + epsilon) + beta.

    Input shape: (..., channels); gamma, beta and the statistics (channels,). Output shape: that of x.
    The statistics are the batch's own, over all axes but the last, as in training; as in inference where both
    moving ones are given. Source: Ioffe and Szegedy (2015), algorithm 1 and section 3.2.

    Raises ValueError for shapes that do not fit together and epsilon <= 0, TypeError for what is not numbers.
    """
    x = _floats("x", x)
    if not 0 < _number("epsilon", epsilon) < np.inf:
        raise ValueError(f"epsilon={epsilon!r} is not valid: use a small number above 0")
    if (moving_mean is None) != (moving_variance is None):
        raise ValueError("give both moving_mean and moving_variance (inference) or neither (training)")
    if moving_mean is None:
        axes = tuple(range(x.ndim - 1))
        moving_mean, moving_variance = x.mean(axis=axes), x.var(axis=axes)
    vectors = {"gamma": gamma, "beta": beta, "moving_mean": moving_mean, "moving_variance": moving_variance}
    vectors = {name: _floats(name, vector).astype(x.dtype) for name, vector in vectors.items()}
    for name, vector in vectors.items():
        if vector.shape != x.shape[-1:]:
            raise ValueError(f"{name} has shape {vector.shape}: use one number a channel, {x.shape[-1:]}")
    gamma, beta, mean, variance = vectors.values()
    return gamma * (x - mean) / np.sqrt(variance + x.dtype.type(epsilon)) + beta


def dropout(x, rate, rng):
    """Set each number to 0 with probability `rate`, divide the others by 1 - rate: Keras's rule in training.

    rng is a `numpy.random.Generator`. The division keeps the expected value, so inference needs no change
    ("inverted" dropout; Srivastava et al. (2014), section 10, scale in training as an alternative).

    Raises ValueError unless 0 <= rate < 1, TypeError where rate is no number or rng no generator.
    """
    x = _floats("x", x)
    if not 0 <= _number("rate", rate) < 1:
        raise ValueError(f"rate={rate!r} is not valid: use 0 <= rate < 1")
    if not isinstance(rng, np.random.Generator):
        raise TypeError(f"rng={rng!r} is not a numpy.random.Generator: use numpy.random.default_rng(seed)")
    kept = rng.random(x.shape) >= rate
    return np.where(kept, x / x.dtype.type(1 - rate), x.dtype.type(0))


# --- what they share ---------------------------------------------------------------------------------------


def _prepare(x, w, b, strides, padding, dilation_rate):
    """Check the arguments; return padded x, w, b, both strides, both dilation rates, the output's sides."""
    x, w = _floats("x", x), _floats("w", w)
    if x.ndim != 4:
        raise ValueError(f"x has shape {x.shape}: use four axes (images, height, width, channels)")
    if w.ndim != 4:
        raise ValueError(f"w has shape {w.shape}: use four axes (height, width, channels, filters)")
    if x.shape[3] != w.shape[2]:
        raise ValueError(f"x has {x.shape[3]} channels and w reads {w.shape[2]}: the two must be equal")
    filters = w.shape[3]
    b = np.zeros(filters, w.dtype) if b is None else _floats("b", b)
    if b.shape != (filters,):
        raise ValueError(f"b has shape {b.shape}: use one number a filter, ({filters},)")
    dtype = np.result_type(x, w, b)
    step, gap = _pair("strides", strides), _pair("dilation_rate", dilation_rate)
    sides = list(zip(x.shape[1:3], w.shape[:2], step, _per_axis(padding), gap, strict=True))
    zeros = [geometry.pad_amounts(*side) for side in sides]
    out = [geometry.output_size(*side) for side in sides]
    x = np.pad(x.astype(dtype), [(0, 0), *zeros, (0, 0)])
    return x, w.astype(dtype), b.astype(dtype), step, gap, out


def _pool_windows(x, pool_size, strides, padding, fill):
    """Return a view (N, H', W', C, pool rows, pool columns) of the windows of x, padded with `fill`."""
    if x.ndim != 4:
        raise ValueError(f"x has shape {x.shape}: use four axes (images, height, width, channels)")
    if not isinstance(padding, str) or padding.lower() not in ("valid", "same"):
        raise ValueError(f'padding={padding!r} is not valid: pooling takes "valid" or "same"')
    size = _pair("pool_size", pool_size)
    step = size if strides is None else _pair("strides", strides)
    if padding.lower() == "valid" and (size[0] > x.shape[1] or size[1] > x.shape[2]):
        room = f"{x.shape[1]} x {x.shape[2]}"
        raise ValueError(f"pool_size={pool_size!r} does not fit into {room} pixels: use a smaller one, or 'same'")
    sides = list(zip(x.shape[1:3], size, step, strict=True))
    zeros = [geometry.pad_amounts(*side, padding) for side in sides]
    x = np.pad(x, [(0, 0), *zeros, (0, 0)], constant_values=fill)
    windows = np.lib.stride_tricks.sliding_window_view(x, size, axis=(1, 2))
    return windows[:, :: step[0], :: step[1]]


def _floats(name, value):
    """Return the value as an array of float32 or wider."""
    try:
        value = np.asarray(value)
    except ValueError:  # rows of different lengths
        raise ValueError(f"{name} is not an array of numbers: give every row the same length") from None
    if value.dtype.kind not in "biuf":
        raise TypeError(f"{name} has dtype {value.dtype}: use real numbers")
    return value.astype(np.result_type(value, np.float32))


def _number(name, value):
    """Return the value, which must be one real number."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise TypeError(f"{name}={value!r} is not a number")
    return value


def _pair(name, value):
    """Return (rows, columns) from a positive int or a pair of them."""
    if not isinstance(value, (tuple, list)):
        return (integer(name, value),) * 2
    if len(value) != 2:
        raise ValueError(f"{name}={value!r} is not valid: use an int or a pair (rows, columns)")
    return tuple(integer(f"{name}[{i}]", side) for i, side in enumerate(value))


def _per_axis(padding):
    """Return the padding of the rows and of the columns, each as `geometry` takes it."""
    if isinstance(padding, str):
        fits = padding.lower() in ("valid", "same")
    else:
        fits = not isinstance(padding, (tuple, list)) or (
            len(padding) == 2 and all(isinstance(side, (tuple, list)) and len(side) == 2 for side in padding)
        )
    if not fits:
        choices = '"valid", "same", an int or ((top, bottom), (left, right))'
        raise ValueError(f"padding={padding!r} is not valid: use {choices}")
    return tuple(padding) if isinstance(padding, (tuple, list)) else (padding, padding)
