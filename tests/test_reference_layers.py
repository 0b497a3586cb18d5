"""Batch normalisation, dropout, dense, activations and the loss in NumPy, forward and backward.

Against Keras, TensorFlow and finite differences.
"""

import numpy as np
import pytest
from gradients import distinct, numeric_gradient, worst

from cnnlib import reference

X = np.ones((1, 5, 6, 3))
ONES = np.ones(3)
RNG = np.random.default_rng


def tape_gradients(function, inputs, dy):
    """Return the output of `function` and the gradients of sum(output * dy) with respect to each of its inputs."""
    import tensorflow as tf

    inputs = [tf.constant(array) for array in inputs]
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        y = function(*inputs)
    return y, tape.gradient(y, inputs, output_gradients=tf.constant(dy))


# --- batch normalisation ------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(8, 5), (4, 5, 6, 3), (2, 7, 4)])
def test_batch_norm_equals_keras(shape):
    import keras

    rng = RNG(sum(shape))
    layer = keras.layers.BatchNormalization(epsilon=2e-3)
    layer.build(shape)
    gamma, beta, mean, variance = (rng.uniform(0.5, 2, shape[-1]).astype("float32") for _ in range(4))
    layer.set_weights([gamma, beta, mean, variance])
    x = rng.normal(3, 2, shape).astype("float32")
    inference = reference.batch_norm(x, gamma, beta, 2e-3, mean, variance)
    np.testing.assert_allclose(inference, layer(x, training=False), rtol=0, atol=1e-5)
    training = reference.batch_norm(x, gamma, beta, 2e-3)
    np.testing.assert_allclose(training, layer(x, training=True), rtol=0, atol=1e-5)


def random_batch(seed, dtype="float32"):
    """Return x, dy, gamma, beta, epsilon and the moving statistics (none of them in three of four cases)."""
    rng = RNG(seed)
    shape = [(0, 3), (0, 4, 2), (0, 3, 4, 5), (0, 1, 1, 3)][seed % 4]
    shape = (int(rng.integers(2, 12)), *shape[1:])
    x = rng.normal(rng.uniform(-5, 5), rng.uniform(0.2, 4), shape)
    gamma, beta, mean, variance = (rng.uniform(0.2, 2, shape[-1]) * sign for sign in (-1, 1, 1, 1))
    epsilon = float(rng.choice([1e-3, 1e-5, 0.1]))
    moving = (mean.astype(dtype), variance.astype(dtype)) if seed % 5 < 2 else ()
    arrays = (array.astype(dtype) for array in (x, rng.uniform(-1, 1, shape), gamma, beta))
    return (*arrays, epsilon, moving)


@pytest.mark.parametrize(("dtype", "most"), [("float32", 3e-5), ("float64", 1e-13)])
def test_the_gradients_of_batch_norm_equal_tensorflow(dtype, most):
    """Two numbers a channel may lie close together: then the gradients are large differences of larger numbers."""
    import tensorflow as tf

    errors = {}
    for seed in range(250):
        x, dy, gamma, beta, epsilon, moving = random_batch(seed, dtype)

        def layer(x, gamma, beta, epsilon=epsilon, moving=moving):
            statistics = moving or tf.nn.moments(x, axes=list(range(len(x.shape) - 1)))
            return tf.nn.batch_normalization(x, *statistics, beta, gamma, epsilon)

        y, expected = tape_gradients(layer, (x, gamma, beta), dy)
        worst(errors, "y", reference.batch_norm(x, gamma, beta, epsilon, *moving), y)
        gradients = reference.batch_norm_backward(dy, x, gamma, epsilon, *moving)
        for name, ours, theirs in zip(("dx", "dgamma", "dbeta"), gradients, expected, strict=True):
            assert ours.dtype == dtype
            # dx is a difference of terms as large as gamma dy / sigma.
            spread = np.sqrt((moving[1] if moving else x.var(axis=tuple(range(x.ndim - 1)))) + epsilon)
            worst(errors, name, ours, theirs, terms=np.abs(gamma * dy / spread).max() if name == "dx" else 0)
        assert max(errors.values()) < most, f"seed {seed}: {errors}"


