"""Sample answers of the chapter "VGG"."""

import functools

import numpy as np

from exercise_samples import Later, Sample, stub


def keras_larger():
    """Build the net's poolings and its first dense layer on pictures of 48 x 48, with few channels before the last."""
    import keras
    from keras import layers

    image = keras.Input((48, 48, 3))
    x = image
    for filters in (2, 2, 2, 2, 512):
        x = before = layers.Conv2D(filters, 3, padding="same")(x)
        x = layers.MaxPooling2D(2, strides=2, padding="same")(x)
    flat = layers.Flatten()(x)
    dense = layers.Dense(512)
    keras.Model(image, dense(flat))
    return before.shape[1], flat.shape[1], dense.count_params()


def keras_zeros():
    """Let a kernel of ones count the cells of a map of ones that each output reads."""
    import keras

    ones = np.ones((1, 4, 4, 1), "float32")
    read = np.asarray(keras.ops.conv(ones, np.ones((3, 3, 1, 1), "float32"), padding="same"))[0, :, :, 0]
    missed = (9 - read).astype(int)
    total = int(missed.sum())
    return int(missed[0, 0]), int(missed[0, 1]), int(missed[1, 1]), total, total * 512 * 512


def costs(plan, side, units, classes):
    params, macs, channels = 0, 0, 3
    for step in plan:
        if step == "M":
            side //= 2
        else:
            params += 9 * channels * step + step
            macs += side * side * 9 * channels * step
            channels = step
    inputs = side * side * channels
    for outputs in (units, units, classes):
        params += inputs * outputs + outputs
        macs += inputs * outputs
        inputs = outputs
    return params, macs


