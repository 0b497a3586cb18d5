"""geometry.py against Keras, TensorFlow and its own properties."""

import itertools
import math
import os
import random
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnnlib import geometry

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

sides = st.integers(1, 60)
kernels = st.integers(1, 9)
strides = st.integers(1, 6)
dilations = st.integers(1, 4)
zeros = st.integers(0, 5)
paddings = st.one_of(st.sampled_from(["valid", "same", "causal"]), zeros, st.tuples(zeros, zeros))
property_test = settings(max_examples=300, deadline=None)


@pytest.fixture(scope="module")
def keras():
    import keras

    return keras


@pytest.fixture(scope="module")
def tf():
    import tensorflow

    return tensorflow


def fits(n, k, s, padding, d):
    try:
        return geometry.output_size(n, k, s, padding, d)
    except ValueError:
        return None


def test_importing_is_light():
    """Neither TensorFlow nor NumPy is loaded; benchmarks/library.py measures how long it takes."""
    script = (
        "import sys, cnnlib, cnnlib.geometry; "
        "print([name for name in ('numpy', 'tensorflow', 'keras') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# --- properties ---------------------------------------------------------------------------------------------


@property_test
@given(sides, kernels, strides, dilations)
def test_same_gives_the_ceiling_with_the_fewest_zeros(n, k, s, d):
    before, after = geometry.pad_amounts(n, k, s, "same", d)
    covers = geometry.effective_kernel_size(k, d)
    o = geometry.output_size(n, k, s, "same", d)
    assert o == math.ceil(n / s)
    assert after - before in (0, 1)
    assert before + after == 0 or (o - 1) * s + covers == n + before + after
    assert (before, after) == geometry.pad_amounts(n, k, s, "SAME", d)
    if before + after:  # given by hand, the same zeros do the same
        assert geometry.output_size(n, k, s, (before, after), d) == o
        assert geometry.window(n, o - 1, k, s, (before, after), d) == geometry.window(n, o - 1, k, s, "same", d)


@property_test
@given(sides, kernels, strides, paddings, dilations)
def test_windows_tile_the_padded_input(n, k, s, padding, d):
    o = fits(n, k, s, padding, d)
    before, after = geometry.pad_amounts(n, k, s, padding, d)
    if o is None:
        assert n + before + after < geometry.effective_kernel_size(k, d)
        return
    windows = [geometry.window(n, i, k, s, padding, d) for i in range(o)]
    assert windows[0][0] == -before
    assert all(len(w) == k and w == list(range(w[0], w[0] + k * d, d)) for w in windows)
    assert all(b[0] - a[0] == s for a, b in itertools.pairwise(windows))
    assert windows[-1][-1] < n + after <= windows[-1][-1] + s  # the last one fits, one more would not


@property_test
@given(sides, kernels, strides, st.sampled_from(["valid", "same"]), st.data())
def test_a_convolution_undoes_the_size_of_a_transposed_one(n, k, s, padding, data):
    extra = data.draw(st.one_of(st.none(), st.integers(0, s - 1)))
    if padding == "same" and extra == 0 and k % 2 == 0:
        with pytest.raises(ValueError, match="an even number"):
            geometry.transposed_output_size(n, k, s, padding, extra)
        return
    big = geometry.transposed_output_size(n, k, s, padding, extra)
    assert geometry.output_size(big, k, s, padding) == n


@property_test
@given(st.lists(st.tuples(kernels, strides, dilations), max_size=5), st.tuples(kernels, strides, dilations))
def test_receptive_field_grows_layer_by_layer(stack, layer):
    k, s, d = layer
    size, jump = geometry.receptive_field(stack)
    assert geometry.receptive_field([*stack, layer]) == (size + (k - 1) * d * jump, jump * s)
    # A single output of a valid stack needs exactly `size` cells: walk back from one cell.
    cells = 1
    for k, s, d in reversed(stack):
        cells = (cells - 1) * s + geometry.effective_kernel_size(k, d)
    assert cells == size


def test_floor_and_ceiling_forms_agree():
    """Books print floor((n - k) / s) + 1, the lecture notes ceil((n - k + 1) / s): the same for n >= k."""
    cases = [(n, k, s) for n in range(1, 40) for k in range(1, 8) for s in range(1, 5) if n >= k]
    for n, k, s in cases:
        assert geometry.output_size(n, k, s) == (n - k) // s + 1 == math.ceil((n - k + 1) / s)
    assert len(cases) == 1008


def test_numpy_integers_give_plain_ones():
    import numpy as np

    one, two, three, nine = np.int64(1), np.uint8(2), np.int32(3), np.int64(9)
    assert type(geometry.output_size(nine, three, two, one)) is int
    assert [type(cell) for cell in geometry.window(nine, one, three, two, (one, two))] == [int] * 3
    assert type(geometry.dense_params(nine, three)) is int
    assert type(geometry.conv_params((three, three), nine, three, groups=three)) is int
    assert all(type(v) is int for v in geometry.receptive_field([(three, two), (three,)]))
    assert all(type(s["strides"]) is int for s in geometry.settings_for(nine, 5, strides=np.arange(1, 3)))
    with pytest.raises(ValueError, match=r"padding=\(-1, 2\) is none of"):
        geometry.output_size(nine, three, padding=(np.int64(-1), two))


# --- errors -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (
            lambda: geometry.output_size(5, 7),
            ValueError,
            "kernel_size=7 covers 7 input cells but n=5 with padding='valid' offers only 5; "
            "use kernel_size <= 5, a larger n, or padding='same'",
        ),
        (
            lambda: geometry.output_size(5, 3, padding=(1, 0), dilation_rate=4),
            ValueError,
            "kernel_size=3 with dilation_rate=4 covers 9 input cells but n=5 with padding=(1, 0) offers only "
            "6; use kernel_size <= 2, a larger n, or padding='same'",
        ),
        (lambda: geometry.output_size(True, 3), TypeError, "n=True is not an integer >= 1"),
        (lambda: geometry.output_size(28.0, 3), TypeError, "n=28.0 is not an integer >= 1"),
        (lambda: geometry.output_size(28, "3"), TypeError, "kernel_size='3' is not an integer >= 1"),
        (lambda: geometry.output_size(28, 3, 0), ValueError, "strides=0 is not an integer >= 1"),
        (
            lambda: geometry.output_size(28, 3, dilation_rate=-1),
            ValueError,
            "dilation_rate=-1 is not an integer",
        ),
        (
            lambda: geometry.output_size(28, 3, padding="full"),
            ValueError,
            "padding='full' is none of 'valid',",
        ),
        (lambda: geometry.output_size(28, 3, padding=-1), ValueError, "padding=-1 is none of 'valid',"),
        (lambda: geometry.output_size(28, 3, padding=1.5), TypeError, "padding=1.5 is none of 'valid',"),
        (lambda: geometry.output_size(28, 3, padding=None), TypeError, "padding=None is none of 'valid',"),
        (lambda: geometry.output_size(28, 3, padding=[1]), ValueError, "padding=(1,) is none of 'valid',"),
        (
            lambda: geometry.window(28, 24, 5),
            ValueError,
            "index=24 is not an output: there are 24, use 0 to 23",
        ),
        (lambda: geometry.window(28, -1, 5), ValueError, "index=-1 is not an integer >= 0"),
        (
            lambda: geometry.transposed_output_size(4, 3, 2, "causal"),
            ValueError,
            "padding='causal' is neither 'valid' nor 'same'",
        ),
        (lambda: geometry.transposed_output_size(4, 3, 2, 1), TypeError, "padding=1 is neither"),
        (
            lambda: geometry.transposed_output_size(4, 3, 2, output_padding=2),
            ValueError,
            "output_padding=2 is not below strides=2",
        ),
        (lambda: geometry.transposed_window(4, 9, 3, 2), ValueError, "index=9 is not an output: there are 9"),
        (lambda: geometry.trace([(3,), (3,)], 5, 1), ValueError, "index=1 is not an output: there are 1"),
        (lambda: geometry.trace([(3,), (3,)], 4, 0), ValueError, "kernel_size=3 covers 3 input cells but n=2"),
        (
            lambda: geometry.conv_params(3, 4, 6, groups=3),
            ValueError,
            "groups=3 does not divide both in_channels=4",
        ),
        (lambda: geometry.conv_params((), 3, 6), ValueError, "kernel_size=() is empty"),
        (lambda: geometry.conv_params((3, 0), 3, 6), ValueError, "kernel_size[1]=0 is not an integer >= 1"),
        (lambda: geometry.conv_params(3, 3, 6, 1), TypeError, "use_bias=1 is neither True nor False"),
        (
            lambda: geometry.conv_macs((28, 28.0), 3, 3, 6),
            TypeError,
            "output_shape[1]=28.0 is not an integer",
        ),
        (
            lambda: geometry.receptive_field([(3,), (3, 0)]),
            ValueError,
            "layers[1].strides=0 is not an integer",
        ),
        (lambda: geometry.conv_macs((28, 28), (3, 3, 3), 1, 1), ValueError, "kernel_size=(3, 3, 3) needs 2 axes"),
        (lambda: geometry.conv_macs(28, (3,), 1, 1), ValueError, "kernel_size=(3,) needs 2 axes, like output_shape"),
        (
            lambda: geometry.receptive_field([(3, 1, 1, "smae")]),
            ValueError,
            "layers[0].padding='smae' is none of 'valid',",
        ),
        (
            lambda: geometry.receptive_field([(3,), (3, 1, 1, 7.5)]),
            TypeError,
            "layers[1].padding=7.5 is none of 'valid',",
        ),
        (
            lambda: geometry.receptive_field_start([(3, 1, 1, (1, -1))]),
            ValueError,
            "layers[0].padding=(1, -1) is none of",
        ),
        (lambda: geometry.settings_for(28, 14, kernel_sizes=5), TypeError, "kernel_sizes=5 is not a list"),
        (lambda: geometry.settings_for(28, 14, strides=(s for s in (1, 2))), TypeError, "strides=<generator"),
        (lambda: geometry.settings_for(28, 14, paddings="same"), TypeError, "paddings='same' is not a list"),
        (lambda: geometry.settings_for(28, 14, dilation_rates={1, 2}), TypeError, "dilation_rates={1, 2} is not"),
        (lambda: geometry.receptive_field([3]), TypeError, "layers[0]=3 is not (kernel_size["),
        (lambda: geometry.receptive_field([()]), ValueError, "layers[0]=() is not (kernel_size["),
        (lambda: geometry.receptive_field(3), TypeError, "layers=3 is not a list of layers"),
        (
            lambda: geometry.receptive_field_start([(3, 2, 1, "same")]),
            ValueError,
            "n=None is not enough: padding='same' with strides=2 depends on n",
        ),
    ],
)
def test_bad_arguments_are_named(call, kind, message):
    with pytest.raises(kind) as caught:
        call()
    assert type(caught.value) is kind
    assert str(caught.value).startswith(message)


