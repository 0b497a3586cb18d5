"""The NumPy convolution, forward and backward, against TensorFlow, SciPy and finite differences."""

import numpy as np
import pytest
from gradients import numeric_gradient, worst
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


# --- the gradients ------------------------------------------------------------------------------------------


def tensorflow_gradients(dy, x, w, strides, padding, dilation_rate):
    """Return TensorFlow's dx and dw. A dilated kernel is written out first.

    TensorFlow 2.21 crashes on a CPU in the gradients of some dilated convolutions of small pictures.
    """
    import tensorflow as tf

    rate = (dilation_rate,) * 2 if isinstance(dilation_rate, int) else dilation_rate
    if not isinstance(padding, str):
        rows, columns = ((padding,) * 2,) * 2 if isinstance(padding, int) else padding
        padding = [(0, 0), rows, columns, (0, 0)]
    x, spread = tf.constant(x), tf.constant(dilated(w, rate))
    with tf.GradientTape() as tape:
        tape.watch([x, spread])
        y = tf.nn.conv2d(x, spread, strides, padding.upper() if isinstance(padding, str) else padding)
    dx, dspread = tape.gradient(y, [x, spread], output_gradients=tf.constant(dy))
    return dx.numpy(), dspread.numpy()[:: rate[0], :: rate[1]]


def random_gradient(seed, dtype):
    """Return dy, x, w and the settings of one convolution."""
    x, w, _, settings = random_case(seed)
    shape = reference.conv2d(x, w, **settings).shape
    dy = np.random.default_rng([seed, 1]).uniform(-1, 1, shape)
    return dy.astype(dtype), x.astype(dtype), w.astype(dtype), settings


@pytest.mark.parametrize(("dtype", "cases", "most"), [("float32", 400, 3e-6), ("float64", 240, 1e-13)])
def test_the_gradients_of_a_convolution_equal_tensorflow(dtype, cases, most):
    errors, seen = {}, set()
    for seed in range(cases):
        dy, x, w, settings = random_gradient(seed, dtype)
        dx, dw, db = reference.conv2d_backward(dy, x, w, **settings)
        assert dx.dtype == dw.dtype == db.dtype == dtype
        expected = tensorflow_gradients(dy, x, w, **settings)
        for name, ours, theirs in zip("xw", (dx, dw), expected, strict=True):
            worst(errors, f"d{name}", ours, theirs)
        worst(errors, "db", db, dy.astype("float64").sum(axis=(0, 1, 2)))
        assert max(errors.values()) < most, f"seed {seed}: {settings} {errors}"
        seen.add((seed % 4, settings["strides"] in (1, (1, 1)), settings["dilation_rate"] in (1, (1, 1))))
    assert len(seen) == 16  # valid, same, int and pairs of padding, with and without strides and dilation


def test_the_gradients_of_a_convolution_equal_finite_differences():
    """Dilation and strides together, too: TensorFlow is asked for neither here."""
    errors = {}
    for seed in range(40):
        dy, x, w, settings = random_gradient(seed, "float64")
        x, dy, w = x[:1, :, :, :2], dy[:1, ..., :2], w[:, :, :2, :2]
        b = np.random.default_rng(seed).normal(size=w.shape[3])

        def loss(dy=dy, x=x, w=w, b=b, settings=settings):
            return np.sum(reference.conv2d(x, w, b, **settings) * dy)

        for name, ours, array in zip("xwb", reference.conv2d_backward(dy, x, w, **settings), (x, w, b), strict=True):
            worst(errors, f"d{name}", ours, numeric_gradient(loss, array))
        assert max(errors.values()) < 1e-8, f"seed {seed}: {settings} {errors}"


def test_the_gradient_to_the_weights_is_a_correlation_of_the_input_with_dy():
    rng = np.random.default_rng(0)
    x, w, dy = rng.normal(size=(7, 6)), rng.normal(size=(3, 2)), rng.normal(size=(5, 5))
    _, dw, _ = reference.conv2d_backward(dy[None, :, :, None], x[None, :, :, None], w[:, :, None, None])
    np.testing.assert_allclose(dw[:, :, 0, 0], signal.correlate2d(x, dy, mode="valid"), rtol=1e-12)


@pytest.mark.parametrize("strides", [1, 2, 3])
def test_the_gradient_to_the_input_is_a_full_convolution_with_zeros_between(strides):
    rng = np.random.default_rng(strides)
    x, w = rng.normal(size=(9, 9)), rng.normal(size=(3, 3))
    dy = rng.normal(size=((9 - 3) // strides + 1,) * 2)
    dx, _, _ = reference.conv2d_backward(dy[None, :, :, None], x[None, :, :, None], w[:, :, None, None], strides)
    between = np.zeros((7, 7))
    between[::strides, ::strides] = dy
    np.testing.assert_allclose(dx[0, :, :, 0], signal.convolve2d(between, w, mode="full"), atol=1e-12)


def test_whole_numbers_of_a_picture_do_not_overflow_in_the_gradient():
    x = np.full((1, 3, 3, 2), 255, np.uint8)
    dx, dw, db = reference.conv2d_backward(np.ones((1, 2, 2, 1), np.int8), x, np.full((2, 2, 2, 1), 100, np.int8))
    assert dx.dtype == dw.dtype == db.dtype == np.float32
    assert (dw == 4 * 255).all() and dx[0, 1, 1, 0] == 400 and db.item() == 4


@pytest.mark.parametrize(
    ("arguments", "settings", "error", "names"),
    [
        ((np.ones((1, 3, 4, 1)), X, W), {}, ValueError, "dy has shape (1, 3, 4, 1): use that of the layer's output"),
        ((np.ones((1, 3, 4, 2)), X, W), {"padding": "same"}, ValueError, "(1, 5, 6, 2)"),
        ((np.ones((1, 3, 4, 2)), X[0], W), {}, ValueError, "x has shape"),
        ((np.ones((1, 3, 4, 2)), X, W[0]), {}, ValueError, "w has shape"),
        ((np.ones((1, 3, 4, 2)), X, W), {"strides": 0}, ValueError, "strides=0"),
        ((np.ones((1, 3, 4, 2)), X, W), {"padding": "full"}, ValueError, "padding='full'"),
        ((np.ones((1, 3, 4, 2)), X, W), {"dilation_rate": 1.5}, TypeError, "dilation_rate=1.5"),
        ((np.ones((1, 3, 4, 2), str), X, W), {}, TypeError, "dy has dtype"),
        (([[1], [1, 2]], X, W), {}, ValueError, "dy is not an array of numbers"),
        ((np.ones((1, 3, 4, 2)), [[1], [1, 2]], W), {}, ValueError, "x is not an array of numbers"),
    ],
)
def test_bad_arguments_of_the_gradient_say_what_is_wrong(arguments, settings, error, names):
    with pytest.raises(error) as raised:
        reference.conv2d_backward(*arguments, **settings)
    assert names in str(raised.value)
