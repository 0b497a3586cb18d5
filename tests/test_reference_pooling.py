"""The NumPy poolings, forward and backward, against TensorFlow, Keras and finite differences."""

import numpy as np
import pytest
from gradients import distinct, numeric_gradient, worst

from cnnlib import reference

FORWARD = {"max": reference.max_pool, "average": reference.average_pool}
BACKWARD = {"max": reference.max_pool_backward, "average": reference.average_pool_backward}
GLOBAL = {
    "max": (reference.global_max_pool, reference.global_max_pool_backward),
    "average": (reference.global_average_pool, reference.global_average_pool_backward),
}
X = np.ones((1, 5, 6, 3))


def tensorflow_pool(kind):
    import tensorflow as tf

    return {"max": tf.nn.max_pool2d, "average": tf.nn.avg_pool2d}[kind]


def random_case(seed):
    """Return x, dy and (pool size, strides, padding): windows that overlap, that touch, that leave gaps.

    Half of the pictures hold a few whole numbers, so that a window has several equal maxima. Most numbers lie below
    zero: a padding of zeros would win.
    """
    rng = np.random.default_rng(seed)
    size = tuple(rng.integers(1, 5, 2).tolist())
    strides = None if seed % 4 == 0 else tuple(rng.integers(1, 6, 2).tolist())
    padding = ("valid", "same")[seed % 2]
    least = np.array(size) if padding == "valid" else np.ones(2, int)  # "same" takes windows larger than the picture
    shape = (rng.integers(1, 4), *(least + rng.integers(0, 7, 2)), rng.integers(1, 4))
    x = rng.normal(-3, 1, shape) if seed % 3 else rng.integers(-4, -1, shape)
    y = reference.max_pool(x, size, strides, padding)
    return x.astype("float32"), rng.uniform(-1, 1, y.shape).astype("float32"), (size, strides, padding)


@pytest.mark.parametrize("kind", FORWARD)
def test_pooling_equals_tensorflow(kind):
    errors = {}
    for seed in range(240):
        x, _, (size, strides, padding) = random_case(seed)
        y = FORWARD[kind](x, size, strides, padding)
        expected = tensorflow_pool(kind)(x, size, strides or size, padding.upper()).numpy()
        assert y.dtype == np.float32
        worst(errors, "y", y, expected)
        assert errors["y"] < 1e-6, f"seed {seed}"


@pytest.mark.parametrize("kind", BACKWARD)
def test_the_gradients_of_a_pooling_equal_tensorflow(kind):
    import tensorflow as tf

    errors, seen, ties = {}, set(), 0
    for seed in range(400):
        x, dy, (size, strides, padding) = random_case(seed)
        watched = tf.constant(x)
        with tf.GradientTape() as tape:
            tape.watch(watched)
            y = tensorflow_pool(kind)(watched, size, strides or size, padding.upper())
        expected = tape.gradient(y, watched, output_gradients=tf.constant(dy)).numpy()
        dx = BACKWARD[kind](dy, x, size, strides, padding)
        assert dx.dtype == np.float32
        worst(errors, "dx", dx, expected)
        assert errors["dx"] < 1e-6, f"seed {seed}: {size} {strides} {padding}"
        steps = strides or size
        seen.add((padding, *np.sign(np.subtract(steps, size)).tolist()))
        ties += seed % 3 == 0 and size != (1, 1)
    # Either padding; in each axis, windows that overlap, that touch and that leave gaps.
    assert len(seen) == 18 and ties > 100


@pytest.mark.parametrize("kind", BACKWARD)
def test_the_gradients_of_a_pooling_equal_finite_differences(kind):
    errors = {}
    for seed in range(40):
        x, dy, settings = random_case(seed)
        x, dy = distinct(np.random.default_rng(seed), x.shape), dy.astype("float64")

        def loss(x=x, dy=dy, settings=settings):
            return np.sum(FORWARD[kind](x, *settings) * dy)

        dx = BACKWARD[kind](dy, x, *settings)
        assert dx.dtype == np.float64
        worst(errors, "dx", dx, numeric_gradient(loss, x))
        assert errors["dx"] < 1e-7, f"seed {seed}: {settings}"


def test_of_equal_maxima_the_first_gets_all():
    x = np.zeros((1, 2, 3, 1))
    dx = reference.max_pool_backward(np.full((1, 1, 2, 1), 5.0), x, 2, strides=1)
    np.testing.assert_array_equal(dx[0, :, :, 0], [[5, 5, 0], [0, 0, 0]])


def test_a_cell_that_wins_twice_gets_both():
    x = np.array([[0.0, 9, 0], [0, 0, 0]])[None, :, :, None]
    dx = reference.max_pool_backward(np.array([2.0, 3]).reshape(1, 1, 2, 1), x, 2, strides=1)
    np.testing.assert_array_equal(dx[0, :, :, 0], [[0, 5, 0], [0, 0, 0]])


def test_padding_wins_no_gradient_not_even_over_minus_infinity():
    x = np.full((1, 3, 3, 1), -np.inf)
    dx = reference.max_pool_backward(np.ones((1, 2, 2, 1)), x, 3, 2, "same")
    assert dx.sum() == 4


