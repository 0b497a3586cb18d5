"""Sample answers of the chapter "From dense layers to convolution"."""

import numpy as np
from scipy import signal

from exercise_samples import Later, Sample, stub


def keras_growth():
    import keras

    dense, convolution = keras.layers.Dense(128), keras.layers.Conv2D(16, 3)
    dense.build((None, 224 * 224 * 3))
    convolution.build((None, 224, 224, 3))
    return dense.count_params(), convolution.count_params()


def one_channel(image, kernel, missing=0):
    height, width = kernel.shape
    rows, columns = image.shape[0] - height + 1 - missing, image.shape[1] - width + 1 - missing
    y = np.zeros((rows, columns))
    for row in range(rows):
        for column in range(columns):
            y[row, column] = np.sum(image[row : row + height, column : column + width] * kernel)
    return y


def broken_layer(image, w, b, missing=1, each_channel=True, use_bias=True):
    """The function as the chapter prints it; the settings mend it bit by bit."""
    height, width, channels = image.shape
    kernel_height, kernel_width, _, filters = w.shape
    rows, columns = height - kernel_height + 1 - missing, width - kernel_width + 1 - missing
    y = np.zeros((rows, columns, filters))
    for row in range(rows):
        for column in range(columns):
            window = image[row : row + kernel_height, column : column + kernel_width]
            for f in range(filters):
                for c in range(channels):
                    y[row, column, f] += np.sum(window[:, :, c] * w[:, :, c, f])
                    y[row, column, f] += b[f] if use_bias and (each_channel or c == 0) else 0
    return y


def scipy_layer(image, w, b):
    maps = [
        sum(signal.correlate2d(image[:, :, c], w[:, :, c, f], mode="valid") for c in range(w.shape[2])) + b[f]
        for f in range(w.shape[3])
    ]
    return np.stack(maps, axis=-1)


def same_size(image, kernel):
    """TensorFlow's "same": the odd zero goes to the bottom and the right."""
    (top, bottom), (left, right) = (((k - 1) // 2, k - 1 - (k - 1) // 2) for k in kernel.shape)
    return one_channel(np.pad(image, ((top, bottom), (left, right))), kernel)


SAMPLES = {
    "growth": Sample(
        Later(keras_growth),
        [224 * 224 * 3 * 128 + 128, 3 * 3 * 3 * 16 + 16],
        (None, None),
        {
            "one colour": (224 * 224 * 128 + 128, 448),
            "flat filter": (19_267_712, 3 * 3 * 16 + 16),
            "dense without bias": (224 * 224 * 3 * 128, 448),
            "filters without bias": (19_267_712, 3 * 3 * 3 * 16),
            "weights at every position": (19_267_712, 448 * 222 * 222),
        },
    ),
    "window-sum": Sample(
        (-1, 15),
        np.array([-1.0, 15.0]),
        ...,
        {
            "swapped": (15, -1),
            "no bias": (-4, 12),
            "nine biases": (23, 39),
            "never turned": (-1, -1),
            "mirrored once": (-1, 16),
        },
    ),
    "one-channel": Sample(
        one_channel,
        lambda image, kernel: signal.correlate2d(image, kernel, mode="valid").tolist(),
        stub,
        {
            "flipped": lambda image, kernel: signal.convolve2d(image, kernel, mode="valid"),
            "one short": lambda image, kernel: one_channel(image, kernel, missing=1),
            "same size": same_size,
            "kernel unused": lambda image, kernel: one_channel(image, np.ones(kernel.shape)),
        },
        near_misses=[(lambda image, kernel: np.zeros((2, 7)), "is (2, 7) and should be (4, 4)")],
        inputs={
            "five cases": lambda cases: len(cases) >= 5,
            "no case twice": lambda cases: len({(image.shape, kernel.shape) for image, kernel in cases}) == len(cases),
            "a single window": lambda cases: any(image.shape == kernel.shape for image, kernel in cases),
            "a kernel of one cell": lambda cases: any(kernel.shape == (1, 1) for _, kernel in cases),
            "a rectangle": lambda cases: any(image.shape[0] != image.shape[1] for image, _ in cases),
            "a photo's uint8": lambda cases: any(image.dtype == np.uint8 for image, _ in cases),
        },
    ),
    "find-the-bug": Sample(
        lambda image, w, b: broken_layer(image, w, b, missing=0, each_channel=False),
        scipy_layer,
        stub,
        {
            "as given": broken_layer,
            "one short": lambda image, w, b: broken_layer(image, w, b, each_channel=False),
            "bias for each channel": lambda image, w, b: broken_layer(image, w, b, missing=0),
            "no bias": lambda image, w, b: broken_layer(image, w, b, missing=0, use_bias=False),
        },
    ),
}