def test_the_gradients_of_keras_own_layer_in_training_and_inference():
    import keras
    import tensorflow as tf

    rng = RNG(0)
    x, dy = rng.normal(2, 3, (2, 6, 5, 5, 4)).astype("float32")
    layer = keras.layers.BatchNormalization()
    layer.build(x.shape)
    gamma, beta, mean, variance = (rng.uniform(0.5, 2, 4).astype("float32") for _ in range(4))
    layer.set_weights([gamma, beta, mean, variance])
    for training, moving in ((False, (mean, variance)), (True, ())):
        watched = tf.constant(x)
        with tf.GradientTape() as tape:
            tape.watch(watched)
            y = layer(watched, training=training)
        variables = [watched, layer.gamma.value, layer.beta.value]
        expected = tape.gradient(y, variables, output_gradients=tf.constant(dy))
        for ours, theirs in zip(reference.batch_norm_backward(dy, x, gamma, 1e-3, *moving), expected, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4)


def test_the_gradients_of_batch_norm_equal_finite_differences():
    errors = {}
    for seed in range(40):
        x, dy, gamma, beta, epsilon, moving = random_batch(seed, "float64")

        def loss(x=x, dy=dy, gamma=gamma, beta=beta, epsilon=epsilon, moving=moving):
            return np.sum(reference.batch_norm(x, gamma, beta, epsilon, *moving) * dy)

        gradients = reference.batch_norm_backward(dy, x, gamma, epsilon, *moving)
        for name, ours, array in zip(("dx", "dgamma", "dbeta"), gradients, (x, gamma, beta), strict=True):
            worst(errors, name, ours, numeric_gradient(loss, array))
        assert max(errors.values()) < 1e-7, f"seed {seed}: {errors}"


def test_moving_statistics_equal_those_of_keras():
    import keras

    rng = RNG(1)
    layer = keras.layers.BatchNormalization(momentum=0.9)
    mean, variance = np.zeros(3, "float32"), np.ones(3, "float32")
    for _ in range(20):
        x = rng.normal(3, 2, (7, 4, 4, 3)).astype("float32")
        layer(x, training=True)
        mean = reference.moving_average(mean, x.mean(axis=(0, 1, 2)), 0.9)
        variance = reference.moving_average(variance, x.var(axis=(0, 1, 2)), 0.9)
    assert mean.dtype == variance.dtype == np.float32
    np.testing.assert_allclose(mean, layer.moving_mean, rtol=1e-5)
    np.testing.assert_allclose(variance, layer.moving_variance, rtol=1e-5)
    assert reference.moving_average(2.0, 4.0, 0.75) == 2.5
    assert np.isclose(reference.moving_average(0, 1), 0.01)  # Keras's default momentum


# --- dropout ------------------------------------------------------------------------------------------------


def test_dropout_scales_what_it_keeps_as_keras_does():
    import keras

    x = np.ones((200, 200), np.float32)
    ours = reference.dropout(x, 0.25, RNG(3))
    theirs = np.asarray(keras.layers.Dropout(0.25, seed=3)(x, training=True))
    np.testing.assert_allclose(np.unique(ours), np.unique(theirs), rtol=1e-6)  # 0 and 4/3
    for dropped in (ours == 0, theirs == 0):
        assert abs(dropped.mean() - 0.25) < 4 * np.sqrt(0.25 * 0.75 / x.size)
    np.testing.assert_array_equal(reference.dropout(x, 0, RNG(3)), x)


def test_the_mask_is_what_dropout_multiplies_by():
    for seed in range(100):
        rng = RNG(seed)
        shape, rate = tuple(rng.integers(1, 7, seed % 4 + 1).tolist()), float(rng.uniform(0, 0.95))
        x = rng.normal(size=shape).astype("float32")
        mask = reference.dropout_mask(shape, rate, RNG(seed))
        assert mask.dtype == np.float32 and mask.shape == shape
        np.testing.assert_allclose(x * mask, reference.dropout(x, rate, RNG(seed)), rtol=1e-6)
        dx = reference.dropout_backward(x, mask)
        np.testing.assert_array_equal(dx, x * mask)
        assert dx.dtype == np.float32