# --- against Keras: shapes and counts -----------------------------------------------------------------------


def keras_shape(make, shape):
    """Return the sides that the layer says it gives, or None where Keras refuses."""
    try:
        return tuple(make().compute_output_shape(shape)[1:-1])
    except ValueError:
        return None


def our_shape(function, *axes):
    """Return the same from ours, one tuple of arguments an axis."""
    try:
        return tuple(function(*axis) for axis in axes)
    except ValueError:
        return None


def test_shapes_equal_keras(keras):
    rng = random.Random(1)
    layers = keras.layers
    compared = refused = 0
    for _ in range(250):
        n, k, s, d = ([rng.randint(1, high) for _ in range(2)] for high in (40, 7, 4, 3))
        padding = rng.choice(("valid", "same"))
        if rng.random() < 0.5:
            s = [1, 1]  # Keras takes strides or dilation, not both
        else:
            d = [1, 1]
        shape = (None, *n, 3)
        theirs = keras_shape(
            lambda k=k, s=s, p=padding, d=d: layers.Conv2D(4, k, strides=s, padding=p, dilation_rate=d), shape
        )
        pooled = keras_shape(lambda k=k, s=s, p=padding: layers.MaxPooling2D(k, strides=s, padding=p), shape)
        causal = keras_shape(
            lambda k=k[0], s=s[0], d=d[0]: layers.Conv1D(4, k, strides=s, dilation_rate=d, padding="causal"),
            (None, n[0], 3),
        )
        axes = list(zip(n, k, s, [padding] * 2, d, strict=True))
        assert our_shape(geometry.output_size, *axes) == theirs, axes
        assert our_shape(geometry.output_size, *(axis[:4] for axis in axes)) == pooled, axes
        assert our_shape(geometry.output_size, (n[0], k[0], s[0], "causal", d[0])) == causal, axes
        compared += 3
        refused += (theirs is None) + (pooled is None)
    assert compared == 750 and refused > 20


