"""Sample answers of the chapter "Padding and stride"."""

import math

import numpy as np

from exercise_samples import Later, Sample, stub


def keras_layers():
    from keras import layers

    return [
        layers.Conv2D(6, 5, strides=3),
        layers.Conv2D(6, 5, strides=3, padding="same"),
        layers.Conv2D(6, 3, dilation_rate=4),
        layers.Conv2DTranspose(6, 5, strides=3),
    ]


def keras_sizes():
    return tuple(layer.compute_output_shape((None, 50, 50, 1))[1] for layer in keras_layers())


def measured_sizes():
    return [layer(np.zeros((1, 50, 50, 1), "float32")).shape[2] for layer in keras_layers()]


def row_outputs(row, weights=(2, -1, 3)):
    return [int(np.dot(row[start : start + 3], weights)) for start in range(0, len(row) - 2, 2)]


def keras_odd_zero():
    """Keras's "same", and its ZeroPadding with "valid": PyTorch's padding=1."""
    import keras

    row = np.array([4, 1, 0, 3, 2, 6], "float32").reshape(1, 6, 1)
    w = np.array([2, -1, 3], "float32").reshape(3, 1, 1)
    same = keras.ops.conv(row, w, strides=2, padding="same")
    both = keras.ops.conv(keras.layers.ZeroPadding1D(1)(row), w, strides=2)
    return tuple(float(y) for y in np.concatenate([np.ravel(same), np.ravel(both)]))


KERAS_ROW, PYTORCH_ROW = [4, 1, 0, 3, 2, 6, 0], [0, 4, 1, 0, 3, 2, 6, 0]


def zeros_for_same(n, kernel_size, strides, dilation_rate, lowest=0):
    spans = dilation_rate * (kernel_size - 1) + 1
    total = max((math.ceil(n / strides) - 1) * strides + spans - n, lowest)
    return total // 2, total - total // 2


def zeros_by_counting(n, kernel_size, strides, dilation_rate):
    """Another way: put zeros around, after first, until there are as many outputs as `same` has."""
    before = after = 0
    while (n + before + after - dilation_rate * (kernel_size - 1) - 1) // strides + 1 < -(-n // strides):
        before, after = (before, after + 1) if before == after else (before + 1, after)
    return [before, after]


def transposed(image, kernel, strides, spare=0, add=True):
    height, width = kernel.shape
    rows = (image.shape[0] - 1) * strides + height + spare
    columns = (image.shape[1] - 1) * strides + width + spare
    y = np.zeros((rows, columns))
    for row in range(image.shape[0]):
        for column in range(image.shape[1]):
            window = y[row * strides :, column * strides :][:height, :width]
            window[...] = image[row, column] * kernel + (window if add else 0)
    return y


def keras_transposed(image, kernel, strides):
    import keras

    x, w = image[None, :, :, None].astype("float32"), kernel[:, :, None, None].astype("float32")
    return np.asarray(keras.ops.conv_transpose(x, w, strides=strides))[0, :, :, 0]


SAMPLES = {
    "sizes": Sample(
        Later(keras_sizes),
        Later(measured_sizes),
        (None,) * 4,
        {
            "same rounded down": (16, 16, 42, 152),
            "first window forgotten": (15, 17, 42, 152),
            "gaps ignored": (16, 17, 48, 152),
            "a gap too many": (16, 17, 39, 152),
            "transposed as same": (16, 17, 42, 150),
            "a step too many": (16, 17, 42, 155),
        },
    ),
    "odd-zero": Sample(
        Later(keras_odd_zero),
        np.array(row_outputs(KERAS_ROW) + row_outputs(PYTORCH_ROW)),
        (None,) * 6,
        {
            "swapped": row_outputs(PYTORCH_ROW) + row_outputs(KERAS_ROW),
            "zero in front": row_outputs(PYTORCH_ROW) * 2,
            "never in front": row_outputs(KERAS_ROW) * 2,
            "last cell repeated": row_outputs([4, 1, 0, 3, 2, 6, 6]) + row_outputs([4, 4, 1, 0, 3, 2, 6, 6]),
            "turned": row_outputs(KERAS_ROW, (3, -1, 2)) + row_outputs(PYTORCH_ROW, (3, -1, 2)),
        },
        more=[(row_outputs(KERAS_ROW), row_outputs(PYTORCH_ROW))],
    ),
    "zeros": Sample(
        zeros_for_same,
        zeros_by_counting,
        stub,
        {
            "odd zero in front": lambda *case: zeros_for_same(*case)[::-1],
            "both sides alike": lambda *case: (zeros_for_same(*case)[0],) * 2,
            "stride ignored": lambda n, k, s, d: zeros_for_same(n, k, 1, d),
            "negative zeros": lambda *case: zeros_for_same(*case, lowest=-math.inf),
            "gaps ignored": lambda n, k, s, d: zeros_for_same(n, k, s, 1),
        },
        inputs={
            "an odd total": lambda cases: any(sum(zeros_for_same(*case)) % 2 for case in cases),
            "a stride above the kernel": lambda cases: any(s > k for _, k, s, _ in cases),
            "a dilation": lambda cases: any(d > 1 for *_, d in cases),
            "a kernel above the input": lambda cases: any(k > n for n, k, _, _ in cases),
        },
    ),
    "find-the-bug": Sample(
        transposed,
        keras_transposed,
        stub,
        {
            "as given": lambda image, kernel, s: transposed(image, kernel, s, spare=s, add=False),
            "too long": lambda image, kernel, s: transposed(image, kernel, s, spare=s),
            "overwritten": lambda image, kernel, s: transposed(image, kernel, s, add=False),
            "cut off": lambda image, kernel, s: transposed(image, kernel, s)[: len(image) * s, : image.shape[1] * s],
        },
        inputs={
            "no stride above the kernel, as the chapter promises": lambda cases: all(
                min(kernel.shape) >= strides for _, kernel, strides in cases
            ),
            "stamps that overlap": lambda cases: any(min(kernel.shape) > strides for _, kernel, strides in cases),
            "stamps that only touch": lambda cases: any(min(kernel.shape) == strides for _, kernel, strides in cases),
            "one pixel": lambda cases: any(image.shape == (1, 1) for image, *_ in cases),
        },
    ),
}
