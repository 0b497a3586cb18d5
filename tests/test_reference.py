"""The package of NumPy layers as a whole: its public face, and a network made of all of its layers.

Each layer has its own tests in `test_reference_convolution.py`, `test_reference_pooling.py` and
`test_reference_layers.py`.
"""

import inspect
import subprocess
import sys

import numpy as np
import pytest
from gradients import worst

from cnnlib import reference


def test_reference_needs_no_tensorflow():
    code = "import sys, cnnlib.reference; assert not {'tensorflow', 'keras', 'scipy'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("name", reference.__all__)
def test_every_public_name_is_a_function_that_says_what_it_takes_and_raises(name):
    function = getattr(reference, name)
    assert inspect.isfunction(function)  # and no module of the same name
    text = inspect.getdoc(function).lower()
    if name.endswith("_backward"):
        assert getattr(reference, name.removesuffix("_backward")), "a gradient belongs to a layer"
    assert any(word in text for word in ("shape", "arguments")), "shapes, or where they are written"
    assert any(word in text for word in ("raises", "errors", "arguments and result are those")), "errors"


def random_network(seed):
    """Return pictures, labels, a dropout mask and the weights of one small network."""
    rng = np.random.default_rng(seed)
    filters, units = rng.integers(2, 5, 2)
    x = rng.uniform(0, 1, (6, 9, 8, 3)).astype("float32")
    weights = {
        "w1": rng.normal(0, 0.3, (3, 3, 3, filters)),
        "b1": rng.normal(0, 0.1, filters),
        "gamma": rng.uniform(0.5, 1.5, filters),
        "beta": rng.normal(0, 0.3, filters),
        "w2": rng.normal(0, 0.3, (3, 2, filters, 4)),
        "b2": rng.normal(0, 0.1, 4),
        "w3": rng.normal(0, 0.5, (4, units)),
        "b3": rng.normal(0, 0.1, units),
    }
    mask = reference.dropout_mask((6, 5, 4, int(filters)), 0.3, rng)
    return x, rng.integers(0, units, 6), mask, {name: value.astype("float32") for name, value in weights.items()}


def loss_and_gradients(x, labels, mask, p):
    """Forward and backward through convolution, batch norm, ReLU, max pooling, dropout, a strided one, and the rest."""
    c1 = reference.conv2d(x, p["w1"], p["b1"], padding="same")
    n1 = reference.batch_norm(c1, p["gamma"], p["beta"])
    a1 = reference.relu(n1)
    p1 = reference.max_pool(a1, 2, padding="same")
    d1 = p1 * mask
    c2 = reference.conv2d(d1, p["w2"], p["b2"], strides=2, padding="same")
    a2 = reference.sigmoid(c2)
    g2 = reference.global_average_pool(a2)
    logits = reference.dense(g2, p["w3"], p["b3"])
    g = {}
    dy = reference.cross_entropy_backward(logits, labels)
    dy, g["w3"], g["b3"] = reference.dense_backward(dy, g2, p["w3"])
    dy = reference.sigmoid_backward(reference.global_average_pool_backward(dy, a2), c2)
    dy, g["w2"], g["b2"] = reference.conv2d_backward(dy, d1, p["w2"], strides=2, padding="same")
    dy = reference.max_pool_backward(reference.dropout_backward(dy, mask), a1, 2, padding="same")
    dy, g["gamma"], g["beta"] = reference.batch_norm_backward(reference.relu_backward(dy, n1), c1, p["gamma"])
    g["x"], g["w1"], g["b1"] = reference.conv2d_backward(dy, x, p["w1"], padding="same")
    return reference.cross_entropy(logits, labels), g


def test_a_whole_network_has_the_gradients_of_tensorflow():
    import tensorflow as tf

    errors = {}
    for seed in range(40):
        x, labels, mask, weights = random_network(seed)
        loss, gradients = loss_and_gradients(x, labels, mask, weights)
        p = {name: tf.constant(value) for name, value in {**weights, "x": x}.items()}
        with tf.GradientTape() as tape:
            tape.watch(p)
            c1 = tf.nn.conv2d(p["x"], p["w1"], 1, "SAME") + p["b1"]
            mean, variance = tf.nn.moments(c1, [0, 1, 2])
            n1 = tf.nn.batch_normalization(c1, mean, variance, p["beta"], p["gamma"], 1e-3)
            d1 = tf.nn.max_pool2d(tf.nn.relu(n1), 2, 2, "SAME") * mask
            c2 = tf.nn.conv2d(d1, p["w2"], 2, "SAME") + p["b2"]
            logits = tf.reduce_mean(tf.sigmoid(c2), [1, 2]) @ p["w3"] + p["b3"]
            expected = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits))
        assert np.isclose(loss, expected, rtol=1e-5)
        for name, theirs in tape.gradient(expected, p).items():
            ours = gradients[name]
            assert ours.dtype == np.float32
            # Batch normalisation takes a bias away again: of its gradient nothing is left but rounding.
            worst(errors, name, ours, theirs, terms=np.abs(gradients["b2"]).max() if name == "b1" else 0)
            assert np.abs(theirs).max() > 1e-4 or name == "b1", f"no gradient reaches {name}"
        assert max(errors.values()) < 1e-5, f"seed {seed}: {errors}"


def test_a_bias_before_batch_norm_gets_no_gradient():
    x, labels, mask, weights = random_network(0)
    _, gradients = loss_and_gradients(x, labels, mask, weights)
    assert np.abs(gradients["b1"]).max() < 1e-6 < 1e-3 < np.abs(gradients["b2"]).max()