def test_transposed_shapes_equal_keras(keras):
    """What Conv2DTranspose gives when it is called; where it refuses, ours does."""
    import numpy as np

    rng = random.Random(2)
    layers = keras.layers
    compared = refused = 0
    for _ in range(160):
        n, k = rng.randint(1, 9), rng.randint(1, 5)
        s, d = rng.choice(((1, 1), (2, 1), (3, 1), (4, 1), (1, 2), (1, 3), (2, 2)))
        padding, extra = rng.choice(("valid", "same")), rng.choice((None, 0, 1, 2))
        try:
            layer = layers.Conv2DTranspose(
                1, (k, 1), strides=(s, 1), padding=padding, dilation_rate=(d, 1),
                output_padding=None if extra is None else (extra, 0),
            )  # fmt: skip
            theirs = layer(np.ones((1, n, 1, 1), "float32")).shape[1]
        except Exception:  # whatever TensorFlow raises when the sizes do not fit
            theirs = None
        ours = our_shape(geometry.transposed_output_size, (n, k, s, padding, extra, d))
        assert (ours and ours[0]) == theirs, (n, k, s, padding, extra, d)
        compared += 1
        refused += theirs is None
    assert compared == 160 and 20 < refused < 100


def test_counts_equal_keras(keras):
    rng = random.Random(3)
    layers = keras.layers
    compared = 0
    for _ in range(60):
        h, w = rng.randint(1, 7), rng.randint(1, 7)
        groups = rng.choice((1, 1, 2, 3))
        c_in, filters = rng.randint(1, 16) * groups, rng.randint(1, 16) * groups
        bias, scale, center, multiplier = *(rng.random() < 0.5 for _ in range(3)), rng.randint(1, 3)

        conv = layers.Conv2D(filters, (h, w), groups=groups, use_bias=bias)
        conv.build((None, 16, 16, c_in))
        assert geometry.conv_params((h, w), c_in, filters, bias, groups) == conv.count_params()

        deep = layers.DepthwiseConv2D((h, w), depth_multiplier=multiplier, use_bias=bias)
        deep.build((None, 16, 16, c_in))
        assert geometry.conv_params((h, w), c_in, c_in * multiplier, bias, c_in) == deep.count_params()

        turned = layers.Conv2DTranspose(filters, (h, w), use_bias=bias)
        turned.build((None, 16, 16, c_in))
        assert geometry.conv_params((h, w), c_in, filters, bias) == turned.count_params()

        dense = layers.Dense(filters, use_bias=bias)
        dense.build((None, c_in))
        assert geometry.dense_params(c_in, filters, bias) == dense.count_params()

        norm = layers.BatchNormalization(scale=scale, center=center)
        norm.build((None, 16, 16, c_in))
        kinds = (norm.trainable_weights, norm.non_trainable_weights)
        counted = tuple(sum(math.prod(v.shape) for v in weights) for weights in kinds)
        assert geometry.batch_norm_params(c_in, scale, center) == counted
        compared += 5
    assert compared == 300


