"""Sample answers of the chapter "Inception"."""

import numpy as np

from exercise_samples import Later, Sample, stub


def keras_stride():
    import keras
    from keras import layers

    # The pixels that count: those whose gradient is not zero, with all weights 1.
    stem = keras.Input((32, 32, 16))
    reduce = layers.Conv2D(16, 1, padding="same", use_bias=False)
    five = layers.Conv2D(16, 5, strides=2, padding="same", use_bias=False)
    branch = keras.Model(stem, five(reduce(stem)))
    read = 0
    for row in range(32):  # a picture with its 1 at one pixel of the row, 32 of them at once
        pixels = np.zeros((32, 32, 32, 16), "float32")
        pixels[np.arange(32), row, np.arange(32)] = 1
        read += int(np.sum(np.abs(branch(pixels)).max((1, 2, 3)) > 0))
    side = branch.output_shape[1]
    macs = 32 * 32 * reduce.count_params() + side * side * five.count_params()
    return read, 1 + 2 + 0 + 4, macs


def keras_bottleneck():
    from keras import layers

    def weights(channels, filters, side):
        layer = layers.Conv2D(filters, side, use_bias=False)
        layer.build((None, 10, 14, channels))
        return layer.count_params()

    direct = weights(256, 64, 5)
    width = 1
    while (width + 1) * (256 + 25 * 64) < direct:
        width += 1
    return direct, weights(256, 32, 1) + weights(32, 64, 5), width


def by_slices(x, w, b, strides):
    return x[:, ::strides, ::strides] @ w + b


def by_loops(x, w, b, strides):
    rows, columns = range(0, x.shape[1], strides), range(0, x.shape[2], strides)
    return np.array([[[p[i, j] @ w + b for j in columns] for i in rows] for p in x])


def unit(
    shape,
    filters,
    pool=None,
    axis=-1,
    five_reads="reduced",
    add=False,
    order=(0, 1, 2, 3),
    curve="relu",
    first="relu",
    apart=False,
):
    """`curve`: what follows the convolutions at the ends of the branches, `first`: what follows the two reductions."""
    import keras
    from keras import layers

    def conv(x, side, curve=curve):
        if not apart:
            return layers.Conv2D(filters, side, padding="same", activation=curve)(x)
        return layers.Activation(curve)(layers.Conv2D(filters, side, padding="same")(x))

    x = keras.Input(shape)
    five = conv(x, 1, first)
    branches = [
        conv(x, 1),
        conv(conv(x, 1, first), 3),
        conv(five if five_reads == "reduced" else x, 5),
        conv((pool or layers.MaxPooling2D(3, strides=1, padding="same"))(x), 1),
    ]
    branches = [branches[i] for i in order]
    return keras.Model(x, layers.Add()(branches) if add else layers.Concatenate(axis=axis)(branches))


def unit_with_ops(shape, filters):
    """Another way: branches in another order, keras.ops to put them together."""
    import keras
    from keras import layers

    x = keras.Input(shape)
    maps = []
    pooled = layers.MaxPool2D(pool_size=(3, 3), strides=(1, 1), padding="same")(x)
    for side, start in ((5, x), (3, x), (1, pooled), (1, x)):
        y = layers.Conv2D(filters, (1, 1), activation="relu")(start)
        maps.append(y if side == 1 else layers.Conv2D(filters, side, padding="same", activation="relu")(y))
    return keras.Model(x, keras.ops.concatenate(maps, axis=3))


def unit_with(**changes):
    return lambda shape, filters: unit(shape, filters, **changes)


def unit_with_layers_of_relu(shape, filters):
    from keras import layers

    return unit(shape, filters, curve=layers.ReLU())


def no_window(shape, filters):
    from keras import layers

    return unit(shape, filters, pool=layers.MaxPooling2D(1))


def identity_pool(shape, filters):
    from keras import layers

    return unit(shape, filters, pool=layers.Identity())


