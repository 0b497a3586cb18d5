"""Gradients by finite differences, in double precision: what the tests of the NumPy layers share."""

import numpy as np


def numeric_gradient(loss, array, step=1e-6):
    """Return d loss / d array for every number of a float64 array, by central differences; `loss` reads it in place."""
    gradient = np.zeros_like(array)
    for index in np.ndindex(array.shape):
        value = array[index]
        array[index] = value + step
        above = loss()
        array[index] = value - step
        below = loss()
        array[index] = value
        gradient[index] = (above - below) / (2 * step)
    return gradient


def distinct(rng, shape, gap=0.1):
    """Return numbers of both signs, no two of them closer than `gap` and none closer to 0 than half of it.

    A finite difference then crosses no kink of a maximum or of ReLU.
    """
    count = int(np.prod(shape))
    return (rng.permutation(count).reshape(shape) - count // 2 + 0.5) * gap


def worst(errors, name, ours, theirs, terms=0):
    """Keep the largest difference of two arrays of one shape, in parts of the largest number (of 0.001 at least).

    `terms`: how large the terms of a sum are that may cancel. What is left of them is no more exact than they are.
    """
    ours, theirs = np.asarray(ours), np.asarray(theirs)
    assert ours.shape == theirs.shape, f"{name}: {ours.shape} and {theirs.shape}"
    assert np.isfinite(ours).all() and np.isfinite(theirs).all(), name
    scale = max(1e-3, terms, np.abs(theirs).max(initial=0))
    errors[name] = max(errors.get(name, 0), float(np.abs(ours - theirs).max(initial=0) / scale))