def test_counts_of_the_course():
    """Numbers that the chapters and the papers print."""
    assert geometry.dense_params(784, 128) + geometry.dense_params(128, 10) == 101_770
    assert [geometry.conv_params(k, c, 1) for k, c in ((3, 1), (3, 3), (5, 3))] == [10, 28, 76]
    assert geometry.conv_params(5, 3, 6) == 456
    assert geometry.conv_params(3, 3, 64) == 1_792  # VGG16's first layer (Simonyan and Zisserman 2015)
    assert geometry.conv_macs(224, 3, 3, 64) == 86_704_128
    assert geometry.receptive_field([(3,)] * 2) == (5, 1)  # two 3x3 see what one 5x5 sees (VGG, section 2.3)
    assert geometry.receptive_field([(3,)] * 3) == (7, 1)
    for x in range(5, 20):  # one channel, valid: two 3x3 cost less than one 5x5 above x = 10, as much at 10
        two = geometry.conv_macs(x - 2, 3, 1, 1) + geometry.conv_macs(x - 4, 3, 1, 1)
        one = geometry.conv_macs(x - 4, 5, 1, 1)
        assert (two > one) - (two < one) == (x < 10) - (x > 10)


def test_settings_for_are_all_that_keras_has(keras):
    for n, output in ((28, 14), (32, 32), (32, 16), (7, 1), (12, 3)):
        grid = itertools.product(range(1, 12), range(1, 5), ("valid", "same"), (1, 2, 3))
        expected = []
        for k, s, p, d in grid:
            shape = keras_shape(
                lambda k=k, s=s, p=p, d=d: keras.layers.Conv2D(1, k, strides=s, padding=p, dilation_rate=d),
                (None, n, n, 1),
            )
            if shape == (output, output) and not (k == 1 and d > 1):
                expected.append({"kernel_size": k, "strides": s, "padding": p, "dilation_rate": d})
        assert geometry.settings_for(n, output) == expected and expected
    assert geometry.settings_for(28, 14, [2], [2], ["valid"], [1]) == [
        {"kernel_size": 2, "strides": 2, "padding": "valid", "dilation_rate": 1}
    ]
    assert geometry.settings_for(28, 200) == []


