"""Sample answers of the chapter "ResNet"."""

import numpy as np

from exercise_samples import Later, Sample, stub


def keras_deeper():
    """Count on a net built here, without cnnlib."""
    import keras
    from keras import layers

    def conv(x, filters, side, strides=1):
        x = layers.Conv2D(filters, side, strides, padding="same", use_bias=False)(x)
        return layers.BatchNormalization()(x)

    image = keras.Input((32, 32, 3))
    x, depth = layers.ReLU()(conv(image, 64, 3)), 1
    for stage, count in enumerate((3, 4, 6, 3)):
        for block in range(count):
            filters, strides = 64 << stage, 2 if stage and not block else 1
            y = conv(layers.ReLU()(conv(x, filters, 3, strides)), filters, 3)
            depth += 2
            if y.shape != x.shape:
                x = conv(x, filters, 1, strides)
            x = layers.ReLU()(y + x)
    net = keras.Model(image, layers.Dense(10)(layers.GlobalAveragePooling2D()(x)))
    convolutions = sum(isinstance(layer, layers.Conv2D) for layer in net.layers)
    return depth + 1, convolutions, net.count_params()


NET = (34, 36, 21_299_146)


def one_number():
    import tensorflow as tf

    def f(x):
        return -0.6 * tf.nn.relu(0.25 * x)

    x = tf.Variable(8.0)
    with tf.GradientTape(persistent=True) as tape:
        once = thrice = tf.nn.relu(x + f(x))
        for _ in range(2):
            thrice = tf.nn.relu(thrice + f(thrice))
    slopes = [float(tape.gradient(y, x)) for y in (once, thrice)]
    return float(f(x)), float(once), slopes[0], float(tf.nn.relu(f(x))), slopes[1]


def by_counting(channels, filters, blocks, strides, option):
    total = 0
    for _ in range(blocks):
        total += 9 * channels * filters + 9 * filters * filters + 2 * 4 * filters
        fits = strides == 1 and channels == filters
        if option == "C" or option == "B" and not fits:
            total += channels * filters + 4 * filters
        channels, strides = filters, 1
    return total


def by_keras(channels, filters, blocks, strides, option):
    import keras
    from keras import layers

    def conv(x, side, strides=1):
        x = layers.Conv2D(filters, side, strides, padding="same", use_bias=False)(x)
        return layers.BatchNormalization()(x)

    maps = x = keras.Input((6, 6, channels))
    for block in range(blocks):
        s = 1 if block else strides
        y = conv(conv(x, 3, s), 3)
        skip = conv(x, 1, s) if option == "C" or (option == "B" and y.shape != x.shape) else x
        x = y if option == "A" else layers.Add()([y, skip])
    return keras.Model(maps, x).count_params()


def counted(*, conv=0, norm=4, skip_norm=4, needs=None, chain=True, only=None):
    """Return a way to count with one thing changed; conv is what each convolution has on top, a filter."""

    def count(channels, filters, blocks, strides, option):
        total = 0
        for block in range(blocks):
            c = channels if not block or not chain else filters
            s = strides if not block else 1
            total += 9 * c * filters + 9 * filters**2 + 2 * (norm + conv) * filters
            needed = (c != filters or s != 1) if needs is None else needs(c != filters, s != 1)
            if (only or option) == "C" or ((only or option) == "B" and needed):
                total += c * filters + (min(norm, skip_norm) + conv) * filters
        return total

    return count


def block(shape, filters, strides, relu_on_f=False, relu_at_end=True, skip_from="x", first_strides=None, test="both"):
    import keras
    from keras import layers

    def conv(x, side, strides=1):
        x = layers.Conv2D(filters, side, strides, padding="same", use_bias=False)(x)
        return layers.BatchNormalization()(x)

    x = keras.Input(shape)
    y = conv(layers.Activation("relu")(conv(x, 3, strides if first_strides is None else first_strides)), 3)
    if relu_on_f:
        y = layers.Activation("relu")(y)
    skip = x
    if x.shape[-1] != filters or (test == "both" and strides != 1):
        last = strides if first_strides is None else first_strides
        skip = conv(x, 1, last) if skip_from == "x" else conv(y, 1)
    z = layers.Add()([y, skip])
    return keras.Model(x, layers.Activation("relu")(z) if relu_at_end else z)


def block_with_ops(shape, filters, strides):
    """Another way: the skip first, biases of zero, operators in place of layers."""
    import keras
    from keras import layers

    x = keras.Input(shape)
    skip = x
    if (strides, shape[-1]) != (1, filters):
        skip = layers.BatchNormalization()(layers.Conv2D(filters, 1, strides)(x))
    y = layers.Conv2D(filters, 3, strides, padding="same")(x)
    y = keras.ops.relu(layers.BatchNormalization()(y))
    y = layers.BatchNormalization()(layers.Conv2D(filters, 3, padding="same")(y))
    return keras.Model(x, keras.ops.relu(skip + y))


