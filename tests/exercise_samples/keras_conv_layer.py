"""Sample answers of the chapter "The conv layer in Keras"."""

import numpy as np

from exercise_samples import Later, Sample, stub


def keras_facts(input_shape, filters, kernel_size, strides, padding):
    import keras

    layer = keras.layers.Conv2D(filters, kernel_size, strides=strides, padding=padding)
    return *layer(keras.Input(input_shape)).shape[1:], layer.count_params()


def facts(shape, filters, kernel_size, strides, padding, bias=None, depth=None, places=None):
    """The same in plain Python; the settings bring one mistake in each."""
    kernel_size, strides = (np.broadcast_to(value, 2).tolist() for value in (kernel_size, strides))
    if padding == "same":
        sides = [-(-n // s) for n, s in zip(shape, strides, strict=False)]
    else:
        sides = [len(range(0, n - k + 1, s)) for n, k, s in zip(shape, kernel_size, strides, strict=False)]
    weights = kernel_size[0] * kernel_size[1] * (shape[2] if depth is None else depth) * filters
    return *(places or sides), filters, weights + (filters if bias is None else bias)


def rounded_down(shape, filters, kernel_size, strides, padding):
    rows, columns = np.broadcast_to(strides, 2).tolist()
    places = [shape[0] // rows, shape[1] // columns] if padding == "same" else None
    return facts(shape, filters, kernel_size, strides, padding, places=places)


def swapped(shape, filters, kernel_size, strides, padding):
    kernel_size, strides = (np.broadcast_to(value, 2)[::-1] for value in (kernel_size, strides))
    return facts(shape, filters, kernel_size, strides, padding)


def keras_count():
    import keras

    layer = keras.layers.Conv2D(8, 5, strides=2)
    y = np.asarray(layer(np.zeros((1, 31, 22, 3), "float32")))
    places = y.shape[1] * y.shape[2]
    return layer.count_params(), places * int(np.size(layer.kernel)), y.nbytes


def from_torch(w, b):
    return [np.transpose(w, (2, 3, 1, 0)), b]


def from_torch_one_by_one(w, b):
    kernel = np.empty((*w.shape[2:], w.shape[1], w.shape[0]))
    for f, c, row, column in np.ndindex(w.shape):
        kernel[row, column, c, f] = w[f, c, row, column]
    return kernel, b


def reshaped(w, b):
    """The function as the chapter prints it."""
    filters, channels, height, width = w.shape
    return [w.reshape(height, width, channels, filters), b]


SAMPLES = {
    "predict": Sample(
        Later(lambda: keras_facts((33, 50, 4), 11, (3, 5), (2, 1), "same")),
        np.array([17, 50, 11, (3 * 5 * 4 + 1) * 11]),
        (None,) * 4,
        {
            "no padding": (16, 46, 11, 671),
            "strides forgotten": (33, 50, 11, 671),
            "axes swapped": (33, 25, 11, 671),
            "rounded down": (16, 50, 11, 671),
            "channels multiplied": (17, 50, 44, 671),
            "flat filter": (17, 50, 11, 3 * 5 * 11 + 11),
            "no bias": (17, 50, 11, 660),
        },
    ),
    "count": Sample(
        Later(keras_count),
        [608, 14 * 9 * 600, 14 * 9 * 8 * 4.0],
        (None,) * 3,
        {
            "flat filter": (5 * 5 * 8 + 8, 75_600, 4032),
            "no bias": (600, 75_600, 4032),
            "strides forgotten": (608, 27 * 18 * 600, 4032),
            "biases multiplied": (608, 14 * 9 * 608, 4032),
            "one filter": (608, 14 * 9 * 75, 4032),
            "numbers, not bytes": (608, 75_600, 1008),
            "bits": (608, 75_600, 4032 * 8),
        },
    ),
    "describe": Sample(
        facts,
        lambda *case: list(keras_facts(*case)),
        stub,
        {
            "flat filter": lambda *case: facts(*case, depth=1),
            "no bias": lambda *case: facts(*case, bias=0),
            "one bias": lambda *case: facts(*case, bias=1),
            "padding ignored": lambda *case: facts(*case[:4], "valid"),
            "strides ignored": lambda *case: facts(*case[:3], 1, case[4]),
            "axes swapped": swapped,
            "rounded down": rounded_down,
        },
        inputs={
            "both paddings": lambda cases: {case[4] for case in cases} == {"valid", "same"},
            "numbers and pairs": lambda cases: {type(case[i]) for case in cases for i in (2, 3)} == {int, tuple},
            "a side that the stride does not divide": lambda cases: any(
                padding == "same" and shape[0] % np.broadcast_to(strides, 2)[0]
                for shape, _, _, strides, padding in cases
            ),
        },
    ),
    "from-torch": Sample(
        from_torch,
        from_torch_one_by_one,
        stub,
        {
            "as given": reshaped,
            "filters before channels": lambda w, b: [np.moveaxis(w, (2, 3), (0, 1)), b],
            "rows and columns swapped": lambda w, b: [w.T, b],
            "flipped": lambda w, b: [from_torch(w, b)[0][::-1, ::-1], b],
        },
        inputs={
            "a shape that every wrong order keeps": lambda cases: any(
                w.shape[0] == w.shape[1] and w.shape[2] == w.shape[3] > 1 for w, _ in cases
            ),
            "four different sides": lambda cases: any(len(set(w.shape)) == 4 for w, _ in cases),
        },
    ),
}