# --- against TensorFlow: what is really read ----------------------------------------------------------------


def conv_columns(tf, x, kernel, s, padding, d):
    """Convolve columns of n cells, (batch, n) or (batch, n, 1), with a kernel (k, filters)."""
    import numpy as np

    x = tf.reshape(tf.cast(x, tf.float32), (x.shape[0], -1, 1, 1))
    kernel = np.asarray(kernel, "float32")[:, None, None, :]
    if isinstance(padding, int):
        padding = (padding, padding)
    zeros = padding.upper() if isinstance(padding, str) else [(0, 0), padding, (0, 0), (0, 0)]
    return tf.nn.conv2d(x, kernel, [1, s, 1, 1], zeros, dilations=[1, d, 1, 1])[:, :, 0, :].numpy()


def column_cases(seed, count, **chosen):
    """Draw settings of one axis that fit."""
    rng = random.Random(seed)
    while count:
        n, k, s, d = rng.randint(1, 24), rng.randint(1, 7), rng.randint(1, 5), rng.randint(1, 3)
        padding = rng.choice(("valid", "same", "same", (rng.randint(0, 4), rng.randint(0, 4))))
        if fits(n, k, s, padding, d):
            count -= 1
            yield n, k, s, padding, d


def test_windows_are_what_tensorflow_reads(tf):
    """Filter t of k passes on the t-th cell of the window: the cells are numbered, padding comes out as 0."""
    import numpy as np

    compared = 0
    for n, k, s, padding, d in column_cases(4, 200):
        theirs = conv_columns(tf, np.arange(1, n + 1)[None], np.eye(k), s, padding, d)[0]
        o = geometry.output_size(n, k, s, padding, d)
        windows = [geometry.window(n, i, k, s, padding, d) for i in range(o)]
        ours = [[cell + 1 if 0 <= cell < n else 0 for cell in cells] for cells in windows]
        assert theirs.tolist() == ours, (n, k, s, padding, d)
        compared += 1
    assert compared == 200


