"""Sample answers of the chapter "A first CNN"."""

import functools

import numpy as np

from exercise_samples import Later, Sample, stub


def keras_first_cnn(padding="same", pool=2):
    """Return the chapter's network, and {layer's name: layer}."""
    import keras
    from keras import layers

    model = keras.Sequential(
        [
            keras.Input((32, 32, 3)),
            layers.Conv2D(6, 5, padding=padding, name="conv"),
            layers.BatchNormalization(name="norm"),
            layers.Activation("relu"),
            layers.MaxPooling2D(pool, pool, padding="same"),
            layers.Dropout(0.2),
            layers.Flatten(),
            layers.Dense(128, activation="relu", name="hidden"),
            layers.Dropout(0.2),
            layers.Dense(10, activation="softmax", name="last"),
        ]
    )
    return model, {layer.name: layer for layer in model.layers}


def keras_valid():
    _, layer = keras_first_cnn(padding="valid")
    return layer["conv"].output.shape[1], layer["conv"].count_params(), layer["hidden"].count_params()


def keras_rows():
    model, layer = keras_first_cnn(pool=4)
    rows = [layer[name].count_params() for name in ("conv", "norm", "hidden", "last")]
    return [*rows, model.count_params()]


def accuracy(logits, labels):
    return np.mean(logits.argmax(axis=1) == labels.ravel())


def accuracy_by_counting(logits, labels):
    right = 0
    for row, label in zip(logits.tolist(), labels.reshape(-1).tolist(), strict=True):
        right += row.index(max(row)) == label
    return right / len(labels)


@functools.cache
def networks():
    """Return the class of the chapter, whose `call` has no training argument, and good and bad ways to mend it."""
    import keras
    from keras import layers

    class Broken(keras.Model):
        def __init__(self):
            super().__init__()
            self.conv = layers.Conv2D(6, 5, padding="same", use_bias=False)
            self.norm = layers.BatchNormalization()
            self.pool = layers.MaxPooling2D(2, 2, padding="same")
            self.drop = layers.Dropout(0.2)
            self.flatten = layers.Flatten()
            self.dense = layers.Dense(10, activation="softmax")

        def run(self, x, norm, drop):
            x = self.pool(keras.activations.relu(self.norm(self.conv(x), **norm)))
            return self.dense(self.flatten(self.drop(x, **drop)))

        def call(self, x):
            return self.run(x, {}, {})

    class Named(Broken):
        def call(self, x, training=None):
            return self.run(x, {}, {})

    class NormOnly(Broken):
        def call(self, x, training=None):
            return self.run(x, {"training": training}, {"training": False})

    class Always(Broken):
        def call(self, x, training=None):
            return self.run(x, {"training": True}, {"training": training})

    class AlwaysDropping(Broken):
        def call(self, x, training=None):
            return self.run(x, {"training": training}, {"training": True})

    class Removed(Broken):
        def call(self, x, training=None):
            return self.dense(self.flatten(self.drop(self.pool(self.conv(x)))))

    class Empty(keras.Model):
        pass

    def functional():
        return keras_first_cnn()[0]

    return {
        "broken": Broken,
        "named": Named,
        "norm only": NormOnly,
        "always": Always,
        "always dropping": AlwaysDropping,
        "removed": Removed,
        "empty": Empty,
        "functional": functional,
    }


def network(name):
    return Later(lambda: networks()[name])


SAMPLES = {
    "valid": Sample(
        Later(keras_valid),
        [28, 5 * 5 * 3 * 6 + 6, 14 * 14 * 6 * 128 + 128],
        (None, None, None),
        {
            "same size": (32, 456, 196_736),
            "one short": (27, 456, 14 * 14 * 6 * 128 + 128),
            "one border": (30, 456, 15 * 15 * 6 * 128 + 128),
            "flat filter": (28, 5 * 5 * 6 + 6, 150_656),
            "no bias": (28, 450, 150_656),
            "pooling forgotten": (28, 456, 28 * 28 * 6 * 128 + 128),
            "as with same": (28, 456, 196_736),
        },
    ),
    "rows": Sample(
        Later(keras_rows),
        (456, 24, 8 * 8 * 6 * 128 + 128, 1290, 456 + 24 + 49_280 + 1290),
        (None,) * 5,
        {
            "no moving averages": (456, 12, 49_280, 1290, 51_038),
            "normalised pixel by pixel": (456, 24 * 32 * 32, 49_280, 1290, 75_602),
            "old pooling": (456, 24, 196_736, 1290, 198_506),
            "one map": (456, 24, 8 * 8 * 128 + 128, 1290, 10_090),
            "no bias": (456, 24, 8 * 8 * 6 * 128, 1290, 50_922),
        },
    ),
    "accuracy": Sample(
        accuracy,
        accuracy_by_counting,
        stub,
        {
            "broadcast": lambda logits, labels: np.mean(logits.argmax(axis=1) == labels),
            "count": lambda logits, labels: int(np.sum(logits.argmax(axis=1) == labels.ravel())),
            "percent": lambda logits, labels: 100 * accuracy(logits, labels),
            "error rate": lambda logits, labels: np.mean(logits.argmax(axis=1) != labels.ravel()),
        },
    ),
    "training": Sample(
        network("named"),
        network("functional"),
        network("empty"),
        {
            "frozen": network("broken"),
            "dropout frozen": network("norm only"),
            "always training": network("always"),
            "removed": network("removed"),
        },
        near_misses=[
            (Later(lambda: networks()["named"]()), "without ()"),
            (network("always dropping"), "think that every call is training"),
        ],
    ),
}
