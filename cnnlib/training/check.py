"""The checks of what ``fit`` is given, made before anything is trained or written."""

import math
import numbers
import os

import keras
import numpy as np

from cnnlib.training.recipe import settings


def arguments(model, dataset, learning_rate, augment, run_dir, callbacks):
    """Raise ValueError or TypeError, naming the parameter, for what ``fit`` cannot use."""
    if not isinstance(model, keras.Model):
        raise TypeError(f"model={model!r} is not a keras.Model")
    _dataset(dataset, augment)
    _learning_rate(learning_rate)
    if not isinstance(callbacks, (list, tuple)) or not all(isinstance(c, keras.callbacks.Callback) for c in callbacks):
        raise TypeError(f"callbacks={callbacks!r} is not a list of Keras callbacks")
    if run_dir is not None and not isinstance(run_dir, (str, os.PathLike)):
        raise TypeError(f"run_dir={run_dir!r} is not a path or None")
    if run_dir is not None and os.path.exists(run_dir) and not os.path.isdir(run_dir):
        raise ValueError(f"run_dir={str(run_dir)!r} is a file; it must be a folder, or not be there yet")


def _dataset(dataset, augment):
    wanted = {f"{part}.{array}" for part in ("train", "validation") for array in "xy"}
    missing = {f for f in wanted if not hasattr(getattr(dataset, f[:-2], None), f[-1])}
    missing |= {"name"} - set(dir(dataset))
    if missing:
        kind = type(dataset).__name__
        raise TypeError(f"dataset, a {kind}, is not a cnnlib.data.Dataset: it lacks {', '.join(sorted(missing))}")
    for part in ("train", "validation"):
        x, y = (np.asarray(array) for array in (getattr(dataset, part).x, getattr(dataset, part).y))
        if len(x) == 0 or len(x) != len(y):
            raise ValueError(
                f"dataset.{part} has {len(x)} images and {len(y)} labels; it must have some, and as many of both"
            )
        if augment and x.ndim != 4:
            raise ValueError(
                f"dataset.{part}.x has the shape {x.shape}; to be augmented it must have (images, height, width, channels)"
            )
        if y.shape not in ((len(y),), (len(y), 1)) or y.dtype.kind not in "iu":
            raise ValueError(
                f"dataset.{part}.y has the shape {y.shape} and the type {y.dtype}; it must hold a class number for each "
                "image: integers of shape (N,) or (N, 1), not one-hot rows"
            )


def _learning_rate(rate):
    if rate is None or isinstance(rate, keras.optimizers.schedules.LearningRateSchedule):
        return
    if isinstance(rate, bool) or not isinstance(rate, numbers.Real):
        raise TypeError(f"learning_rate={rate!r} is not a number, a Keras schedule or None")
    if not 0 < rate < math.inf:
        raise ValueError(f"learning_rate={rate!r} is not a finite number above 0")


def outputs(model, shape, *labels):
    """Raise ValueError unless the net has an output for every class number; TensorFlow would stop or give nan.

    Args:
        model: a net that is compiled with a loss of its own choice may put out what it likes.
        shape: of what the net puts out for a few images.
        labels: arrays of class numbers.

    """
    if model.compiled and not settings(keras.losses.get(model.loss))["name"].lower().startswith("sparse"):
        return
    least, most = min(int(np.min(y)) for y in labels), max(int(np.max(y)) for y in labels)
    if len(shape) != 2 or not 0 <= least <= most < shape[1]:
        raise ValueError(
            f"model puts out an array of shape {(None, *shape[1:])}, and the labels run from {least} to {most}; "
            f"it must be (None, classes), with classes > {most}"
        )
