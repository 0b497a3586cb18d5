"""Sample answers of the chapter "Batch normalisation"."""

import functools

import numpy as np

from exercise_samples import Later, Sample, stub


def keras_moving():
    """Show the two batches to a layer, and read its averages."""
    from keras import layers

    norm = layers.BatchNormalization(momentum=0.9)
    for batch in ([[8.0], [12.0]], [[15.0], [25.0]]):
        norm(np.array(batch, "float32"), training=True)
    used = norm(np.array([[10.0]], "float32"), training=False)
    return float(norm.moving_mean[0]), float(norm.moving_variance[0]), float(used[0, 0])


MAPS = np.array([[[[11, 0], [17, 4]]], [[[9, 4], [3, 0]]]], "float32")
GAMMA, BETA = np.array([10, 0.5]), np.array([1, 3])


def keras_two_channels():
    from keras import layers

    norm = layers.BatchNormalization(epsilon=1e-12)
    norm.build(MAPS.shape)
    norm.gamma.assign(GAMMA)
    norm.beta.assign(BETA)
    y = np.asarray(norm(MAPS, training=True))
    return [float(number) for number in y[..., 0].ravel()], [float(number) for number in y[..., 1].ravel()]


def two_channels(normalise, gamma=GAMMA, beta=BETA):
    """Write the pictures as rows (picture, place) a channel, let `normalise` work on each, then scale and shift."""
    rows = [normalise(MAPS[..., channel].reshape(2, 2).astype(float)) for channel in (0, 1)]
    return tuple((g * row + b).ravel() for row, g, b in zip(rows, gamma, beta, strict=True))


def standard(rows, ddof=0):
    return (rows - rows.mean()) / rows.std(ddof=ddof)


def both_together(rows):
    return (rows - MAPS.mean()) / MAPS.astype(float).std()


def step(x, gamma, beta, moving_mean, moving_variance, momentum):
    """Go through the channels one by one, with plain sums."""
    y = np.empty_like(x)
    means, variances = np.copy(moving_mean), np.copy(moving_variance)
    for c in range(x.shape[-1]):
        values = x[..., c]
        mean = values.sum() / values.size
        variance = ((values - mean) ** 2).sum() / values.size
        y[..., c] = gamma[c] * (values - mean) / (variance + 0.001) ** 0.5 + beta[c]
        means[c] += (1 - momentum) * (mean - means[c])
        variances[c] += (1 - momentum) * (variance - variances[c])
    return y, means, variances


def keras_step(x, gamma, beta, moving_mean, moving_variance, momentum):
    """Let a layer of Keras do it, in float64."""
    from keras import layers

    norm = layers.BatchNormalization(momentum=momentum, dtype="float64")
    norm.build(x.shape)
    norm.set_weights([gamma, beta, moving_mean, moving_variance])
    y = np.asarray(norm(x, training=True))
    return [y, np.asarray(norm.moving_mean), np.asarray(norm.moving_variance)]


def wrong_step(mean=None, variance=None, y=None, keep=None, momentum=None):
    """Return a step with one of its parts replaced."""
    mean = mean or (lambda x: x.mean(axis=tuple(range(x.ndim - 1))))
    variance = variance or (lambda x: x.var(axis=tuple(range(x.ndim - 1))))
    y = y or (lambda x, m, v, new_m, new_v: (x - m) / np.sqrt(v + 1e-3))
    keep = keep or (lambda v: v)
    momentum = momentum or (lambda share: share)

    def function(x, gamma, beta, moving_mean, moving_variance, share):
        m, v, share = mean(x), variance(x), momentum(share)
        new_m = share * moving_mean + (1 - share) * m
        new_v = share * moving_variance + (1 - share) * keep(v)
        return gamma * y(x, m, v, new_m, new_v) + beta, new_m, new_v

    return function


def old_averages(x, gamma, beta, moving_mean, moving_variance, momentum):
    _, *averages = step(x, gamma, beta, moving_mean, moving_variance, momentum)
    return gamma * (x - moving_mean) / np.sqrt(moving_variance + 1e-3) + beta, *averages


def in_float32(x, gamma, beta, moving_mean, moving_variance, momentum):
    return step(x.astype("float32"), gamma, beta, moving_mean, moving_variance, momentum)


def unmoved(x, gamma, beta, moving_mean, moving_variance, momentum):
    return step(x, gamma, beta, moving_mean, moving_variance, momentum)[0], moving_mean, moving_variance


