"""Sample answers of the chapter "AlexNet"."""

import numpy as np

from exercise_samples import Later, Sample, stub


def keras_same(last_pool=True):
    import keras
    from keras import layers

    net = keras.Sequential([keras.Input((32, 32, 3))])
    sides = []
    for block in ([96], [256], [384, 384, 256]):
        for filters in block:
            net.add(layers.Conv2D(filters, 3, padding="same"))
        net.add(layers.MaxPooling2D(3, strides=2))
        sides.append(net.output_shape[1])
    net.add(layers.Flatten())
    net.add(layers.Dense(2048))
    return sides[0], sides[1], net.layers[-1].count_params()


def tf_lrn():
    """TensorFlow's own layer, and Keras's batch normalisation in use."""
    import keras
    import tensorflow as tf

    def lrn(channels):
        x = np.array(channels, "float32").reshape(1, 1, 1, -1)
        y = tf.nn.local_response_normalization(x, depth_radius=1, bias=2, alpha=1, beta=0.5)
        return y.numpy().ravel()

    norm = keras.layers.BatchNormalization(epsilon=0)
    norm.build((None, 1))
    norm.set_weights([np.array([value], "float32") for value in (1, 0, 0.5, 4)])
    before, after = lrn([1, 3, 2, 5, 3]), lrn([7, 3, 2, 5, 3])
    return [float(value) for value in (before[1], before[4], after[1], norm(np.array([[3.0]], "float32"))[0, 0])]


def top_k_error(probabilities, labels, k):
    mean = probabilities.mean(axis=0)
    best = mean.argsort(axis=1)[:, -k:]
    return np.mean([label not in row for label, row in zip(labels.ravel(), best, strict=True)])


def top_k_by_rank(probabilities, labels, k):
    """Count how many classes are more probable than the true one."""
    mean = probabilities.sum(axis=0)
    labels = labels.reshape(-1)
    rank = (mean > mean[np.arange(len(labels)), labels][:, None]).sum(axis=1)
    return int((rank >= k).sum()) / len(labels)


def one_net_error(probabilities, labels, k):
    return top_k_error(probabilities[None], labels, k)


def count(side, channels, layers):
    total = 0
    for kind, *numbers in layers:
        if kind == "conv":
            kernel, stride, padding, filters, groups = numbers
            total += kernel * kernel * channels // groups * filters + filters
            side = (side + 2 * padding - kernel) // stride + 1
            channels = filters
        elif kind == "pool":
            window, stride = numbers
            side = (side - window) // stride + 1
        else:
            total += side * side * channels * numbers[0] + numbers[0]
            side, channels = 1, numbers[0]
    return total


def keras_count(side, channels, layers):
    """Let Keras build the net and count."""
    import keras

    x = image = keras.Input((side, side, channels))
    for kind, *numbers in layers:
        if kind == "conv":
            kernel, stride, padding, filters, groups = numbers
            x = keras.layers.ZeroPadding2D(padding)(x)
            x = keras.layers.Conv2D(filters, kernel, strides=stride, groups=groups)(x)
        elif kind == "pool":
            x = keras.layers.MaxPooling2D(numbers[0], strides=numbers[1])(x)
        else:
            x = keras.layers.Dense(numbers[0])(keras.layers.Flatten()(x))
    return keras.Model(image, x).count_params()