def block_with(**changes):
    return lambda shape, filters, strides: block(shape, filters, strides, **changes)


def always_projected(shape, filters, strides):
    """A 1 x 1 convolution on every skip."""
    import keras
    from keras import layers

    def conv(x, side, strides=1):
        x = layers.Conv2D(filters, side, strides, padding="same", use_bias=False)(x)
        return layers.BatchNormalization()(x)

    x = keras.Input(shape)
    y = conv(layers.ReLU()(conv(x, 3, strides)), 3)
    return keras.Model(x, layers.ReLU()(layers.Add()([y, conv(x, 1, strides)])))


def without_norm(shape, filters, strides):
    import keras
    from keras import layers

    def conv(x, side, strides=1):
        return layers.Conv2D(filters, side, strides, padding="same")(x)

    x = keras.Input(shape)
    y = conv(layers.ReLU()(conv(x, 3, strides)), 3)
    skip = x if y.shape == x.shape else conv(x, 1, strides)
    return keras.Model(x, layers.ReLU()(y + skip))


def doubled(shape, filters, strides):
    """The sum takes F twice where the skip needs no convolution."""
    import keras
    from keras import layers

    model = block(shape, filters, strides)
    if (strides, shape[-1]) != (1, filters):
        return model
    before = model.layers[-2].input[0]
    return keras.Model(model.input, layers.ReLU()(layers.Add()([before, before])))


SAMPLES = {
    "deeper": Sample(
        Later(keras_deeper),
        np.array(NET),
        (None, None, None),
        {
            "skips on the way": (37, *NET[1:]),
            "blocks as layers": (18, *NET[1:]),
            "ends forgotten": (32, *NET[1:]),
            "skips forgotten": (34, 33, NET[2]),
            "a skip convolution in every block": (34, 49, NET[2]),
            "normalisation forgotten": (34, 36, NET[2] - 4 * (64 * 7 + 128 * 9 + 256 * 13 + 512 * 7)),
            "half of the normalisation": (34, 36, NET[2] - 2 * (64 * 7 + 128 * 9 + 256 * 13 + 512 * 7)),
            "every block changes": (
                *NET[:2],
                NET[2] + 2 * (64**2 + 256) + 3 * (128**2 + 512) + 5 * (256**2 + 1024) + 2 * (512**2 + 2048),
            ),
        },
    ),
    "one-number": Sample(
        Later(one_number),
        [-1.2, 6.8, 0.85, 0, 0.614125],
        (None,) * 5,
        {
            "ReLU on F": (0, 6.8, 0.85, 0, 0.614125),
            "nothing added": (-1.2, 0, 0.85, 0, 0.614125),
            "ReLU before the sum": (-1.2, 8, 0.85, 0, 0.614125),
            "slope of F": (-1.2, 6.8, -0.15, 0, 0.614125),
            "plain without ReLU": (-1.2, 6.8, 0.85, -1.2, 0.614125),
            "slopes added": (-1.2, 6.8, 0.85, 0, 2.55),
            "slopes of F multiplied": (-1.2, 6.8, 0.85, 0, -0.003375),
        },
    ),
    "stage": Sample(
        by_counting,
        by_keras,
        stub,
        {
            "biases counted": counted(conv=1),
            "normalisation forgotten": counted(norm=0),
            "half of the normalisation": counted(norm=2),
            "skip without normalisation": counted(skip_norm=0),
            "B like C": counted(needs=lambda depth, size: True),
            "strides overlooked": counted(needs=lambda depth, size: depth),
            "depth overlooked": counted(needs=lambda depth, size: size),
            "always the stage's input": counted(chain=False),
            "option ignored": counted(only="B"),
        },
        inputs={
            "all options": lambda cases: {case[4] for case in cases} == {"A", "B", "C"},
            "a size that changes alone": lambda cases: any(c == f and s > 1 and o == "B" for c, f, _, s, o in cases),
            "a depth that changes alone": lambda cases: any(c != f and s == 1 and o == "B" for c, f, _, s, o in cases),
        },
    ),
    "mended-block": Sample(
        block,
        block_with_ops,
        stub,
        {
            "ReLU before the sum": block_with(relu_on_f=True),
            "no ReLU behind the sum": block_with(relu_at_end=False),
            "no way past": block_with(skip_from="y"),
            "stride lost": block_with(first_strides=1),
        },
        near_misses=[
            (block_with(relu_on_f=True, relu_at_end=False), "in front of the sum"),
            (always_projected, "and only there"),
            (without_norm, "batch normalisation of its own"),
            (doubled, "follow both ways"),
            (lambda shape, filters, strides: "block", "keras.Model is expected"),
            (Later(lambda: block((8, 8, 4), 4, 1)), "without ()"),
        ],
        inputs={
            "size, depth, neither": lambda cases: (
                {(s > 1, shape[-1] != f) for shape, f, s in cases} == {(True, True), (False, False), (True, False)}
            ),
        },
    ),
}
