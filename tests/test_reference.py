"""The NumPy layers against TensorFlow, Keras and SciPy, which we did not write."""

import subprocess
import sys

import numpy as np
import pytest
from scipy import signal

from cnnlib import reference

WAYS = {
    "loops": reference.conv2d_loops,
    "windows": reference.conv2d_windows,
    "matmul": reference.conv2d_matmul,
}
CASES = 240


def random_case(seed):
    """Return x, w, b and the settings of one convolution whose windows fit; every setting comes up often."""
    rng = np.random.default_rng(seed)
    kernel = rng.integers(1, 5, 2)
    dilation = rng.choice([1, 1, 2, 3], 2)
    strides = rng.integers(1, 4, 2)
    padding = [
        "valid",
        "same",
        int(rng.integers(0, 4)),
        tuple(tuple(int(zeros) for zeros in rng.integers(0, 4, 2)) for _ in range(2)),
    ][seed % 4]
    # Room for one window at least, whatever the padding; now and then exactly that.
    covered = dilation * (kernel - 1) + 1
    height, width = covered + rng.integers(0, 7, 2)
    images, channels, filters = rng.integers(1, 4), rng.integers(1, 5), rng.integers(1, 6)
    x = rng.uniform(-1, 1, (images, height, width, channels)).astype("float32")
    w = rng.uniform(-1, 1, (*kernel, channels, filters)).astype("float32")
    b = rng.uniform(-1, 1, filters).astype("float32") if seed % 3 else None
    settings = {
        "strides": tuple(strides.tolist()) if seed % 2 else int(strides[0]),
        "padding": padding,
        "dilation_rate": tuple(dilation.tolist()) if seed % 5 else int(dilation.min()),
    }
    return x, w, b, settings


def dilated(w, rate):
    """Write a dilated kernel out: `rate - 1` zeros between neighbours."""
    height, width, channels, filters = w.shape
    spread = np.zeros((rate[0] * (height - 1) + 1, rate[1] * (width - 1) + 1, channels, filters), w.dtype)
    spread[:: rate[0], :: rate[1]] = w
    return spread


def tensorflow_conv2d(x, w, b, strides, padding, dilation_rate):
    import tensorflow as tf

    rate = (dilation_rate,) * 2 if isinstance(dilation_rate, int) else dilation_rate
    if rate != (1, 1) and strides not in (1, (1, 1)):
        w, rate = dilated(w, rate), (1, 1)  # tf.nn.conv2d refuses the two together on a CPU
    if isinstance(padding, str):
        padding = padding.upper()
    else:
        rows, columns = ((padding,) * 2,) * 2 if isinstance(padding, int) else padding
        padding = [(0, 0), rows, columns, (0, 0)]
    y = tf.nn.conv2d(x, w, strides=strides, padding=padding, dilations=rate).numpy()
    return y if b is None else y + b


@pytest.mark.parametrize("way", WAYS)
def test_each_convolution_equals_tensorflow(way):
    seen = set()
    for seed in range(CASES):
        x, w, b, settings = random_case(seed)
        expected = tensorflow_conv2d(x, w, b, **settings)
        y = WAYS[way](x, w, b, **settings)
        assert y.shape == expected.shape, settings
        assert y.dtype == expected.dtype == np.float32
        np.testing.assert_allclose(y, expected, rtol=0, atol=1e-5, err_msg=f"seed {seed}: {settings}")
        seen.add(
            (
                type(settings["padding"]),
                settings["strides"] in (1, (1, 1)),
                settings["dilation_rate"] in (1, (1, 1)),
            )
        )
    assert len(seen) == 12  # str, int and pairs of padding, with and without strides and dilation


