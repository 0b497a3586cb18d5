"""Pooling: the largest or the mean of each window, or of a whole map, and where the gradient goes."""

from typing import NamedTuple

import numpy as np

from cnnlib import geometry
from cnnlib.reference._arrays import gradient, pair, pictures


def max_pool(x, pool_size=2, strides=None, padding="valid"):
    """Return the largest number of each window, channel by channel. "same" pads with minus infinity.

    Input shape: (N, H, W, C). Output shape: (N, H', W', C). pool_size and strides: an int or a pair; strides
    is pool_size unless given. padding: "valid" or "same", as in Keras.

    Raises ValueError for a window that does not fit and for other padding, TypeError for what is not numbers.
    """
    x = pictures("x", x)
    layout = _layout(x.shape, pool_size, strides, padding)
    return layout.windows(x, fill=-np.inf).max(axis=(4, 5))


def max_pool_backward(dy, x, pool_size=2, strides=None, padding="valid"):
    """Return the gradient dx of `max_pool`: dy goes to the cell that was the largest, all others get nothing.

    Input shape: dy (N, H', W', C), as `max_pool` returns; x as there. Output shape: that of x.
    A cell that wins in several overlapping windows gets the sum. Of equal maxima the first one, row by row,
    gets all, as with TensorFlow's `max_pool2d` on a CPU.

    Raises ValueError for shapes that do not fit together, TypeError for what is not numbers.
    """
    x = pictures("x", x)
    layout = _layout(x.shape, pool_size, strides, padding)
    dy = gradient(dy, (len(x), *layout.out, x.shape[3]))
    windows = layout.windows(x, fill=-np.inf)
    real = layout.windows(np.ones(x.shape, bool), fill=False)  # padding never wins, not even over -inf
    largest = real & _equals(windows, windows.max(axis=(4, 5), keepdims=True))
    first = largest.reshape(*largest.shape[:4], -1).argmax(axis=-1)
    columns = layout.size[1]
    return layout.add_up(x, lambda i, j: dy * (first == i * columns + j), np.result_type(dy, x))


def average_pool(x, pool_size=2, strides=None, padding="valid"):
    """Return the mean of each window, channel by channel. Padding does not count, as in Keras.

    Arguments, shapes and errors are those of `max_pool`.
    """
    x = pictures("x", x)
    layout = _layout(x.shape, pool_size, strides, padding)
    return layout.windows(x, fill=0).sum(axis=(4, 5)) / layout.real_cells(x)


def average_pool_backward(dy, x, pool_size=2, strides=None, padding="valid"):
    """Return the gradient dx of `average_pool`: every real cell of a window gets an equal share of its dy.

    Of x only the shape matters. Arguments, shapes and errors are those of `max_pool_backward`.
    """
    x = pictures("x", x)
    layout = _layout(x.shape, pool_size, strides, padding)
    share = gradient(dy, (len(x), *layout.out, x.shape[3])) / layout.real_cells(x)
    return layout.add_up(x, lambda i, j: share, np.result_type(share, x))


def global_average_pool(x):
    """Return the mean of each whole map.

    Input shape: (N, H, W, C). Output shape: (N, C). Source: Lin, Chen and Yan, "Network in Network" (2014),
    section 3.2.

    Raises ValueError for another number of axes and for maps without cells, TypeError for what is not numbers.
    """
    return _maps(x).mean(axis=(1, 2))


def global_average_pool_backward(dy, x):
    """Return the gradient dx of `global_average_pool`: each cell of a map gets dy / (H * W).

    Input shape: dy (N, C), x (N, H, W, C), of which only the shape matters. Output shape: that of x.
    Errors are those of `global_average_pool`; also ValueError where dy does not fit x.
    """
    x = _maps(x)
    dy = gradient(dy, (x.shape[0], x.shape[3]))
    cells = x.shape[1] * x.shape[2]
    return np.zeros_like(x) + (dy / cells)[:, None, None, :]


def global_max_pool(x):
    """Return the largest number of each whole map. Shapes and errors are those of `global_average_pool`."""
    return _maps(x).max(axis=(1, 2))


def global_max_pool_backward(dy, x):
    """Return the gradient dx of `global_max_pool`: dy goes to the largest cell of its map.

    Equal maxima share it in equal parts. That is what Keras's layer does: it is a `reduce_max`, whose gradient
    TensorFlow divides, and not a `max_pool2d`, which gives all to the first. Shapes and errors are those of
    `global_average_pool_backward`.
    """
    x = _maps(x)
    dy = gradient(dy, (x.shape[0], x.shape[3]))
    largest = _equals(x, x.max(axis=(1, 2), keepdims=True)).astype(x.dtype)
    return dy[:, None, None, :] * largest / largest.sum(axis=(1, 2), keepdims=True)


# --- what they share ---------------------------------------------------------------------------------------


class _Layout(NamedTuple):
    """Where the windows of one pooling lie; of each pair, rows come first."""

    size: tuple  # of a window
    step: tuple  # strides
    zeros: list  # of the padding: (before, after)
    out: list  # sides of the output

    def windows(self, x, fill):
        """Return a view (N, H', W', C, pool rows, pool columns) of the windows of x, padded with `fill`."""
        x = np.pad(x, [(0, 0), *self.zeros, (0, 0)], constant_values=fill)
        windows = np.lib.stride_tricks.sliding_window_view(x, self.size, axis=(1, 2))
        return windows[:, :: self.step[0], :: self.step[1]]

    def real_cells(self, x):
        """Return how many cells of each window are no padding."""
        return self.windows(np.ones_like(x), fill=0).sum(axis=(4, 5))

    def add_up(self, x, part, dtype):
        """Return zeros of the shape of x, plus part(i, j), (N, H', W', C), where cell (i, j) of the windows lies."""
        (top, bottom), (left, right) = self.zeros
        images, height, width, channels = x.shape
        total = np.zeros((images, top + height + bottom, left + width + right, channels), dtype)
        for i in range(self.size[0]):
            for j in range(self.size[1]):
                rows = slice(i, i + (self.out[0] - 1) * self.step[0] + 1, self.step[0])
                columns = slice(j, j + (self.out[1] - 1) * self.step[1] + 1, self.step[1])
                total[:, rows, columns] += part(i, j)
        return total[:, top : top + height, left : left + width]


def _layout(shape, pool_size, strides, padding):
    """Check the settings of a pooling of pictures of this shape; return its layout."""
    if not isinstance(padding, str) or padding.lower() not in ("valid", "same"):
        raise ValueError(f'padding={padding!r} is not valid: pooling takes "valid" or "same"')
    size = pair("pool_size", pool_size)
    step = size if strides is None else pair("strides", strides)
    if padding.lower() == "valid" and (size[0] > shape[1] or size[1] > shape[2]):
        room = f"{shape[1]} x {shape[2]}"
        raise ValueError(f"pool_size={pool_size!r} does not fit into {room} pixels: use a smaller one, or 'same'")
    sides = [(*side, padding) for side in zip(shape[1:3], size, step, strict=True)]
    zeros = [geometry.pad_amounts(*side) for side in sides]
    return _Layout(size, step, zeros, [geometry.output_size(*side) for side in sides])


def _equals(x, largest):
    """Return where x is the largest number of its window; where that is NaN, the NaNs are."""
    return (x == largest) | np.isnan(x)


def _maps(x):
    x = pictures("x", x)
    if not x.shape[1] * x.shape[2]:
        raise ValueError(f"x has shape {x.shape}: a map without cells has no mean and no maximum")
    return x