def wrong_count(weights=None, pool=None):
    """Return `count` with other lines in it."""
    weights = weights or (lambda k, c, f, g: k * k * c // g * f + f)
    pool = pool or (lambda side, window, stride: (side - window) // stride + 1)

    def wrong(side, channels, layers):
        total = 0
        for kind, *numbers in layers:
            if kind == "conv":
                kernel, stride, padding, filters, groups = numbers
                total += weights(kernel, channels, filters, groups)
                side, channels = (side + 2 * padding - kernel) // stride + 1, filters
            elif kind == "pool":
                side = pool(side, *numbers)
            else:
                total += (side * side * channels + 1) * numbers[0]
                side, channels = 1, numbers[0]
        return total

    return wrong


def all_channels(k, c, f, g):
    return k * k * c * f + f


def whole_windows(side, window, stride):
    return side // window


broken_count = wrong_count(all_channels, whole_windows)  # as the chapter prints it

SAMPLES = {
    "same": Sample(
        Later(keras_same),
        [15, 7, 3 * 3 * 256 * 2048 + 2048],
        (None, None, None),
        {
            "as without padding": (14, 5, 2 * 2 * 256 * 2048 + 2048),
            "exact half": (16, 8, 4 * 4 * 256 * 2048 + 2048),
            "third pooling forgotten": (15, 7, 7 * 7 * 256 * 2048 + 2048),
            "as before": (15, 7, 2_099_200),
            "one map": (15, 7, 9 * 2048 + 2048),
            "no bias": (15, 7, 9 * 256 * 2048),
        },
        near_misses=[((15, 8, 4_720_640), "Part 2 of 3: the number is too large")],
    ),
    "lrn": Sample(
        Later(tf_lrn),
        np.array([3 / 4, 3 / 6, 3 / 8, 5 / 4]),
        (None,) * 4,
        {
            "no offset": (3 / 14**0.5, 3 / 34**0.5, 3 / 62**0.5, 1.25),
            "itself left out": (3 / 7**0.5, 3 / 27**0.5, 3 / 55**0.5, 1.25),
            "no root": (3 / 16, 3 / 36, 3 / 64, 1.25),
            "not squared": (3 / 8**0.5, 3 / 10**0.5, 3 / 14**0.5, 1.25),
            "all channels": (3 / 50**0.5, 3 / 50**0.5, 3 / 98**0.5, 1.25),
            "round the corner": (0.75, 3 / 37**0.5, 0.375, 1.25),
            "variance for deviation": (0.75, 0.5, 0.375, 2.5 / 4),
        },
        near_misses=[((0.75, 0.5, 0.75, 1.25), "Part 3 of 4: the number is too large")],
    ),
    "top-k": Sample(
        top_k_error,
        top_k_by_rank,
        stub,
        {
            "errors averaged": lambda p, labels, k: np.mean([one_net_error(net, labels, k) for net in p]),
            "one net": lambda p, labels, k: one_net_error(p[0], labels, k),
            "accuracy": lambda p, labels, k: 1 - top_k_error(p, labels, k),
            "count": lambda p, labels, k: round(top_k_error(p, labels, k) * labels.size),
            "smallest": lambda p, labels, k: top_k_error(1 - p, labels, k),
            "best one only": lambda p, labels, k: top_k_error(p, labels, 1),
        },
        near_misses=[(lambda p, labels, k: 0.0, "too small")],
        inputs={
            "labels in a column, and in a row": lambda calls: {labels.ndim for _, labels, _ in calls} == {1, 2},
            "several nets, and one": lambda calls: {len(p) == 1 for p, _, _ in calls} == {True, False},
            "k as large as the number of classes": lambda calls: any(p.shape[2] == k for p, _, k in calls),
            "k of 1": lambda calls: any(k == 1 for _, _, k in calls),
        },
    ),
    "count": Sample(
        count,
        keras_count,
        stub,
        {
            "as it was": broken_count,
            "groups left": wrong_count(weights=all_channels),
            "pooling left": wrong_count(pool=whole_windows),
            "biases shared": wrong_count(weights=lambda k, c, f, g: (k * k * c * f + f) // g),
            "one group only": wrong_count(weights=lambda k, c, f, g: k * k * (c // g) * (f // g) + f // g),
            "window forgotten": wrong_count(pool=lambda side, window, stride: side // stride),
        },
        near_misses=[(wrong_count(pool=lambda side, window, stride: -(-side // stride)), "With side = ")],
        inputs={
            "groups": lambda calls: any(layer[0] == "conv" and layer[5] > 1 for *_, net in calls for layer in net),
            "windows that overlap, and windows with gaps": lambda calls: (
                {
                    (layer[1] > layer[2]) - (layer[1] < layer[2])
                    for *_, net in calls
                    for layer in net
                    if layer[0] == "pool"
                }
                == {-1, 0, 1}
            ),
        },
    ),
}