def costs_from_lists(plan, side, units, classes):
    """Go through lists of layers, and return a NumPy array."""
    convolutions = [step for step in plan if step != "M"]
    sides = [side // 2 ** plan[:i].count("M") for i, step in enumerate(plan) if step != "M"]
    kernels = [9 * a * b for a, b in zip([3, *convolutions], convolutions, strict=False)]
    flat = (side // 2 ** plan.count("M")) ** 2 * convolutions[-1]
    dense = [flat * units, units * units, units * classes]
    macs = sum(w * n**2 for w, n in zip(kernels, sides, strict=True)) + sum(dense)
    return np.array([sum(kernels) + sum(dense) + sum(convolutions) + 2 * units + classes, macs])


def costs_like(bias=1, chained=True, halved=True, dense=3, flat=True):
    """Return `costs` with something wrong."""

    def wrong(plan, side, units, classes):
        params, macs, channels, maps = 0, 0, 3, side
        for step in plan:
            if step == "M":
                maps //= 2
            else:
                params += 9 * channels * step + bias * step
                macs += (maps if halved else side) ** 2 * 9 * channels * step
                channels = step if chained else 3
        inputs = maps * maps * channels if flat else channels
        for outputs in [units, units, classes][3 - dense :]:
            params += inputs * outputs + bias * outputs
            macs += inputs * outputs
            inputs = outputs
        return params, macs

    return wrong


@functools.cache
def builders():
    """Return functions that build the groups of a plan: the chapter's broken one, right ones, other wrong ones."""
    import keras
    from keras import layers

    def conv(filters):
        return layers.Conv2D(filters, 3, padding="same")

    def relu(x):
        return layers.Activation("relu")(x)

    def net(group):
        def build(plan):
            image = x = keras.Input((32, 32, 3))
            for convolutions, filters in plan:
                x = layers.MaxPooling2D(2, strides=2)(group(x, convolutions, filters))
            return keras.Model(image, x)

        return build

    def broken(x, convolutions, filters):
        again, norm = conv(filters), layers.BatchNormalization()
        x = relu(norm(conv(filters)(x)))
        for _ in range(convolutions - 1):
            x = relu(norm(again(x)))
        return x

    def mended(x, convolutions, filters):
        for _ in range(convolutions):
            x = relu(layers.BatchNormalization()(conv(filters)(x)))
        return x

    def shared_conv(x, convolutions, filters):
        again = conv(filters)
        for i in range(convolutions):
            x = relu(layers.BatchNormalization()((again if i else conv(filters))(x)))
        return x

    def shared_norm(x, convolutions, filters):
        norm = layers.BatchNormalization()
        for _ in range(convolutions):
            x = relu(norm(conv(filters)(x)))
        return x

    def one(x, convolutions, filters):
        return relu(layers.BatchNormalization()(conv(filters)(x)))

    def no_relu(x, convolutions, filters):
        for _ in range(convolutions):
            x = layers.BatchNormalization()(conv(filters)(x))
        return x

    def relu_first(x, convolutions, filters):
        for _ in range(convolutions):
            x = layers.BatchNormalization()(relu(conv(filters)(x)))
        return x

    def no_norm(x, convolutions, filters):
        for _ in range(convolutions):
            x = relu(conv(filters)(x))
        return x

    def sequential(plan):
        stack = [keras.Input((32, 32, 3))]
        for convolutions, filters in plan:
            for _ in range(convolutions):
                stack += [conv(filters), layers.BatchNormalization(), layers.ReLU()]
            stack.append(layers.MaxPooling2D(2))
        return keras.Sequential(stack)

    def no_pooling(plan):
        image = x = keras.Input((32, 32, 3))
        for convolutions, filters in plan:
            x = mended(x, convolutions, filters)
        return keras.Model(image, x)

    nets = {
        "broken": broken,
        "mended": mended,
        "shared conv": shared_conv,
        "shared norm": shared_norm,
        "one": one,
        "no relu": no_relu,
        "relu first": relu_first,
        "no norm": no_norm,
    }
    return {name: net(group) for name, group in nets.items()} | {
        "sequential": sequential,
        "no pooling": no_pooling,
        "model": lambda plan: plan,
    }


def builder(name):
    return Later(lambda: builders()[name])


SAMPLES = {
    "larger-picture": Sample(
        Later(keras_larger),
        np.array([3, 2 * 2 * 512, 2 * 2 * 512 * 512 + 512]),
        (None, None, None),
        {
            "rounded down": (3, 512, 512 * 512 + 512),
            "as on 32": (2, 512, 512 * 512 + 512),
            "pooled too often": (2, 2048, 2048 * 512 + 512),
            "last pooling left out": (3, 3 * 3 * 512, 3 * 3 * 512 * 512 + 512),
            "one channel": (3, 4, 4 * 512 + 512),
            "no bias": (3, 2048, 2048 * 512),
        },
    ),
    "zeros": Sample(
        Later(keras_zeros),
        [5, 3, 0, 44, 44 * 512 * 512],
        (None,) * 5,
        {
            "read, not missed": (4, 6, 9, 100, 100 * 512 * 512),
            "corner counted twice": (6, 3, 0, 48, 48 * 512 * 512),
            "edges left out": (5, 3, 0, 20, 20 * 512 * 512),
            "one filter": (5, 3, 0, 44, 44 * 512),
            "one pair": (5, 3, 0, 44, 44),
            "all products": (5, 3, 0, 44, 144 * 512 * 512),
        },
        near_misses=[((5, 3, 1, 44, 44 * 512 * 512), "Part 3 of 5: the number is too large")],
    ),
    "costs": Sample(
        costs,
        costs_from_lists,
        stub,
        {
            "no biases": costs_like(bias=0),
            "always three channels": costs_like(chained=False),
            "side never halves": costs_like(halved=False),
            "cells not flattened": costs_like(flat=False),
            "one dense layer too few": costs_like(dense=2),
            "no dense layers": costs_like(dense=0),
        },
        near_misses=[
            (lambda *case: costs(*case)[0], "A tuple of 2 parts is expected"),
            (lambda *case: costs(*case)[::-1], "Part 1 of 2: the number is too large"),
        ],
        inputs={
            "a plan with a single layer and no pooling": lambda calls: any(plan == [5] for plan, *_ in calls),
            "the paper's side": lambda calls: any(side == 224 for _, side, *_ in calls),
            "maps of more than one cell at the end": lambda calls: any(
                side // 2 ** plan.count("M") > 1 for plan, side, *_ in calls
            ),
        },
    ),
    "find-the-bug": Sample(
        builder("mended"),
        builder("sequential"),
        stub,
        {
            "as given": builder("broken"),
            "convolution shared": builder("shared conv"),
            "normalisation shared": builder("shared norm"),
            "one convolution a group": builder("one"),
            "activation lost": builder("no relu"),
        },
        near_misses=[
            (builder("relu first"), "computes other numbers"),
            (builder("no norm"), "parameters in"),
            (builder("no pooling"), "The maps have shape"),
            (builder("model"), "keras.Model is expected"),
        ],
    ),
}