def test_padding_amounts_are_tensorflows(tf):
    """ "SAME" and the same zeros put by hand give one result, in two dimensions."""
    import numpy as np

    rng = random.Random(5)
    draw = np.random.default_rng(5)
    asymmetric = 0
    for _ in range(100):
        h, w, kh, kw, s, d = (rng.randint(1, high) for high in (12, 12, 5, 5, 4, 2))
        x = draw.integers(-9, 10, (1, h, w, 2)).astype("float32")
        kernel = draw.integers(-9, 10, (kh, kw, 2, 3)).astype("float32")
        rows, columns = geometry.pad_amounts(h, kh, s, "same", d), geometry.pad_amounts(w, kw, s, "same", d)
        same = tf.nn.conv2d(x, kernel, s, "SAME", dilations=d)
        by_hand = tf.nn.conv2d(x, kernel, s, [(0, 0), rows, columns, (0, 0)], dilations=d)
        assert np.array_equal(same, by_hand), (h, w, kh, kw, s, d)
        asymmetric += rows[0] != rows[1] or columns[0] != columns[1]
    assert asymmetric > 20
    assert geometry.pad_amounts(32, 3, 2, "same") == (0, 1)


def test_causal_windows_are_what_conv1d_reads(keras):
    import numpy as np

    rng = random.Random(6)
    for _ in range(30):
        n, k = rng.randint(1, 15), rng.randint(1, 5)
        s, d = rng.choice(((1, 1), (2, 1), (3, 1), (1, 2), (1, 3)))
        layer = keras.layers.Conv1D(k, k, strides=s, dilation_rate=d, padding="causal", use_bias=False)
        layer.build((None, n, 1))
        layer.set_weights([np.eye(k, dtype="float32")[:, None, :]])
        theirs = np.asarray(layer(np.arange(1, n + 1, dtype="float32").reshape(1, n, 1)))[0]
        o = geometry.output_size(n, k, s, "causal", d)
        ours = [[max(cell + 1, 0) for cell in geometry.window(n, i, k, s, "causal", d)] for i in range(o)]
        assert theirs.tolist() == ours, (n, k, s, d)


def test_pooling_windows_are_what_tensorflow_reads(tf):
    """Pooling leaves padding out: the maximum and the mean are over the window's real cells."""
    import numpy as np

    draw = np.random.default_rng(7)
    compared = 0
    for n, k, s, padding, d in column_cases(7, 150):
        if d > 1 or not isinstance(padding, str):
            continue
        x = draw.normal(size=n).astype("float32")
        column, size = x.reshape(1, n, 1, 1), (k, 1)
        largest = tf.nn.max_pool2d(column, size, (s, 1), padding.upper()).numpy().ravel()
        mean = tf.nn.avg_pool2d(column, size, (s, 1), padding.upper()).numpy().ravel()
        windows = [geometry.window(n, i, k, s, padding) for i in range(geometry.output_size(n, k, s, padding))]
        real = [x[[cell for cell in cells if 0 <= cell < n]] for cells in windows]
        assert np.array_equal(largest, [cells.max() for cells in real])
        assert np.allclose(mean, [cells.mean() for cells in real], atol=1e-6)
        compared += 1
    assert compared > 25


def test_transposed_windows_are_what_keras_sums(keras):
    """One image for each cell, holding a single 1 there; output channel t keeps weight number t alone."""
    import numpy as np

    rng = random.Random(10)
    compared = unreached = 0
    while compared < 150:
        n, k, s, d = rng.randint(1, 9), rng.randint(1, 6), rng.randint(1, 4), rng.randint(1, 3)
        padding, extra = rng.choice(("valid", "same")), rng.choice((None, None, 0, 1))
        try:
            o = geometry.transposed_output_size(n, k, s, padding, extra, d)
        except ValueError:
            continue
        arguments = {"strides": (s, 1), "dilation_rate": (d, 1), "padding": padding, "use_bias": False}
        if extra is not None:
            arguments["output_padding"] = (extra, 0)
        layer = keras.layers.Conv2DTranspose(k, (k, 1), **arguments)
        layer.build((None, n, 1, 1))
        layer.set_weights([np.eye(k, dtype="float32")[:, None, :, None]])
        reached = np.asarray(layer(np.eye(n, dtype="float32")[:, :, None, None]))[:, :, 0]
        assert reached.shape[1] == o
        for index in range(o):
            ours = geometry.transposed_window(n, index, k, s, padding, extra, d)
            assert ours == [tuple(pair) for pair in np.argwhere(reached[:, index]).tolist()], (
                n,
                k,
                s,
                padding,
                extra,
                d,
            )
            unreached += not ours
        compared += 1
    assert unreached > 20