def test_pooling_hides_no_nan():
    x = np.ones((1, 4, 4, 1))
    x[0, 1, 0, 0] = np.nan
    for pool in FORWARD.values():
        assert np.isnan(pool(x)[0, 0, 0, 0])
        assert not np.isnan(pool(x)[0, 1:]).any()
    dx = reference.max_pool_backward(np.ones((1, 2, 2, 1)), x)
    assert dx[0, 1, 0, 0] == 1 and dx.sum() == 4  # the output was that NaN


@pytest.mark.parametrize("kind", GLOBAL)
def test_global_pooling_and_its_gradients_equal_keras(kind):
    import keras
    import tensorflow as tf

    layers = {"max": keras.layers.GlobalMaxPooling2D, "average": keras.layers.GlobalAveragePooling2D}
    layer, (forward, backward), errors = layers[kind](), GLOBAL[kind], {}
    for seed in range(200):
        rng = np.random.default_rng(seed)
        shape = tuple(rng.integers(1, (4, 7, 7, 5)).tolist())
        # A third of them with equal maxima, which share the gradient.
        x = rng.normal(-3, 1, shape) if seed % 3 else rng.integers(-4, -1, shape)
        x, dy = x.astype("float32"), rng.uniform(-1, 1, (shape[0], shape[3])).astype("float32")
        watched = tf.constant(x)
        with tf.GradientTape() as tape:
            tape.watch(watched)
            y = layer(watched)
        worst(errors, "y", forward(x), y)
        dx = backward(dy, x)
        assert dx.dtype == forward(x).dtype == np.float32
        worst(errors, "dx", dx, tape.gradient(y, watched, output_gradients=tf.constant(dy)))
        assert max(errors.values()) < 1e-6, f"seed {seed}"


@pytest.mark.parametrize("kind", GLOBAL)
def test_the_gradients_of_global_pooling_equal_finite_differences(kind):
    forward, backward = GLOBAL[kind]
    for seed in range(20):
        rng = np.random.default_rng(seed)
        x = distinct(rng, tuple(rng.integers(1, (4, 5, 5, 4)).tolist()))
        dy = rng.normal(size=(x.shape[0], x.shape[3]))
        expected = numeric_gradient(lambda x=x, dy=dy: np.sum(forward(x) * dy), x)
        np.testing.assert_allclose(backward(dy, x), expected, rtol=0, atol=1e-7)


@pytest.mark.parametrize(
    ("call", "names"),
    [
        (lambda: reference.max_pool(X, padding=1), "padding=1"),
        (lambda: reference.max_pool(X, 7), "pool_size=7 does not fit into 5 x 6 pixels"),
        (lambda: reference.max_pool(X, (2, 7)), "pool_size=(2, 7)"),
        (lambda: reference.average_pool(X, 0), "pool_size=0"),
        (lambda: reference.max_pool(X, (2, 0)), "pool_size[1]=0"),
        (lambda: reference.max_pool(X, strides=0), "strides=0"),
        (lambda: reference.average_pool(X[0]), "x has shape"),
        (lambda: reference.max_pool_backward(X, X), "dy has shape (1, 5, 6, 3): use that of the layer's output"),
        (lambda: reference.max_pool_backward(X[:, :2, :3], X, padding="same"), "(1, 3, 3, 3)"),
        (lambda: reference.max_pool_backward(X, X, padding="full"), "padding='full'"),
        (lambda: reference.average_pool_backward(X, X), "dy has shape"),
        (lambda: reference.average_pool_backward(X, X[0]), "x has shape"),
        (lambda: reference.average_pool_backward(X, X, strides=-1), "strides=-1"),
        (lambda: reference.global_average_pool(X[0]), "x has shape"),
        (lambda: reference.global_average_pool(X[:, :0]), "a map without cells"),
        (lambda: reference.global_max_pool(X[:, :, :0]), "a map without cells"),
        (lambda: reference.global_average_pool_backward(np.ones((3, 1)), X), "dy has shape (3, 1)"),
        (lambda: reference.global_max_pool_backward(np.ones(3), X), "use that of the layer's output, (1, 3)"),
    ],
)
def test_poolings_name_the_bad_argument(call, names):
    with pytest.raises(ValueError) as raised:
        call()
    assert names in str(raised.value)


@pytest.mark.parametrize(
    ("call", "names"),
    [
        (lambda: reference.max_pool(X, 2.5), "pool_size=2.5"),
        (lambda: reference.average_pool(X, strides="2"), "strides='2'"),
        (lambda: reference.max_pool_backward(X.astype(complex), X, 1), "dy has dtype"),
        (lambda: reference.average_pool_backward(X, X, True), "pool_size=True"),
        (lambda: reference.global_max_pool(X.astype(str)), "x has dtype"),
    ],
)
def test_poolings_name_the_wrong_type(call, names):
    with pytest.raises(TypeError) as raised:
        call()
    assert names in str(raised.value)
