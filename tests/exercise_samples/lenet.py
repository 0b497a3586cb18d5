"""Sample answers of the chapter "LeNet"."""

import numpy as np

from exercise_samples import Later, Sample, stub


def keras_plateau():
    """Let Keras compute the losses of answers that are the same for every picture, and the slopes."""
    import keras
    import tensorflow as tf

    def loss(counts):
        labels = np.repeat(np.arange(len(counts)), counts)
        logits = np.log(np.tile(np.array(counts, "float64"), (len(labels), 1)))
        losses = keras.losses.sparse_categorical_crossentropy(labels, logits, from_logits=True)
        return float(np.mean(losses))

    x = tf.Variable(0.0)
    with tf.GradientTape() as tape:
        y = keras.activations.sigmoid(x)
    return loss([3, 3, 3, 3]), loss([6, 2, 2, 2]), float(tape.gradient(y, x)) ** 6


def keras_digits():
    import keras
    from keras import layers

    def rows(padding):
        net = keras.Sequential(
            [
                keras.Input((28, 28, 1)),
                layers.Conv2D(6, 5, padding=padding),
                layers.MaxPooling2D(2),
                layers.Conv2D(16, 5),
                layers.MaxPooling2D(2),
                layers.Flatten(),
                layers.Dense(120),
                layers.Dense(84),
                layers.Dense(10),
            ]
        )
        return net.layers[0].count_params(), net.layers[5].count_params(), net.count_params()

    padded, plain = rows("same"), rows("valid")
    return padded[0], padded[2], plain[1], plain[2]


def build(
    shape=(32, 32, 1),
    conv=None,
    dense=None,
    last=None,
    pool="AveragePooling2D",
    strides=2,
    rescale=False,
    units=(120, 84),
    classes=10,
    c5=False,
    window=5,
):
    """Write the net with Keras; conv and dense are activations, dense is conv's unless it is given.

    c5: write the first dense layer as the paper's C5, a convolution. window: the first kernel's, its map is 28 x 28.
    """
    import keras
    from keras import layers

    inputs = keras.Input(shape)
    x = layers.Rescaling(1 / 255)(inputs) if rescale else inputs
    for filters, kernel_size in ((6, window), (16, 5)):
        if kernel_size == 5:
            x = layers.Conv2D(filters, 5, activation=conv)(x)
        else:
            x = layers.Cropping2D(2)(layers.Conv2D(filters, kernel_size, padding="same", activation=conv)(x))
        x = getattr(layers, pool)(2, strides=strides)(x)
    if c5:
        x = layers.Conv2D(units[0], 5, activation=dense or conv)(x)
    x = layers.Flatten()(x)
    for n in units[1:] if c5 else units:
        x = layers.Dense(n, activation=dense or conv)(x)
    return keras.Model(inputs, layers.Dense(classes, activation=last)(x))


def squash(a, inner=2 / 3, outer=1.7159):
    import keras

    return outer * keras.ops.tanh(inner * a)


def late():
    import keras
    from keras import layers

    net = keras.Sequential([keras.Input((32, 32, 1))])
    for filters in (6, 16):
        for layer in (layers.Conv2D(filters, 5), layers.AveragePooling2D(2), layers.Activation(squash)):
            net.add(layer)
    net.add(layers.Flatten())
    for n in (120, 84):
        net.add(layers.Dense(n, activation=squash))
    net.add(layers.Dense(10))
    return net


def paper(**changes):
    return lambda: build(**{"conv": squash, **changes})


def paper_in_parts():
    """Activation layers of their own, a Sequential, and pooling by a strided convolution's cousin: the mean."""
    import keras
    from keras import layers

    net = keras.Sequential([keras.Input((32, 32, 1))])
    for filters in (6, 16):
        for layer in (layers.Conv2D(filters, (5, 5)), layers.Lambda(squash), layers.AveragePooling2D((2, 2))):
            net.add(layer)
    net.add(layers.Flatten())
    for n in (120, 84):
        net.add(layers.Dense(n))
        net.add(layers.Lambda(squash))
    net.add(layers.Dense(10))
    return net


def mended(**changes):
    settings = {"shape": (32, 32, 3), "pool": "MaxPooling2D", "rescale": True}
    return lambda activation: build(**{**settings, "conv": activation, **changes})


def squeezed(**changes):
    return lambda activation: mended(last=activation, **changes)(activation)


