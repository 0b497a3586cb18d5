"""Sample answers of the chapter "Pooling"."""

import math

import numpy as np

from exercise_samples import Later, Sample, stub


def keras_sizes():
    import keras
    from keras import layers

    model = keras.Sequential(
        [
            keras.Input((76, 76, 20)),
            layers.MaxPooling2D(3, strides=2),
            layers.AveragePooling2D(2, padding="same"),
            layers.MaxPooling2D(3),
            layers.GlobalAveragePooling2D(),
        ]
    )
    return tuple(layer.output.shape[1] for layer in model.layers)


GRID = np.array([[4, -2, 0, 6, 2], [8, 14, -4, 0, 4], [-6, 0, 4, 12, 0], [2, 6, -2, -8, 10], [0, -4, 16, 2, 0]])


def keras_by_hand():
    from keras import layers

    x = GRID[None, :, :, None].astype("float32")
    y_max = layers.MaxPooling2D(3, strides=2)(x)
    y_mean = layers.AveragePooling2D(3, padding="same")(x)
    return np.asarray(y_max)[0, :, :, 0], np.asarray(y_mean)[0, :, :, 0]


MAXIMA = [[14, 12], [16, 16]]


def backward(x, dy, pool_size, strides, add=True, factor=lambda gradient, winner: gradient):
    dx = np.zeros(x.shape)
    for row in range(dy.shape[0]):
        for column in range(dy.shape[1]):
            top, left = row * strides, column * strides
            window = x[top : top + pool_size, left : left + pool_size]
            i, j = np.unravel_index(np.argmax(window), window.shape)
            back = factor(dy[row, column], window[i, j])
            dx[top + i, left + j] = back + (dx[top + i, left + j] if add else 0)
    return dx


def tensorflow_backward():
    """TensorFlow's own gradient, on the CPU: which of equal numbers wins is its rule there."""
    import tensorflow as tf

    def gradient(x, dy, pool_size, strides):
        with tf.device("/CPU:0"), tf.GradientTape() as tape:
            x = tf.constant(x[None, :, :, None])
            tape.watch(x)
            y = tf.nn.max_pool2d(x, pool_size, strides, "VALID")
        return tape.gradient(y, x, output_gradients=tf.constant(dy[None, :, :, None])).numpy()[0, :, :, 0]

    return gradient


def backward_to(share):
    """Return a way back in which `share` says what part of the gradient each cell of a window gets."""

    def gradient(x, dy, pool_size, strides):
        dx = np.zeros(x.shape)
        for row, column in np.ndindex(dy.shape):
            top, left = row * strides, column * strides
            window = x[top : top + pool_size, left : left + pool_size]
            dx[top : top + pool_size, left : left + pool_size] += dy[row, column] * share(window)
        return dx

    return gradient


def last_of(window):
    places = np.argwhere(window == window.max())
    share = np.zeros(window.shape)
    share[tuple(places[-1])] = 1
    return share


