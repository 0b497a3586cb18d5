"""Sample answers of the chapter "Receptive field"."""

import numpy as np

from exercise_samples import Later, Sample, stub


def keras_stem():
    """Measure field and jump with impulses: which pixels of a row reach the first two outputs?"""
    from keras import layers

    ones = {"kernel_initializer": "ones", "use_bias": False}
    x = np.eye(60, dtype="float32")[:, :, None]
    for layer in (layers.Conv1D(1, 7, strides=2, **ones), layers.MaxPooling1D(3, 2), layers.Conv1D(1, 5, 2, **ones)):
        x = layer(x)
    first, second = (np.flatnonzero(np.asarray(x)[:, i, 0]) for i in (0, 1))
    return int(first[-1] - first[0]) + 1, int(second[0] - first[0])


def keras_colour():
    """Count the weights of bias-free layers in Keras: with `same` padding, one multiply-accumulate each a pixel."""
    import keras
    from keras import layers

    def weights(*stack):
        return keras.Sequential([keras.Input((None, None, 3)), *stack]).count_params()

    def conv(filters, kernel_size):
        return layers.Conv2D(filters, kernel_size, padding="same", use_bias=False)

    one = weights(conv(24, 5))
    middle = 1
    while weights(conv(middle + 1, 3), conv(24, 3)) < one:
        middle += 1
    return weights(conv(24, 3), conv(24, 3)), one, middle


def cells(layers, index, stride=True, dilation=True, repeats=False):
    places = [index]
    for k, s, d in layers[::-1]:
        s, d = s if stride else 1, d if dilation else 1
        places = [place * s + tap * d for place in places for tap in range(k)]
    return sorted(places) if repeats else sorted(set(places))


def cells_by_impulses(layers, index):
    """Ask NumPy which inputs move the output: the layers as sums, one input at a time."""
    found = []
    for cell in range(200):
        row = np.zeros(200)
        row[cell] = 1
        for k, s, d in layers:
            count = (len(row) - d * (k - 1) - 1) // s + 1
            row = np.array([row[i * s : i * s + d * (k - 1) + 1 : d].sum() for i in range(count)])
        if row[index]:
            found.append(cell)
    return np.array(found)


def span(layers, index, late=True, jumps=True, last=-1, padding="map"):
    size, jump, start = 1, 1, 0
    for k, s, p in layers:
        if not late:
            jump *= s
        size += (k - 1) * jump
        start -= {"map": p * jump, "pixels": p, "none": 0}[padding]
        if late:
            jump *= s
    first = start + (index * jump if jumps else index)
    return first, first + size + last


def span_by_walking(layers, index):
    """Follow the first and the last cell down from the output."""
    low = high = index
    for k, s, p in layers[::-1]:
        low, high = low * s - p, high * s - p + k - 1
    return [low, high]


def whole_field(layers, index):
    first, *_, last = cells(layers, index)
    return list(range(first, last + 1))


def broken_span(layers, index):
    """The function as the chapter prints it."""
    size, jump, start = 1, 1, 0
    for k, s, p in layers:
        jump = jump * s
        size = size + (k - 1) * jump
        start = start - p * jump
    first = start + index
    return first, first + size - 1


SAMPLES = {
    "stem": Sample(
        Later(keras_stem),
        [np.int64(1 + 6 + 2 * 2 + 4 * 4), 2.0**3],
        (None, None),
        {
            "jump forgotten": (1 + 6 + 2 + 4, 8),
            "jump too early": (1 + 6 * 2 + 2 * 4 + 4 * 8, 8),
            "whole kernels": (1 + 7 + 3 * 2 + 5 * 4, 8),
            "pooling left out": (1 + 6 + 4 * 2, 4),
            "strides added": (27, 6),
            "last stride left out": (27, 4),
        },
    ),
    "colour": Sample(
        Later(keras_colour),
        np.array([648 + 5184, 25 * 72, 7.0]),
        (None, None, None),
        {
            "equal channels": (18 * 24**2, 25 * 24**2, 30),
            "one colour": (9 * 24 + 9 * 24 * 24, 25 * 24, 2),
            "both read the picture": (2 * 648, 1800, 7),
            "one filter": (18, 25, 1),
            "biases": (5832 + 48, 1800 + 24, 7),
            "rounded up": (5832, 1800, 8),
        },
    ),
    "cells": Sample(
        cells,
        cells_by_impulses,
        stub,
        {
            "whole field": whole_field,
            "first layer first": lambda layers, index: cells(layers[::-1], index),
            "stride left out": lambda layers, index: cells(layers, index, stride=False),
            "dilation left out": lambda layers, index: cells(layers, index, dilation=False),
            "index left out": lambda layers, index: cells(layers, 0),
            "repeats": lambda layers, index: cells(layers, index, repeats=True),
        },
        near_misses=[(lambda layers, index: set(cells(layers, index)), "type set")],
        inputs={
            "five cases": lambda cases: len(cases) >= 5,
            "nothing that Keras refuses: stride and dilation above 1": lambda cases: all(
                s == 1 or d == 1 for layers, _ in cases for _, s, d in layers
            ),
            "a dilation": lambda cases: any(d > 1 for layers, _ in cases for _, _, d in layers),
            "a stride": lambda cases: any(s > 1 for layers, _ in cases for _, s, _ in layers),
        },
    ),
    "find-the-bug": Sample(
        span,
        span_by_walking,
        stub,
        {
            "as given": broken_span,
            "step of one": lambda layers, index: span(layers, index, jumps=False),
            "jump too early": lambda layers, index: span(layers, index, late=False),
            "one cell too many": lambda layers, index: span(layers, index, last=0),
            "padding unscaled": lambda layers, index: span(layers, index, padding="pixels"),
            "no padding": lambda layers, index: span(layers, index, padding="none"),
        },
    ),
}
