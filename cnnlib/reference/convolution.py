"""Convolution: three ways to compute it, and its gradients.

A convolution here is what Keras and TensorFlow call one: a cross-correlation, the kernel is not flipped
(Goodfellow, Bengio and Courville, *Deep Learning*, section 9.1, equation 9.6; documentation of
`tf.nn.convolution`).
"""

from typing import NamedTuple

import numpy as np

from cnnlib import geometry
from cnnlib.reference._arrays import floats, gradient, pair, pictures


def conv2d_loops(x, w, b=None, strides=1, padding="valid", dilation_rate=1):
    """Convolve as the definition reads: one output number at a time. Slow, and easy to check by hand.

    Arguments and result are those of `conv2d`.
    """
    x, w, b, layout = _prepare(x, w, b, strides, padding, dilation_rate)
    images, (kernel_height, kernel_width, _, filters) = len(x), w.shape
    (out_height, out_width), step, gap = layout.out, layout.step, layout.gap
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
    x, w, b, layout = _prepare(x, w, b, strides, padding, dilation_rate)
    step, gap = layout.step, layout.gap
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
    x, w, b, layout = _prepare(x, w, b, strides, padding, dilation_rate)
    images, (kernel_height, kernel_width, channels, filters) = len(x), w.shape
    patches = np.empty((images, *layout.out, kernel_height, kernel_width, channels), x.dtype)
    for i in range(kernel_height):
        for j in range(kernel_width):
            patches[:, :, :, i, j] = x[layout.cells(i, j)]
    rows = patches.reshape(-1, kernel_height * kernel_width * channels)
    columns = w.reshape(kernel_height * kernel_width * channels, filters)
    return (rows @ columns + b).reshape(images, *layout.out, filters)


def conv2d(x, w, b=None, strides=1, padding="valid", dilation_rate=1):
    """Convolve pictures with filters; each output pixel is the sum of window * filter, plus the bias.

    Input shape: x (N, H, W, C), w (kernel_height, kernel_width, C, F), b (F,) or None.
    Output shape: (N, H', W', F), H' and W' by `geometry.output_size`.
    strides, dilation_rate: an int, or a pair (rows, columns). Unlike Keras, both may exceed 1 at once.
    padding: "valid", "same", an int, or ((top, bottom), (left, right)).
    Raises ValueError for shapes that do not fit together, TypeError for what is not numbers.
    """
    return conv2d_windows(x, w, b, strides, padding, dilation_rate)


def conv2d_backward(dy, x, w, strides=1, padding="valid", dilation_rate=1):
    """Return the gradients (dx, dw, db) of `conv2d`, whose arguments x, w and settings are given again.

    Input shape: dy (N, H', W', F), as `conv2d` returns; x and w as there.
    Output shape: dx as x, dw as w, db (F,). A layer without bias ignores db.

    One kernel cell at a time. In the forward pass it multiplied one picture cell for each output. Its weights
    get the sum of those cells, each times the gradient of its output; those cells get that gradient times the
    weights. Summed up, dw is a correlation of x with dy, and dx a convolution of dy, zeros put between for
    strides, with the flipped kernel (Dumoulin and Visin, "A guide to convolution arithmetic for deep learning"
    (2016), chapter 4; Goodfellow, Bengio and Courville, *Deep Learning*, section 9.5).

    Raises ValueError for shapes that do not fit together, TypeError for what is not numbers.
    """
    x, w, _, layout = _prepare(x, w, None, strides, padding, dilation_rate)
    dy = gradient(dy, (len(x), *layout.out, w.shape[3]))
    dtype = np.result_type(dy, x)
    dx, dw = np.zeros(x.shape, dtype), np.zeros(w.shape, dtype)
    for i in range(w.shape[0]):
        for j in range(w.shape[1]):
            cells = layout.cells(i, j)
            dw[i, j] = np.tensordot(x[cells], dy, axes=[(0, 1, 2), (0, 1, 2)])
            dx[cells] += dy @ w[i, j].T
    # What flowed to the padding is lost: zeros cannot be changed.
    (top, bottom), (left, right) = layout.zeros
    dx = dx[:, top : dx.shape[1] - bottom, left : dx.shape[2] - right]
    return dx, dw, dy.sum(axis=(0, 1, 2)).astype(dtype)


# --- what they share ---------------------------------------------------------------------------------------


class _Layout(NamedTuple):
    """Where the windows of one convolution lie; of each pair, rows come first."""

    step: tuple  # strides
    gap: tuple  # dilation rates
    zeros: list  # of the padding: (before, after)
    out: list  # sides of the output

    def cells(self, i, j):
        """Return the slices of the padded picture that kernel cell (i, j) meets: one picture cell an output."""
        top, left = i * self.gap[0], j * self.gap[1]
        bottom, right = top + (self.out[0] - 1) * self.step[0] + 1, left + (self.out[1] - 1) * self.step[1] + 1
        return slice(None), slice(top, bottom, self.step[0]), slice(left, right, self.step[1])


def _prepare(x, w, b, strides, padding, dilation_rate):
    """Check the arguments; return padded x, w, b, and the layout of the windows."""
    x, w = pictures("x", x), floats("w", w)
    if w.ndim != 4:
        raise ValueError(f"w has shape {w.shape}: use four axes (height, width, channels, filters)")
    if x.shape[3] != w.shape[2]:
        raise ValueError(f"x has {x.shape[3]} channels and w reads {w.shape[2]}: the two must be equal")
    filters = w.shape[3]
    b = np.zeros(filters, w.dtype) if b is None else floats("b", b)
    if b.shape != (filters,):
        raise ValueError(f"b has shape {b.shape}: use one number a filter, ({filters},)")
    dtype = np.result_type(x, w, b)
    step, gap = pair("strides", strides), pair("dilation_rate", dilation_rate)
    sides = list(zip(x.shape[1:3], w.shape[:2], step, _per_axis(padding), gap, strict=True))
    zeros = [geometry.pad_amounts(*side) for side in sides]
    out = [geometry.output_size(*side) for side in sides]
    x = np.pad(x.astype(dtype), [(0, 0), *zeros, (0, 0)])
    return x, w.astype(dtype), b.astype(dtype), _Layout(step, gap, zeros, out)


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