@pytest.mark.parametrize("way", WAYS)
def test_double_precision_agrees_to_rounding(way):
    for seed in range(12):
        x, w, b, settings = random_case(seed)
        x, w = x.astype("float64"), w.astype("float64")
        expected = tensorflow_conv2d(x, w, b, **settings)
        np.testing.assert_allclose(WAYS[way](x, w, b, **settings), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("way", WAYS)
def test_it_is_cross_correlation(way):
    image, kernel = np.arange(42.0).reshape(6, 7) ** 1.5, np.array([[1.0, 2, 3], [0, -1, 5], [4, 0, -7]])
    y = WAYS[way](image[None, :, :, None], kernel[:, :, None, None])[0, :, :, 0]
    np.testing.assert_allclose(y, signal.correlate2d(image, kernel, mode="valid"))
    assert not np.allclose(y, signal.convolve2d(image, kernel, mode="valid"))  # that one flips the kernel


@pytest.mark.parametrize("way", WAYS)
def test_an_impulse_shows_the_kernel_turned_round(way):
    """A single 1 in the picture prints the kernel in every window that sees it: turned by half a turn."""
    picture = np.zeros((1, 5, 5, 1))
    picture[0, 2, 2, 0] = 1
    kernel = np.arange(1.0, 10).reshape(3, 3)
    y = WAYS[way](picture, kernel[:, :, None, None])[0, :, :, 0]
    np.testing.assert_array_equal(y, kernel[::-1, ::-1])


@pytest.mark.parametrize("way", WAYS)
def test_small_integers_do_not_overflow(way):
    x = np.full((1, 3, 3, 2), 255, np.uint8)
    y = WAYS[way](x, np.ones((3, 3, 2, 1), np.int8))
    assert y.dtype == np.float32
    assert y.item() == 255 * 18


def test_the_public_one_is_one_of_the_three():
    x, w, b, settings = random_case(7)
    np.testing.assert_array_equal(reference.conv2d(x, w, b, **settings), reference.conv2d_windows(x, w, b, **settings))


def test_keras_padding_names_in_capitals():
    x, w, b, _ = random_case(1)
    np.testing.assert_array_equal(reference.conv2d(x, w, b, padding="SAME"), reference.conv2d(x, w, b, padding="same"))


X, W = np.ones((1, 5, 6, 3)), np.ones((3, 3, 3, 2))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("arguments", "settings", "error", "names"),
    [
        ((X[0], W), {}, ValueError, "x has shape"),
        ((X, W[0]), {}, ValueError, "w has shape"),
        ((X[..., :2], W), {}, ValueError, "x has 2 channels and w reads 3"),
        ((X, W, np.ones(3)), {}, ValueError, "b has shape"),
        ((X, W, 1.0), {}, ValueError, "b has shape"),
        ((X[:, :2], W), {}, ValueError, "kernel_size=3"),
        ((X, W), {"strides": 0}, ValueError, "strides=0"),
        ((X, W), {"strides": (1, 2, 1)}, ValueError, "strides="),
        ((X, W), {"strides": 1.5}, TypeError, "strides=1.5"),
        ((X, W), {"dilation_rate": -1}, ValueError, "dilation_rate=-1"),
        ((X, W), {"padding": "full"}, ValueError, "padding='full'"),
        ((X, W), {"padding": "causal"}, ValueError, "padding='causal'"),
        ((X, W), {"padding": (1, 1)}, ValueError, "padding="),
        ((X, W), {"padding": ((1, 1), (1,))}, ValueError, "padding="),
        ((X, W), {"padding": -1}, ValueError, "padding=-1"),
        ((X, W), {"padding": None}, TypeError, "padding=None"),
        ((X.astype(str), W), {}, TypeError, "x has dtype"),
        ((X, W.astype(complex)), {}, TypeError, "w has dtype"),
    ],
)
def test_bad_arguments_say_what_is_wrong(way, arguments, settings, error, names):
    with pytest.raises(error) as raised:
        WAYS[way](*arguments, **settings)
    assert names in str(raised.value)


# --- pooling, normalisation, dropout ------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["max_pool", "average_pool"])
def test_pooling_equals_tensorflow(name):
    import tensorflow as tf

    theirs = {"max_pool": tf.nn.max_pool2d, "average_pool": tf.nn.avg_pool2d}[name]
    for seed in range(80):
        rng = np.random.default_rng(seed)
        size = tuple(rng.integers(1, 4, 2).tolist())
        strides = None if seed % 4 == 0 else tuple(rng.integers(1, 5, 2).tolist())
        padding = ("valid", "same")[seed % 2]
        shape = (
            rng.integers(1, 3),
            size[0] + rng.integers(0, 6),
            size[1] + rng.integers(0, 6),
            rng.integers(1, 4),
        )
        x = rng.normal(-3, 1, shape).astype("float32")  # mostly below zero: a padding of zeros would win
        y = getattr(reference, name)(x, size, strides, padding)
        expected = theirs(x, size, strides or size, padding.upper()).numpy()
        assert y.dtype == np.float32
        np.testing.assert_allclose(y, expected, rtol=0, atol=1e-5)


def test_pooling_hides_no_nan():
    x = np.ones((1, 4, 4, 1))
    x[0, 0, 0, 0] = np.nan
    for pool in (reference.max_pool, reference.average_pool):
        assert np.isnan(pool(x)[0, 0, 0, 0])
        assert not np.isnan(pool(x)[0, 1:]).any()


