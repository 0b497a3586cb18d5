"""Cross-entropy of logits and class numbers, and its gradient."""

import numpy as np

from cnnlib.reference._arrays import array, floats
from cnnlib.reference.activation import softmax


def cross_entropy(logits, labels):
    """Return the mean of -log(softmax(logits)[label]) over the images, as one number.

    Input shape: logits (N, classes); labels (N,) or (N, 1), integers from 0 to classes - 1. It is Keras's
    `SparseCategoricalCrossentropy(from_logits=True)`. No logarithm of 0 is taken, however small a probability:
    log(softmax) is logit - log(sum(exp(logits))).

    Raises ValueError for shapes that do not fit together and labels out of range, TypeError for logits that are
    not numbers and labels that are not integers.
    """
    logits, labels = _prepare(logits, labels)
    logits = logits - logits.max(axis=1, keepdims=True)
    log_sums = np.log(np.exp(logits).sum(axis=1))
    return np.mean(log_sums - logits[np.arange(len(labels)), labels])


def cross_entropy_backward(logits, labels):
    """Return the gradient of `cross_entropy` with respect to the logits: (softmax - one-hot) / N.

    Output shape: that of logits, (N, classes). Arguments and errors are those of `cross_entropy`.
    """
    logits, labels = _prepare(logits, labels)
    dlogits = softmax(logits)
    dlogits[np.arange(len(labels)), labels] -= 1
    return dlogits / len(labels)


def _prepare(logits, labels):
    """Check; return logits as floats (N, classes) and labels as integers (N,)."""
    logits = floats("logits", logits)
    if logits.ndim != 2 or not logits.size:
        raise ValueError(f"logits has shape {logits.shape}: use (images, classes), at least one of each")
    images, classes = logits.shape
    labels = array("labels", labels)
    if labels.dtype.kind not in "iu":
        raise TypeError(f"labels has dtype {labels.dtype}: use integers, one an image")
    if labels.shape not in ((images,), (images, 1)):
        raise ValueError(f"labels has shape {labels.shape}: use one label an image, ({images},) or ({images}, 1)")
    labels = labels.reshape(images)
    if labels.min() < 0 or labels.max() >= classes:
        raise ValueError(f"labels run from {labels.min()} to {labels.max()}: use 0 to {classes - 1}")
    return logits, labels