def max_pool_same(x, pool_size, strides=None, fill=-np.inf, default=None, in_front=False):
    strides = strides or default or pool_size
    rows, columns = (math.ceil(side / strides) for side in x.shape)
    down = max((rows - 1) * strides + pool_size - x.shape[0], 0)
    right = max((columns - 1) * strides + pool_size - x.shape[1], 0)
    sides = [(down // 2, down - down // 2), (right // 2, right - right // 2)]
    padded = np.pad(x, [side[::-1] for side in sides] if in_front else sides, constant_values=fill)
    y = np.zeros((rows, columns))
    for i in range(rows):
        for j in range(columns):
            top, left = i * strides, j * strides
            y[i, j] = padded[top : top + pool_size, left : left + pool_size].max()
    return y


def with_the_smallest(x, pool_size, strides=None):
    """Fill with the map's own smallest number: it can tie, never win."""
    return max_pool_same(x, pool_size, strides, fill=x.min()).tolist()


def broken_max_pool(x, pool_size, strides=None):
    """The function as the chapter prints it."""
    strides = strides or 1
    rows = math.ceil(x.shape[0] / strides)
    columns = math.ceil(x.shape[1] / strides)
    down = max((rows - 1) * strides + pool_size - x.shape[0], 0)
    right = max((columns - 1) * strides + pool_size - x.shape[1], 0)
    around = (down // 2, down - down // 2), (right // 2, right - right // 2)
    padded = np.pad(x, around)
    y = np.zeros((rows, columns))
    for row, column in np.ndindex(y.shape):
        top, left = row * strides, column * strides
        window = padded[top : top + pool_size, left : left + pool_size]
        y[row, column] = window.max()
    return y


SAMPLES = {
    "sizes": Sample(
        Later(keras_sizes),
        [37.0, 19.0, 6.0, 20.0],
        (None, None, None, None),
        {
            "strides of 1": (37, 19, 17, 20),
            "side by strides": (38, 19, 6, 20),
            "same rounded down": (37, 18, 6, 20),
            "valid rounded up": (37, 19, 7, 20),
            "flattened": (37, 19, 6, 720),
            "one number": (37, 19, 6, 1),
        },
        near_misses=[((37, 19, 6), "4 parts"), ((37, 19, 6, 60), "too large")],
    ),
    "by-hand": Sample(
        Later(keras_by_hand),
        (MAXIMA, [[2.0, 4.0], [3.0, 1.0]]),
        (None, None),
        {
            "side by side": ([[14, 12], [16, 10]], [[2, 4], [3, 1]]),
            "padding counted": (MAXIMA, [[2, 24 / 9], [2, 4 / 9]]),
            "sums": (MAXIMA, [[18, 24], [18, 4]]),
            "padding in front": (MAXIMA, [[6, 4 / 3], [-1 / 3, 34 / 9]]),
            "whole windows only": (MAXIMA, [[2]]),
        },
        near_misses=[((MAXIMA, [[2, 3], [4, 1]]), "at position (0, 1)"), ((MAXIMA, None), "still empty")],
    ),
    "backward": Sample(
        backward,
        Later(tensorflow_backward),
        stub,
        {
            "overwritten": lambda *case: backward(*case, add=False),
            "equal parts": backward_to(lambda window: np.full(window.shape, 1 / window.size)),
            "all winners": backward_to(lambda window: window == window.max()),
            "last winner": backward_to(last_of),
            "times the value": lambda *case: backward(*case, factor=lambda gradient, winner: gradient * winner),
            "ones": lambda *case: backward(*case, factor=lambda gradient, winner: 1),
        },
        near_misses=[(lambda x, dy, pool_size, strides: dy, "The shape is")],
        inputs={
            "five cases": lambda cases: len(cases) >= 5,
            "windows that overlap": lambda cases: any(k > s for _, _, k, s in cases),
            "cells that no window reads": lambda cases: any(k < s for _, _, k, s in cases),
            "ties": lambda cases: any(np.unique(x).size < x.size for x, *_ in cases),
            "maps that are not square": lambda cases: any(x.shape[0] != x.shape[1] for x, *_ in cases),
        },
    ),
    "find-the-bug": Sample(
        max_pool_same,
        with_the_smallest,
        stub,
        {
            "as given": broken_max_pool,
            "zeros": lambda *case: max_pool_same(*case, fill=0),
            "step of one": lambda *case: max_pool_same(*case, default=1),
            "fixed stride": lambda *case: max_pool_same(*case, default=2),
            "padding in front": lambda *case: max_pool_same(*case, in_front=True),
        },
        inputs={
            "strides left out": lambda cases: any(s is None for _, _, s in cases),
            "an odd row of padding": lambda cases: any(x.shape[0] % 2 and k == s == 2 for x, k, s in cases),
            "windows at the edge with nothing above 0": lambda cases: any(
                broken_max_pool(x, k, s or k).tolist() != max_pool_same(x, k, s).tolist() for x, k, s in cases
            ),
        },
    ),
}