@pytest.mark.parametrize("shape", [(8, 5), (4, 5, 6, 3), (2, 7, 4)])
def test_batch_norm_equals_keras(shape):
    import keras

    rng = np.random.default_rng(sum(shape))
    layer = keras.layers.BatchNormalization(epsilon=2e-3)
    layer.build(shape)
    gamma, beta, mean, variance = (rng.uniform(0.5, 2, shape[-1]).astype("float32") for _ in range(4))
    layer.set_weights([gamma, beta, mean, variance])
    x = rng.normal(3, 2, shape).astype("float32")
    inference = reference.batch_norm(x, gamma, beta, 2e-3, mean, variance)
    np.testing.assert_allclose(inference, layer(x, training=False), rtol=0, atol=1e-5)
    training = reference.batch_norm(x, gamma, beta, 2e-3)
    np.testing.assert_allclose(training, layer(x, training=True), rtol=0, atol=1e-5)


def test_dropout_scales_what_it_keeps_as_keras_does():
    import keras

    x = np.ones((200, 200), np.float32)
    ours = reference.dropout(x, 0.25, np.random.default_rng(3))
    theirs = np.asarray(keras.layers.Dropout(0.25, seed=3)(x, training=True))
    np.testing.assert_allclose(np.unique(ours), np.unique(theirs), rtol=1e-6)  # 0 and 4/3
    for dropped in (ours == 0, theirs == 0):
        assert abs(dropped.mean() - 0.25) < 4 * np.sqrt(0.25 * 0.75 / x.size)
    np.testing.assert_array_equal(reference.dropout(x, 0, np.random.default_rng(3)), x)


@pytest.mark.parametrize(
    ("call", "names"),
    [
        (lambda: reference.max_pool(X, padding=1), "padding=1"),
        (lambda: reference.max_pool(X, 7), "pool_size=7 does not fit into 5 x 6 pixels"),
        (lambda: reference.max_pool(X, (2, 7)), "pool_size=(2, 7)"),
        (lambda: reference.average_pool(X, 0), "pool_size=0"),
        (lambda: reference.max_pool(X, (2, 0)), "pool_size[1]=0"),
        (lambda: reference.max_pool(X, strides=0), "strides=0"),
        (lambda: reference.batch_norm([[1, 2], [3]], np.ones(2), np.ones(2)), "x is not an array of numbers"),
        (lambda: reference.batch_norm(X, np.ones(3), np.ones(3), epsilon=0), "epsilon=0"),
        (lambda: reference.batch_norm(X, np.ones(3), np.ones(3), epsilon=-1e-3), "epsilon=-0.001"),
        (lambda: reference.batch_norm(X, np.ones(3), np.ones(3), epsilon=float("nan")), "epsilon=nan"),
        (lambda: reference.average_pool(X[0]), "x has shape"),
        (lambda: reference.batch_norm(X, np.ones(2), np.ones(3)), "gamma has shape (2,)"),
        (lambda: reference.batch_norm(X, np.ones(3), np.ones(3), moving_mean=np.ones(3)), "moving_variance"),
        (lambda: reference.dropout(X, 1, np.random.default_rng()), "rate=1"),
        (lambda: reference.dropout(X, float("nan"), np.random.default_rng()), "rate=nan"),
    ],
)
def test_the_other_layers_name_the_bad_argument(call, names):
    with pytest.raises(ValueError) as raised:
        call()
    assert names in str(raised.value)


@pytest.mark.parametrize(
    ("call", "names"),
    [
        (lambda: reference.max_pool(X, 2.5), "pool_size=2.5"),
        (lambda: reference.average_pool(X, strides="2"), "strides='2'"),
        (lambda: reference.batch_norm(X, ["a"] * 3, np.ones(3)), "gamma has dtype"),
        (lambda: reference.batch_norm(X, np.ones(3), np.ones(3), epsilon="small"), "epsilon='small'"),
        (lambda: reference.dropout(X, "a", np.random.default_rng()), "rate='a'"),
        (lambda: reference.dropout(X, 0.5, None), "rng=None"),
    ],
)
def test_the_other_layers_name_the_wrong_type(call, names):
    with pytest.raises(TypeError) as raised:
        call()
    assert names in str(raised.value)


def test_reference_needs_no_tensorflow():
    code = "import sys, cnnlib.reference; assert not {'tensorflow', 'keras', 'scipy'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