@functools.cache
def blocks():
    """Return the block of the chapter, which says training=False in its call, and good and bad ways to mend it."""
    import keras
    from keras import layers

    class Broken(layers.Layer):
        def __init__(self, filters):
            super().__init__()
            self.inner = keras.Sequential(self.parts(filters))

        def parts(self, filters):
            convolution = layers.Conv2D(filters, 3, padding="same", use_bias=False)
            return [convolution, layers.BatchNormalization(), layers.Activation("relu")]

        def call(self, x):
            return self.inner(x, training=False)

    class Handed(Broken):
        def call(self, x, training=None):
            return self.inner(x, training=training)

    class Silent(Broken):
        def call(self, x):
            return self.inner(x)

    class Always(Broken):
        def call(self, x):
            return self.inner(x, training=True)

    class Averages(Broken):  # its averages move, and are what it normalises by all the same
        def call(self, x, training=None):
            if training:
                self.inner(x, training=True)
            return self.inner(x, training=False)

    class Removed(Silent):
        def parts(self, filters):
            return super().parts(filters)[::2]

    class Bare(Silent):
        def parts(self, filters):
            return super().parts(filters)[:2]

    class Small(Silent):
        def parts(self, filters):
            return [*super().parts(filters), layers.MaxPooling2D(2)]

    return {
        "broken": Broken,
        "handed": Handed,
        "silent": Silent,
        "always": Always,
        "averages": Averages,
        "removed": Removed,
        "bare": Bare,
        "small": Small,
    }


def block(name):
    return Later(lambda: blocks()[name])


SAMPLES = {
    "moving": Sample(
        Later(keras_moving),
        [2.9, 3.67, 3.71],
        (None, None, None),
        {
            "momentum turned round": (0.1 * 9 + 0.9 * 20, 0.1 * (0.1 + 0.9 * 4) + 0.9 * 25, 0.2),
            "plain mean": (15, 14.5, -1.3),
            "variance from zero": (2.9, 0.9 * 0.4 + 2.5, 4.2),
            "standard deviations": (2.9, 0.9 * 1.1 + 0.5, 5.8),
            "one less": (2.9, 0.9 * 1.7 + 5, 2.8),
            "the last batch": (2.9, 3.67, -2),
            "no root": (2.9, 3.67, 7.1 / 3.67),
        },
    ),
    "two-channels": Sample(
        Later(keras_two_channels),
        np.array([[3, 15, -1, -13], [2.5, 3.5, 3.5, 2.5]]),
        (None, None),
        {
            "both channels together": two_channels(both_together),
            "each picture by itself": two_channels(lambda rows: np.array([standard(row) for row in rows])),
            "each place by itself": two_channels(lambda rows: np.array([standard(column) for column in rows.T]).T),
            "gamma and beta left out": two_channels(standard, (1, 1), (0, 0)),
            "beta first": two_channels(lambda rows: standard(rows), GAMMA, GAMMA * BETA),
            "no root": two_channels(lambda rows: standard(rows) / rows.std()),
            "one less": two_channels(lambda rows: standard(rows, ddof=1)),
        },
    ),
    "step": Sample(
        step,
        keras_step,
        stub,
        {
            "momentum turned round": wrong_step(momentum=lambda share: 1 - share),
            "batch axis only": wrong_step(mean=lambda x: x.mean(axis=0), variance=lambda x: x.var(axis=0)),
            "averages used": wrong_step(y=lambda x, m, v, new_m, new_v: (x - new_m) / np.sqrt(new_v + 1e-3)),
            "old averages used": old_averages,
            "epsilon outside": wrong_step(y=lambda x, m, v, new_m, new_v: (x - m) / (np.sqrt(v) + 1e-3)),
            "standard deviations kept": wrong_step(keep=np.sqrt),
            "one less": wrong_step(variance=lambda x: x.var(axis=tuple(range(x.ndim - 1)), ddof=1)),
            "averages not moved": unmoved,
        },
        more=[in_float32],
        near_misses=[
            (lambda *arguments: step(*arguments)[0], "3 parts"),
            (lambda *arguments: step(*arguments)[:2], "your answer has 2"),
        ],
        inputs={
            "five cases": lambda cases: len(cases) >= 5,
            "pictures and plain rows": lambda cases: {x.ndim for x, *_ in cases} == {2, 4},
            "averages that have moved before": lambda cases: any(mean.any() for _, _, _, mean, _, _ in cases),
            "a variance as small as epsilon": lambda cases: any(
                (x.var(axis=tuple(range(x.ndim - 1))) < 2e-3).any() for x, *_ in cases
            ),
            "more than one momentum": lambda cases: len({case[-1] for case in cases}) > 2,
        },
    ),
    "asleep": Sample(
        block("handed"),
        block("silent"),
        stub,
        {
            "frozen": block("broken"),
            "always training": block("always"),
            "removed": block("removed"),
            "no activation": block("bare"),
        },
        near_misses=[
            (Later(lambda: blocks()["handed"](4)), "without ()"),
            (block("small"), "as large as its input"),
            (block("averages"), "normalises by its averages"),
        ],
    ),
}