def mended_by_models(activation):
    """A Sequential, with the activations as layers of their own."""
    import keras
    from keras import layers

    net = keras.Sequential([keras.Input((32, 32, 3)), layers.Rescaling(1 / 255)])
    for filters in (6, 16):
        net.add(layers.Conv2D(filters, 5))
        net.add(layers.Activation(activation))
        net.add(layers.MaxPooling2D())
    net.add(layers.Flatten())
    for n in (120, 84):
        net.add(layers.Dense(n))
        net.add(layers.Activation(activation))
    net.add(layers.Dense(10))
    return net


LN4, UNEQUAL, SLOPES = np.log(4), 0.5 * np.log(2) + 0.5 * np.log(6), 4.0**-6

SAMPLES = {
    "plateau": Sample(
        Later(keras_plateau),
        np.array([1.386, 1.2425, 1 / 4096]),
        (None, None, None),
        {
            "ten classes": (np.log(10), 1.9, 0.1),
            "base two": (2.0, 1.8, 0.1),
            "probability": (0.25, 0.3, 0.1),
            "as if equal": (LN4, LN4, 0.1),
            "only the frequent class": (LN4, np.log(2), 0.1),
            "unweighted": (LN4, np.log(2) / 4 + 3 * np.log(6) / 4, 0.1),
            "slopes added": (LN4, UNEQUAL, 6 / 4),
            "one slope": (LN4, UNEQUAL, 1 / 4),
        },
        near_misses=[((LN4, UNEQUAL, 1 / 1024), "too large"), ((LN4, 1.1, SLOPES), "too small")],
    ),
    "digits": Sample(
        Later(keras_digits),
        [156.0, 61_706, np.int64(4 * 4 * 16 * 120 + 120), 44_426],
        (None, None, None, None),
        {
            "colour": (456, 62_006, 30_840, 44_726),
            "no bias": (150, 61_470, 30_720, 44_190),
            "same twice": (156, 61_706 + (49 - 25) * 16 * 120, 30_840, 44_426),
            "as for 32": (156, 61_706, 48_120, 61_706),
            "one map": (156, 61_706, 16 * 120 + 120, 15_626),
            "one pooling": (156, 61_706, 64 * 16 * 120 + 120, 136_586),
        },
    ),
    "paper": Sample(
        paper(),
        paper_in_parts,
        stub,
        {
            "colour": paper(shape=(32, 32, 3)),
            "plain tanh": paper(conv="tanh"),
            "inner factor": paper(conv=lambda a: squash(a, inner=1)),
            "outer factor": paper(conv=lambda a: squash(a, outer=1)),
            "factors swapped": paper(conv=lambda a: squash(a, inner=1.7159, outer=2 / 3)),
            "sigmoid": paper(conv="sigmoid"),
            "behind the poolings": late,
            "rescaled": paper(rescale=True),
            "max pooling": paper(pool="MaxPooling2D"),
            "logits squashed": paper(last=squash),
            "convolutions without activation": paper(conv="linear", dense=squash),
            "dense layers without activation": paper(dense="linear"),
        },
        near_misses=[
            (paper(units=(120, 85)), "number of parameters"),
            (paper(classes=9), "Ten numbers"),
            (paper(last="softmax"), "other logits"),
            (Later(lambda: paper()()), "without ()"),
            (lambda: "a net", "A Keras model is expected"),
            (paper(window=(1, 25)), "none of them has a kernel or bias of shape (5, 5, 1, 6)"),
            (paper(c5=True, conv="tanh"), "tanh as it is"),
        ],
        more=[paper(c5=True)],
    ),
    "find-the-bug": Sample(
        mended(),
        mended_by_models,
        stub,
        {
            "as given": squeezed(strides=1),
            "steps of one": mended(strides=1),
            "logits squeezed": squeezed(),
            "hidden layers laid bare": mended(dense="linear"),
            "softmax": mended(last="softmax"),
            "unscaled": mended(rescale=False),
            "argument ignored": lambda activation: mended()("sigmoid"),
        },
        near_misses=[
            (mended(units=(120, 80)), "as little as you can"),
            (mended(pool="AveragePooling2D"), "other logits"),
            (mended(window=(1, 25)), "none of them has a kernel or bias of shape (5, 5, 3, 6)"),
        ],
        more=[mended(c5=True)],
        inputs={"two activations": lambda cases: len(set(cases)) >= 2},
    ),
}
