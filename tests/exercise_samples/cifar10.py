"""Sample answers of the chapter "CIFAR-10"."""

from fractions import Fraction

import numpy as np

from exercise_samples import Sample, stub


def standard_error(p, n):
    return (p * (1 - p) / n) ** 0.5


def split(labels, per_class, rng):
    flat = labels.ravel()
    drawn = [rng.choice(np.flatnonzero(flat == c), per_class, replace=False) for c in np.unique(flat)]
    validation = np.concatenate(drawn)
    return np.setdiff1d(np.arange(len(flat)), validation), validation


def split_by_walking(labels, per_class, rng):
    taken, train, validation = {}, [], []
    for index in rng.permutation(len(labels)):
        label = int(labels[index, 0])
        taken[label] = taken.get(label, 0) + 1
        (validation if taken[label] <= per_class else train).append(index)
    return train, validation


def split_without_classes(labels, per_class, rng):
    order, size = rng.permutation(len(labels)), per_class * len(np.unique(labels))
    return order[size:], order[:size]


def split_in_order(labels, per_class, rng):
    validation = np.concatenate([np.flatnonzero(labels[:, 0] == c)[:per_class] for c in np.unique(labels)])
    return np.setdiff1d(np.arange(len(labels)), validation), validation


def split_by_other_dice(labels, per_class, rng):
    return split(labels, per_class, np.random.default_rng())


def split_keeping_all(labels, per_class, rng):
    return np.arange(len(labels)), split(labels, per_class, rng)[1]


def split_putting_back(labels, per_class, rng):
    flat = labels.ravel()
    validation = [int(i) for c in np.unique(flat) for i in rng.choice(np.flatnonzero(flat == c), per_class)]
    return sorted(set(range(len(flat))) - set(validation)), validation


def split_losing_one(labels, per_class, rng):
    train, validation = split(labels, per_class, rng)
    return train[1:], validation


def standardise(x_train, x_test, axis=(0, 1, 2), own=False, both=False, ddof=0):
    source = np.concatenate([x_train, x_test]) / 255.0 if both else x_train / 255.0
    x_train, x_test = x_train / 255.0, x_test / 255.0
    test_source = x_test if own else source
    return (
        (x_train - source.mean(axis)) / source.std(axis, ddof=ddof),
        (x_test - test_source.mean(axis)) / test_source.std(axis, ddof=ddof),
    )


def standardise_in_float32(x_train, x_test):
    x_train, x_test = x_train / np.float32(255), x_test / np.float32(255)
    mean, std = x_train.mean(axis=(0, 1, 2)), x_train.std(axis=(0, 1, 2))
    return (x_train - mean) / std, (x_test - mean) / std


def standardise_bytes(x_train, x_test):
    """Without the division by 255, colour by colour, as lists: the result is the same."""
    results = []
    for x in (x_train, x_test):
        y = np.empty(x.shape, np.float32)
        for c in range(3):
            y[..., c] = (x[..., c] - np.mean(x_train[..., c])) / np.std(x_train[..., c])
        results.append(y)
    return results


SAMPLES = {
    "memory": Sample(
        (
            50_000 * np.zeros((32, 32, 3), np.uint8).nbytes,
            50_000 * (np.zeros((32, 32, 3), np.uint8) / 255.0).nbytes,
        ),
        (153.6e6, 153.6e6 * 8),
        (None, None),
        {
            "float32": (153_600_000, 614_400_000),
            "same dtype": (153_600_000, 153_600_000),
            "one colour": (51_200_000, 409_600_000),
            "bits": (1_228_800_000, 9_830_400_000),
            "megabytes": (153.6, 1228.8),
        },
    ),
    "chance": Sample(
        (0.1, standard_error(0.1, 10_000), standard_error(0.6, 5_000)),
        (Fraction(1, 10), 0.003, 0.007),
        (None, None, None),
        {
            "variance": (0.1, 9e-6, 0.0069),
            "one picture": (0.1, 0.3, 0.49),
            "percent": (10, 0.3, 0.69),
            "divided by n": (0.1, 0.00003, 0.0001),
            "chance again": (0.1, 0.003, 0.00424),
        },
    ),
    "split": Sample(
        split,
        split_by_walking,
        stub,
        {
            "twice": split_keeping_all,
            "repeated": split_putting_back,
            "lost": split_losing_one,
            "unbalanced": split_without_classes,
            "other dice": split_by_other_dice,
            "not drawn": split_in_order,
        },
        near_misses=[
            (lambda labels, per_class, rng: rng, "two lists"),
            *(
                (lambda labels, per_class, rng, part=part: (part, [0]), "your training part is no flat list")
                for part in ([0.5], [[1]], {1}, [True], "ab")
            ),
        ],
    ),
    "standardise": Sample(
        standardise,
        standardise_bytes,
        stub,
        {
            "as given": lambda x_train, x_test: standardise(x_train, x_test, axis=0, own=True),
            "test statistics": lambda x_train, x_test: standardise(x_train, x_test, own=True),
            "per pixel": lambda x_train, x_test: standardise(x_train, x_test, axis=0),
            "both together": lambda x_train, x_test: standardise(x_train, x_test, both=True),
            "all colours in one": lambda x_train, x_test: standardise(x_train, x_test, axis=None),
            "sample deviation": lambda x_train, x_test: standardise(x_train, x_test, ddof=1),
        },
        near_misses=[(lambda x_train, x_test: standardise(x_train, x_test)[0], "yours is one array of shape")],
        more=[standardise_in_float32],
    ),
}