def chained(shape, filters):
    """The 5 x 5 reads the 3 x 3's reduction; its own 1 x 1 is a second one of the first branch."""
    import keras
    from keras import layers

    def conv(x, side):
        return layers.Conv2D(filters, side, padding="same", activation="relu")(x)

    x = keras.Input(shape)
    reduced, pooled = conv(x, 1), layers.MaxPooling2D(3, strides=1, padding="same")(x)
    return keras.Model(x, layers.Concatenate()([conv(x, 1), conv(reduced, 3), conv(reduced, 5), conv(pooled, 1)]))


def crossed(shape, filters):
    """The right layers, but the pooled maps go into the 3 x 3 branch."""
    import keras
    from keras import layers

    def conv(x, side):
        return layers.Conv2D(filters, side, padding="same", activation="relu")(x)

    x = keras.Input(shape)
    pooled = layers.MaxPooling2D(3, strides=1, padding="same")(x)
    return keras.Model(x, layers.Concatenate()([conv(x, 1), conv(conv(pooled, 1), 3), conv(conv(x, 1), 5), conv(x, 1)]))


SAMPLES = {
    "stride": Sample(
        Later(keras_stride),
        [32.0 * 32, np.int64(7), 32 * 32 * 256 + 16 * 16 * 6400],
        (None, None, None),
        {
            "pixels skipped": (256, 7, 1_900_544),
            "field as before": (1024, 11, 1_900_544),
            "stem forgotten": (1024, 5, 1_900_544),
            "whole kernel": (1024, 8, 1_900_544),
            "reduction at a quarter": (1024, 7, 65_536 + 1_638_400),
            "window at every pixel": (1024, 7, 262_144 + 32 * 32 * 6400),
            "one convolution": (1024, 7, 1_638_400),
        },
    ),
    "bottleneck": Sample(
        Later(keras_bottleneck),
        np.array([25 * 256 * 64, 256 * 32 + 25 * 32 * 64, 220]),
        (None, None, None),
        {
            "window as a line": (5 * 256 * 64, 59_392, 220),
            "flat filter": (25 * 64, 59_392, 220),
            "second layer alone": (409_600, 51_200, 220),
            "nothing reduced": (409_600, 8192 + 409_600, 220),
            "rounded up": (409_600, 59_392, 221),
            "only narrower": (409_600, 59_392, 255),
        },
    ),
    "pointwise": Sample(
        by_slices,
        by_loops,
        stub,
        {
            "strides ignored": lambda x, w, b, strides: x @ w + b,
            "rows only": lambda x, w, b, strides: np.tensordot(x[:, ::strides], w, 1) + b,
            "pictures skipped": lambda x, w, b, strides: x[::strides, ::strides] @ w + b,
            "starts late": lambda x, w, b, strides: x[:, strides - 1 :: strides, strides - 1 :: strides] @ w + b,
            "bias forgotten": lambda x, w, b, strides: x[:, ::strides, ::strides] @ w,
        },
        inputs={
            "strides of one and more": lambda cases: {case[3] for case in cases} >= {1, 2, 3},
            "sides that are no multiple of the stride": lambda cases: any(case[0].shape[1] % case[3] for case in cases),
        },
    ),
    "fit-together": Sample(
        unit,
        unit_with_ops,
        stub,
        {
            "stacked upwards": unit_with(axis=1),
            "reduction skipped": unit_with(five_reads="x"),
            "pool lost": no_window,
            "added": unit_with(add=True),
        },
        near_misses=[
            (unit_with(axis=2), "one above the other"),
            (identity_pool, "largest of each 3 x 3"),
            (unit_with(curve="linear"), "has ReLU"),
            (unit_with(curve="relu6", first="relu6"), "has ReLU"),
            (unit_with(first="linear"), "has ReLU"),
            (unit_with(curve="linear", apart=True), "has ReLU"),
            (unit_with(first="leaky_relu"), "has ReLU"),
            (unit_with(curve="softplus"), "has ReLU"),
            (chained, "other convolutions"),
            (crossed, "follow each branch"),
            (lambda shape, filters: "unit", "keras.Model is expected"),
            (Later(lambda: unit((9, 12, 20), 6)), "without ()"),
        ],
        more=[unit_with_layers_of_relu, unit_with(apart=True)],
        inputs={"two sizes": lambda cases: len(set(cases)) >= 2},
    ),
}