def test_the_gradient_of_dropout_equals_that_of_keras_with_its_own_mask():
    import keras
    import tensorflow as tf

    for seed in range(60):
        rng = RNG(seed)
        x, dy = rng.normal(1, 1, (2, 3, 4, 4, 5)).astype("float32")
        spatial = seed % 2
        layer = (keras.layers.SpatialDropout2D if spatial else keras.layers.Dropout)(0.4, seed=seed)
        watched = tf.constant(x)
        with tf.GradientTape() as tape:
            tape.watch(watched)
            y = layer(watched, training=True)
        mask = y.numpy() / x  # no x is 0
        if spatial:
            mask = mask[:, :1, :1]  # one draw for a whole map
        expected = tape.gradient(y, watched, output_gradients=tf.constant(dy))
        np.testing.assert_allclose(reference.dropout_backward(dy, mask), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("rate", [0, 0.2, 0.5, 0.9])
def test_the_mask_keeps_the_right_share_and_the_mean(rate):
    mask = reference.dropout_mask((300, 400), rate, RNG(0))
    assert set(np.unique(mask).tolist()) <= {0.0, float(np.float32(1 / (1 - rate)))}
    assert abs((mask == 0).mean() - rate) <= 4 * np.sqrt(rate * (1 - rate) / mask.size)
    assert reference.dropout_mask(4, rate, RNG(0)).shape == (4,)


# --- dense, activations, loss -------------------------------------------------------------------------------


def test_dense_and_its_gradients_equal_tensorflow():
    errors = {}
    for seed in range(150):
        rng = RNG(seed)
        images, inputs, units = rng.integers(1, 9, 3)
        shapes = (images, inputs), (inputs, units), (units,), (images, units)
        x, w, b, dy = (rng.uniform(-1, 1, shape).astype("float32") for shape in shapes)
        y, expected = tape_gradients(lambda x, w, b: x @ w + b, (x, w, b), dy)
        worst(errors, "y", reference.dense(x, w, b), y)
        worst(errors, "without bias", reference.dense(x, w) + b, y)
        for name, ours, theirs in zip("xwb", reference.dense_backward(dy, x, w), expected, strict=True):
            assert ours.dtype == np.float32
            worst(errors, f"d{name}", ours, theirs)
        assert max(errors.values()) < 1e-6, f"seed {seed}: {errors}"


@pytest.mark.parametrize("name", ["relu", "sigmoid"])
def test_activations_and_their_gradients_equal_tensorflow(name):
    import tensorflow as tf

    forward, backward = getattr(reference, name), getattr(reference, f"{name}_backward")
    errors = {}
    for seed in range(100):
        rng = RNG(seed)
        x = rng.normal(0, 10.0 ** rng.integers(-1, 3), tuple(rng.integers(1, 6, seed % 4 + 1))).astype("float32")
        x.flat[0] = 0  # the kink of ReLU
        dy = rng.uniform(-1, 1, x.shape).astype("float32")
        y, (expected,) = tape_gradients(getattr(tf.nn, name), (x,), dy)
        assert forward(x).dtype == backward(dy, x).dtype == np.float32
        worst(errors, "y", forward(x), y)
        worst(errors, "dx", backward(dy, x), expected)
        assert max(errors.values()) < 1e-5, f"seed {seed}: {errors}"  # 1 - y, where y is near 1


@pytest.mark.parametrize("name", ["relu", "sigmoid"])
def test_the_gradients_of_activations_equal_finite_differences(name):
    forward, backward = getattr(reference, name), getattr(reference, f"{name}_backward")
    x, dy = distinct(RNG(0), (4, 5)), RNG(1).normal(size=(4, 5))
    np.testing.assert_allclose(backward(dy, x), numeric_gradient(lambda: np.sum(forward(x) * dy), x), atol=1e-8)


def test_nothing_overflows():
    with np.errstate(all="raise", under="ignore"):
        np.testing.assert_array_equal(reference.sigmoid([-1e4, 0, 1e4]), [0, 0.5, 1])
        np.testing.assert_array_equal(reference.sigmoid_backward([1, 1], [-1e4, 1e4]), [0, 0])
        np.testing.assert_allclose(reference.softmax([[1e4, 1e4 - 1]]), reference.softmax([[0, -1]]))
        assert reference.cross_entropy([[0, 1e4]], [0]) == 1e4  # a probability of 0 in floating point
        np.testing.assert_array_equal(reference.cross_entropy_backward([[0, 1e4]], [0]), [[-1, 1]])


def test_softmax_and_cross_entropy_equal_tensorflow():
    import keras
    import tensorflow as tf

    loss, errors = keras.losses.SparseCategoricalCrossentropy(from_logits=True), {}
    for seed in range(200):
        rng = RNG(seed)
        images, classes = rng.integers(1, 12, 2)
        logits = rng.normal(0, 10.0 ** rng.integers(-1, 3), (images, classes)).astype("float32")
        labels = rng.integers(0, classes, (images, 1) if seed % 2 else images).astype(("uint8", "int64")[seed % 3 % 2])
        watched = tf.constant(logits)
        with tf.GradientTape() as tape:
            tape.watch(watched)
            value = loss(labels.astype("int64"), watched)
        worst(errors, "softmax", reference.softmax(logits), tf.nn.softmax(logits))
        worst(errors, "loss", reference.cross_entropy(logits, labels), value)
        dlogits = reference.cross_entropy_backward(logits, labels)
        assert dlogits.dtype == np.float32
        worst(errors, "dlogits", dlogits, tape.gradient(value, watched))
        assert max(errors.values()) < 1e-6, f"seed {seed}: {errors}"


def test_the_gradients_of_dense_and_loss_equal_finite_differences():
    rng = RNG(0)
    for seed in range(20):
        rng = RNG(seed)
        x, w, b = rng.normal(size=(5, 4)), rng.normal(size=(4, 3)), rng.normal(size=3)
        labels = rng.integers(0, 3, 5)

        def loss(x=x, w=w, b=b, labels=labels):
            return reference.cross_entropy(reference.dense(x, w, b), labels)

        dlogits = reference.cross_entropy_backward(reference.dense(x, w, b), labels)
        for ours, array in zip(reference.dense_backward(dlogits, x, w), (x, w, b), strict=True):
            np.testing.assert_allclose(ours, numeric_gradient(loss, array), rtol=0, atol=1e-8)


# --- bad arguments ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "names"),
    [
        (lambda: reference.batch_norm([[1, 2], [3]], np.ones(2), np.ones(2)), "x is not an array of numbers"),
        (lambda: reference.batch_norm(X, ONES, ONES, epsilon=0), "epsilon=0"),
        (lambda: reference.batch_norm(X, ONES, ONES, epsilon=-1e-3), "epsilon=-0.001"),
        (lambda: reference.batch_norm(X, ONES, ONES, epsilon=float("nan")), "epsilon=nan"),
        (lambda: reference.batch_norm(X, np.ones(2), ONES), "gamma has shape (2,)"),
        (lambda: reference.batch_norm(X, ONES, ONES, moving_mean=ONES), "moving_variance"),
        (lambda: reference.batch_norm(X[:0], ONES, ONES), "x has shape (0, 5, 6, 3)"),
        (lambda: reference.batch_norm(1.0, ONES, ONES), "x has shape ()"),
        (lambda: reference.batch_norm_backward(X[:, 0], X, ONES), "dy has shape (1, 6, 3)"),
        (lambda: reference.batch_norm_backward(X, X, np.ones(2)), "gamma has shape (2,)"),
        (lambda: reference.batch_norm_backward(X, X, ONES, moving_variance=ONES), "moving_mean"),
        (lambda: reference.batch_norm_backward(X, X, ONES, 1e-3, np.ones(2), ONES), "moving_mean has shape (2,)"),
        (lambda: reference.batch_norm_backward(X, X, ONES, 0), "epsilon=0"),
        (lambda: reference.moving_average(ONES, np.ones(2)), "new has shape (2,): use that of old, (3,)"),
        (lambda: reference.moving_average(ONES, ONES, 1.5), "momentum=1.5"),
        (lambda: reference.dropout(X, 1, RNG()), "rate=1"),
        (lambda: reference.dropout(X, float("nan"), RNG()), "rate=nan"),
        (lambda: reference.dropout_mask((2, 3), -0.1, RNG()), "rate=-0.1"),
        (lambda: reference.dropout_mask((2, -3), 0.1, RNG()), "shape[1]=-3"),
        (lambda: reference.dropout_backward(X, X[:, :2]), "mask has shape (1, 2, 6, 3)"),
        (lambda: reference.dropout_backward(X, X[0]), "mask has shape (5, 6, 3)"),
        (lambda: reference.dense(X, X), "x has shape"),
        (lambda: reference.dense(np.ones((2, 3)), X), "w has shape"),
        (lambda: reference.dense(np.ones((2, 3)), np.ones((2, 3))), "x has 3 inputs and w reads 2"),
        (lambda: reference.dense(np.ones((2, 3)), np.ones((3, 4)), ONES), "b has shape (3,)"),
        (lambda: reference.dense_backward(np.ones((3, 4)), np.ones((2, 3)), np.ones((3, 4))), "dy has shape (3, 4)"),
        (lambda: reference.relu_backward(ONES, X), "dy has shape (3,)"),
        (lambda: reference.sigmoid_backward(ONES, X), "dy has shape (3,)"),
        (lambda: reference.softmax(3.0), "logits has shape ()"),
        (lambda: reference.softmax(np.ones((2, 0))), "logits has shape (2, 0)"),
        (lambda: reference.cross_entropy(ONES, [0]), "logits has shape (3,)"),
        (lambda: reference.cross_entropy(np.ones((0, 3)), []), "logits has shape (0, 3)"),
        (lambda: reference.cross_entropy(np.ones((2, 3)), [0, 3]), "labels run from 0 to 3: use 0 to 2"),
        (lambda: reference.cross_entropy(np.ones((2, 3)), [-1, 0]), "labels run from -1 to 0"),
        (lambda: reference.cross_entropy(np.ones((2, 3)), [0]), "labels has shape (1,)"),
        (lambda: reference.cross_entropy(np.ones((2, 3)), [[0], [0, 1]]), "labels is not an array"),
        (lambda: reference.cross_entropy_backward(np.ones((2, 3)), np.eye(2, dtype=int)), "labels has shape (2, 2)"),
    ],
)
def test_layers_name_the_bad_argument(call, names):
    with pytest.raises(ValueError) as raised:
        call()
    assert names in str(raised.value)


