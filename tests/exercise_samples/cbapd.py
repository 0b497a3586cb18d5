"""Sample answers of the chapter "CBAPD, the recipe"."""

import functools

import numpy as np

from exercise_samples import Later, Sample, stub


def keras_strides():
    import keras
    from keras import layers

    model = keras.Sequential(
        [
            keras.Input((32, 32, 3)),
            layers.Conv2D(6, 5, strides=2, padding="same", use_bias=False),
            layers.Flatten(),
            layers.Dense(128),
        ]
    )
    convolution, _, dense = model.layers
    side = convolution.output.shape[1]
    return side, dense.count_params(), side * side * convolution.count_params()


def keras_cells():
    from keras import layers

    x = np.array([[7, -3], [11, 3]], "float32")[None, :, :, None]
    norm = layers.BatchNormalization(epsilon=0)
    norm.build(x.shape)
    norm.set_weights([np.array([value], "float32") for value in (-2, 0.5, 3, 16)])
    pool = layers.MaxPooling2D(2)
    last = float(np.squeeze(pool(np.maximum(norm(x), 0))))
    first = float(np.squeeze(np.maximum(norm(pool(x)), 0)))
    return last, last / 0.8, first


def layer_list(
    filters=8,
    kernel_size=3,
    rate=0.3,
    order="CBAPD",
    use_bias=False,
    conv="same",
    pool="same",
    strides=2,
    step=1,
    curve="relu",
):
    from keras import layers

    made = {
        "C": layers.Conv2D(filters, kernel_size, strides=step, padding=conv, use_bias=use_bias),
        "B": layers.BatchNormalization(),
        "A": layers.Activation(curve),
        "P": layers.MaxPooling2D(2, strides=strides, padding=pool),
        "D": layers.Dropout(rate),
    }
    return [made[letter] for letter in order]


def as_sequential(filters, kernel_size, rate):
    import keras
    from keras import layers

    return keras.Sequential(
        [
            layers.Conv2D(filters, (kernel_size, kernel_size), padding="same", use_bias=False),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.MaxPool2D(pool_size=(2, 2), padding="same"),
            layers.Dropout(rate),
        ]
    )


@functools.cache
def shared_norm():
    from keras import layers

    return layers.BatchNormalization()


def one_norm_for_all(filters, kernel_size, rate):
    """Put the same batch normalisation into every block."""
    chain = layer_list(filters, kernel_size, rate)
    chain[1] = shared_norm()
    return chain


def block_with(**changes):
    return lambda filters, kernel_size, rate: layer_list(filters, kernel_size, rate, **changes)


def listing_with(*arguments, **changes):
    return lambda: layer_list(*arguments, **{"use_bias": True, **changes})


def listing_as_sequential():
    return as_sequential(8, 3, 0.3)


SAMPLES = {
    "strides": Sample(
        Later(keras_strides),
        [16.0, np.int64(16 * 16 * 6 * 128 + 128), 16 * 16 * 75 * 6],
        (None, None, None),
        {
            "strides forgotten": (32, 32 * 32 * 6 * 128 + 128, 460_800),
            "no padding": (14, 14 * 14 * 6 * 128 + 128, 14 * 14 * 450),
            "dense without pooling": (16, 32 * 32 * 6 * 128 + 128, 115_200),
            "no bias": (16, 196_608, 115_200),
            "one map": (16, 16 * 16 * 128 + 128, 115_200),
            "work of every pixel": (16, 196_736, 32 * 32 * 450),
            "one direction": (16, 196_736, 16 * 32 * 450),
            "flat filter": (16, 196_736, 16 * 16 * 25 * 6),
        },
    ),
    "four-cells": Sample(
        Later(keras_cells),
        np.array([3.5, 4.375, 0]),
        (None, None, None),
        {
            "variance for deviation": (-2 * -6 / 16 + 0.5, 1.25 * (-2 * -6 / 16 + 0.5), 0),
            "gamma without its sign": (4.5, 5.625, 4.5),
            "beta forgotten": (3, 3.75, 0),
            "mean of four": (1.0, 1.25, 0),
            "dropout times": (3.5, 2.8, 0),
            "dropout in use": (3.5, 3.5, 0),
            "same in any order": (3.5, 4.375, 3.5),
            "no activation": (3.5, 4.375, -3.5),
        },
    ),
    "block": Sample(
        layer_list,
        as_sequential,
        stub,
        {
            "bias kept": block_with(use_bias=True),
            "activation before batch normalisation": block_with(order="CABPD"),
            "pooling before activation": block_with(order="CBPAD"),
            "letter missing": block_with(order="CBAD"),
            "no padding": block_with(pool="valid"),
            "nothing halved": block_with(strides=1),
            "rate turned round": lambda filters, kernel_size, rate: layer_list(filters, kernel_size, 1 - rate),
            "arguments ignored": lambda filters, kernel_size, rate: layer_list(5, 3, 0.25),
            "the same layers again": one_norm_for_all,
        },
        near_misses=[
            (block_with(conv="valid"), "row or a column"),
            (block_with(order="CBADP"), "Your order is CBADP"),
            (block_with(step=2, strides=1), "the pooling by two"),
            (block_with(curve="sigmoid"), "not ReLU"),
            (lambda filters, kernel_size, rate: layer_list(filters, kernel_size, rate)[0], "list of five"),
            (Later(lambda: layer_list()), "without ()"),
        ],
        inputs={"three blocks": lambda cases: len(set(cases)) >= 3},
    ),
    "listing": Sample(
        listing_with(),
        listing_as_sequential,
        stub,
        {
            "not halved": listing_with(strides=1),
            "settings changed": listing_with(8, 3, 0.2),
            "line lost": listing_with(order="CBAP"),
            "padding lost": listing_with(pool="valid"),
        },
        near_misses=[
            (listing_with(order="BCAPD"), "in the order"),
            (listing_with(step=2, strides=1), "the pooling by two"),
            (listing_with(curve="sigmoid"), "not ReLU"),
            (lambda: "Conv2D", "list of five"),
        ],
    ),
}