def test_traces_are_what_an_output_depends_on(tf):
    """Gaps and borders included: cell by cell, from every level of a real stack."""
    import numpy as np

    rng = random.Random(11)
    compared = 0
    while compared < 60:
        n = rng.randint(4, 30)
        layers = [
            (rng.randint(1, 4), rng.randint(1, 3), rng.randint(1, 2), rng.choice(("valid", "same", 1, (0, 2))))
            for _ in range(rng.randint(1, 4))
        ]
        try:
            geometry.trace(layers, n, 0)
        except ValueError:
            continue
        sizes = [n]
        for k, s, d, padding in layers:
            sizes.append(geometry.output_size(sizes[-1], k, s, padding, d))
        index = rng.randrange(sizes[-1])
        levels = geometry.trace(layers, n, index)
        assert levels[-1] == [index] and len(levels) == len(sizes)
        for level in range(len(layers)):
            y = np.eye(sizes[level])
            for k, s, d, padding in layers[level:]:
                y = conv_columns(tf, y, np.ones((k, 1)), s, padding, d)[..., 0]
            real = [cell for cell in levels[level] if 0 <= cell < sizes[level]]
            assert real == np.flatnonzero(y[:, index] > 0).tolist(), (layers, n, index, level)
        k, s, d, padding = layers[-1]
        assert levels[-2] == geometry.window(sizes[-2], index, k, s, padding, d)  # padding is in it
        compared += 1


def test_unread_cells_reach_no_output(tf):
    """One image for each cell, holding a single 1 there; a kernel of ones. (The layer is linear, so this is
    its Jacobian. TensorFlow's gradient itself is not used: with dilation it crashes on small CPU inputs.)"""
    import numpy as np

    compared = some = 0
    for n, k, s, padding, d in column_cases(8, 150):
        reached = conv_columns(tf, np.eye(n), np.ones((k, 1)), s, padding, d)[..., 0]
        silent = np.flatnonzero(reached.max(axis=1) == 0).tolist()
        assert geometry.unread_cells(n, k, s, padding, d) == silent, (n, k, s, padding, d)
        compared += 1
        some += bool(silent)
    assert compared == 150 and some > 30


def test_receptive_field_is_what_an_output_sees(tf):
    """In a real stack, one output depends on the cells from start + i * jump on, `size` of them."""
    import numpy as np

    rng = random.Random(9)
    n, compared = 150, 0
    for _ in range(40):
        layers = []
        for _ in range(rng.randint(1, 4)):
            k, s, d = rng.randint(1, 4), rng.randint(1, 2), rng.randint(1, 2)
            layers.append((k, s, d, rng.choice(("valid", "same", 1, (0, 2)))))
        y = np.eye(n)  # one image for each input cell, as above
        for k, s, d, padding in layers:
            y = conv_columns(tf, y, np.ones((k, 1)), s, padding, d)
        reached = y[:, :, 0] > 0
        size, jump = geometry.receptive_field(layers)
        start = geometry.receptive_field_start(layers, n)
        for i in range(reached.shape[1]):
            first = start + i * jump
            if first >= 0 and first + size <= n:  # fields over the border are cut off by it
                seen = np.flatnonzero(reached[:, i])
                assert (seen[0], seen[-1]) == (first, first + size - 1), (layers, i)
                compared += 1
        if not any(padding == "same" and s > 1 for _, s, _, padding in layers):
            assert geometry.receptive_field_start(layers) == start
    assert compared > 500
    assert geometry.receptive_field_start([(3, 1, 1, "same")] * 2) == -2
    assert geometry.receptive_field_start([(3, 2, 1, "same")], 32) == 0  # the odd zero stands at the end