@pytest.mark.parametrize(
    ("call", "names"),
    [
        (lambda: reference.batch_norm(X, ["a"] * 3, ONES), "gamma has dtype"),
        (lambda: reference.batch_norm(X, ONES, ONES, epsilon="small"), "epsilon='small'"),
        (lambda: reference.batch_norm_backward(X * 1j, X, ONES), "dy has dtype"),
        (lambda: reference.moving_average(ONES, ONES, None), "momentum=None"),
        (lambda: reference.dropout(X, "a", RNG()), "rate='a'"),
        (lambda: reference.dropout(X, 0.5, None), "rng=None"),
        (lambda: reference.dropout_mask((2, 3), 0.5, 7), "rng=7"),
        (lambda: reference.dropout_mask((2, 3.5), 0.5, RNG()), "shape[1]=3.5"),
        (lambda: reference.dropout_backward(X, X.astype(str)), "mask has dtype"),
        (lambda: reference.dense(np.ones((2, 3), str), np.ones((3, 4))), "x has dtype"),
        (lambda: reference.relu("a"), "x has dtype"),
        (lambda: reference.sigmoid([1j]), "x has dtype"),
        (lambda: reference.softmax([["a"]]), "logits has dtype"),
        (lambda: reference.cross_entropy(np.ones((2, 3)), [0.0, 1.0]), "labels has dtype"),
        (lambda: reference.cross_entropy(np.ones((2, 3)), [True, False]), "labels has dtype"),
    ],
)
def test_layers_name_the_wrong_type(call, names):
    with pytest.raises(TypeError) as raised:
        call()
    assert names in str(raised.value)
