"""Exercises of the chapter "A first CNN, end to end"."""

import numpy as np

from cnnlib import geometry
from cnnlib.exercises._model import (
    CORRECT,
    INCORRECT,
    Exercise,
    Mistake,
    NotAttempted,
    Verdict,
    function_exercise,
    is_empty,
    learners_code,
    value_exercise,
)

SIDE, CHANNELS = 32, 3
FILTERS, KERNEL = 6, 5
UNITS, CLASSES = 128, 10

# --- 1 · predict, then run: valid instead of same -----------------------------------------------------------


def _dense_after(side):
    """Return the parameters of the dense layer after a 2x2 pooling of maps of this side."""
    return geometry.dense_params(geometry.output_size(side, 2, 2, "same") ** 2 * FILTERS, UNITS)


VALID_SIDE = geometry.output_size(SIDE, KERNEL)

predict = value_exercise(
    "first-cnn.valid",
    idea="Padding changes sizes, never a convolution's parameters; the dense layer behind pays for every pixel.",
    hints=(
        "The window stops wherever it fits into 32 pixels: how many places is that?",
        "What does a filter read: does the padding change how many weights it has?",
        "Follow the side: convolution, pooling by 2, then Flatten lines up side * side * filters numbers.",
    ),
    truth=lambda: (
        VALID_SIDE,
        geometry.conv_params(KERNEL, CHANNELS, FILTERS),
        _dense_after(VALID_SIDE),
    ),
    mistakes=(
        Mistake(
            "same size",
            "Your convolution keeps the size of the picture: without padding the border pixels get no "
            "window of their own.",
            lambda: (SIDE, None, None),
        ),
        Mistake(
            "one short",
            "Your map is one too small: n - k steps lead from the first place to the last, and both count.",
            lambda: (SIDE - KERNEL, None, None),
        ),
        Mistake(
            "one border",
            "Your output is too large: did you count both borders? The window stays inside on the left and "
            "on the right.",
            lambda: (SIDE - KERNEL // 2, None, None),
        ),
        Mistake(
            "flat filter",
            "Your filters read one colour: each is as deep as its input.",
            lambda: (None, geometry.conv_params(KERNEL, 1, FILTERS), None),
        ),
        Mistake(
            "no bias",
            "The filters' weights are right, but each filter has a bias too.",
            lambda: (None, geometry.conv_params(KERNEL, CHANNELS, FILTERS, use_bias=False), None),
        ),
        Mistake(
            "pooling forgotten",
            "Your dense layer reads the convolution's maps as they are: a pooling stands between.",
            lambda: (None, None, geometry.dense_params(VALID_SIDE**2 * FILTERS, UNITS)),
        ),
        Mistake(
            "as with same",
            "Your dense layer is the one of the original network: smaller maps give it fewer inputs.",
            lambda: (None, None, _dense_after(SIDE)),
        ),
    ),
)

# --- 2 · by hand: row by row with a wider pooling -----------------------------------------------------------

POOL = 4
POOLED_SIDE = geometry.output_size(SIDE, POOL, POOL, "same")
CONV = geometry.conv_params(KERNEL, CHANNELS, FILTERS)
NORM_TRAINABLE, NORM_MOVING = geometry.batch_norm_params(FILTERS)
LAST = geometry.dense_params(UNITS, CLASSES)


def _rows(norm=NORM_TRAINABLE + NORM_MOVING, pooled_side=POOLED_SIDE, filters=FILTERS, use_bias=True):
    """Return the parameters of convolution, batch normalisation, both dense layers, and their sum."""
    dense = geometry.dense_params(pooled_side**2 * filters, UNITS, use_bias)
    rows = (CONV, norm, dense, geometry.dense_params(UNITS, CLASSES, use_bias))
    return (*rows, sum(rows))


rows = value_exercise(
    "first-cnn.rows",
    idea="Nearly all parameters stand where the maps are flattened: a wider pooling shrinks that row alone.",
    hints=(
        "Which rows of the table does the pooling touch? Look at what each layer reads.",
        "32 pixels in steps of 4: which side do the maps have after the pooling? Flatten them.",
        "Batch normalisation keeps four numbers a channel: two are trained, two are moving averages.",
    ),
    truth=_rows,
    mistakes=(
        Mistake(
            "no moving averages",
            "You counted the trained numbers of batch normalisation: it keeps a moving mean and a moving "
            "variance of each channel as well, and summary() counts them.",
            lambda: (None, NORM_TRAINABLE, None, None, None),
        ),
        Mistake(
            "normalised pixel by pixel",
            "You gave batch normalisation numbers for every pixel: it has one set for each channel.",
            lambda: (None, (NORM_TRAINABLE + NORM_MOVING) * SIDE**2, None, None, None),
        ),
        Mistake(
            "old pooling",
            "Your first dense layer is the one behind the old pooling by 2: recompute what Flatten hands over.",
            lambda: (None, None, _rows(pooled_side=geometry.output_size(SIDE, 2, 2, "same"))[2], None, None),
        ),
        Mistake(
            "one map",
            "Your first dense layer reads a single map: Flatten lines up all six.",
            lambda: (None, None, _rows(filters=1)[2], None, None),
        ),
        Mistake(
            "no bias",
            "Your dense layers have no bias: each unit has one.",
            lambda: (None, None, _rows(use_bias=False)[2], None, None),
        ),
    ),
)

# --- 3 · write the function: accuracy -----------------------------------------------------------------------


def _accuracy(logits, labels):
    return float(np.mean(logits.argmax(axis=-1) == labels.ravel()))


def _broadcast(logits, labels):
    return float(np.mean(logits.argmax(axis=-1) == labels))


def _accuracy_cases(rng):
    cases = []
    for images, column in [(12, True), (10, False), (10, True), (40, True), (1, True)]:
        labels = rng.integers(0, CLASSES, images).astype(np.uint8)
        logits = rng.normal(size=(images, CLASSES)).astype(np.float32)
        right = rng.random(images) < 0.6
        logits[right, labels[right]] += 9  # so that about 0.6 of the pictures are right
        cases.append({"logits": logits, "labels": labels[:, None] if column else labels})
    return cases


accuracy = function_exercise(
    "first-cnn.accuracy",
    idea="The largest logit is the prediction, and shapes must agree before two arrays are compared.",
    hints=(
        "Which class does a row of ten logits speak for? argmax tells, along the right axis.",
        "Print the shape of `predictions == labels`. One comparison a picture is wanted, and no more.",
        "If it is a table, the labels still stand in a column. Bring them into the shape of your predictions first.",
    ),
    truth=_accuracy,
    cases=_accuracy_cases,
    mistakes=(
        Mistake(
            "broadcast",
            "You compared every prediction with every label: shape (N,) against (N, 1) makes an N x N table.",
            _broadcast,
        ),
        Mistake(
            "count",
            "You return how many are right: accuracy is that number divided by the number of pictures.",
            lambda logits, labels: _accuracy(logits, labels) * len(logits),
        ),
        Mistake(
            "percent",
            "You return percent: Keras's accuracy is a number from 0 to 1.",
            lambda logits, labels: 100 * _accuracy(logits, labels),
        ),
        Mistake(
            "error rate",
            "You return the share of wrong answers: accuracy is the share of right ones.",
            lambda logits, labels: 1 - _accuracy(logits, labels),
        ),
    ),
)

# --- 4 · find the bug: call without training ----------------------------------------------------------------

FROZEN = Mistake(
    "frozen",
    "After training, moving_mean is still full of zeros: fit never told the layers that this is training. "
    "How does `call` learn of it?",
)
HALF_FROZEN = Mistake(
    "dropout frozen",
    "Batch normalisation learns now, but dropout never drops: two epochs over the same pictures without a "
    "step gave the very same loss.",
)
ALWAYS_TRAINING = Mistake(
    "always training",
    "Now the layers think that every call is training: a picture's prediction changes from call to call, or "
    "with the pictures beside it.",
)
REMOVED = Mistake(
    "removed",
    "There is no batch normalisation left: leave the layers as they are and mend how they are called.",
)


def _layers(layer):
    """Yield a layer and every layer inside it."""
    yield layer
    for inner in getattr(layer, "layers", ()):
        yield from _layers(inner)


def _check_training(answer):
    """Train the learner's network a little, and look at what it does, not at how it is written."""
    import keras

    if not callable(answer) or isinstance(answer, keras.Model):
        return Verdict(INCORRECT, "Hand in the class itself, without (): the check builds a network of its own.")
    rng = np.random.default_rng(2024)
    x = rng.random((32, SIDE, SIDE, CHANNELS), np.float32)
    y = np.eye(CLASSES, dtype=np.float32)[rng.integers(0, CLASSES, len(x))]

    with learners_code("building the network and calling it once"):
        model = answer()
        output = None if is_empty(model) else model(x[:2])
    if is_empty(model) or is_empty(output):
        raise NotAttempted
    if not isinstance(model, keras.Model) or tuple(output.shape) != (2, CLASSES):
        return Verdict(INCORRECT, f"A keras.Model is expected that turns 2 pictures into shape (2, {CLASSES}).")
    norms = [layer for layer in _layers(model) if isinstance(layer, keras.layers.BatchNormalization)]
    if not any(norm.built for norm in norms):
        return REMOVED.verdict()

    # A step of size 0 leaves the weights alone. So two epochs over one and the same batch differ in their loss only
    # where dropout draws. Eager, because for three steps the compiling takes longer than the work.
    model.compile(keras.optimizers.SGD(0.0), "mse", run_eagerly=True)
    with learners_code("training the network", first=False):
        history = model.fit(x, y, batch_size=len(x), epochs=3, shuffle=False, verbose=0).history["loss"]
    if not all(np.any(np.asarray(norm.moving_mean)) for norm in norms if norm.built):
        return FROZEN.verdict()
    with learners_code("predicting with the network", first=False):
        alone, together, again = (np.asarray(model(pictures)) for pictures in (x[:4], x, x))
    if not (np.allclose(together, again, atol=1e-4) and np.allclose(alone, together[:4], atol=1e-4)):
        return ALWAYS_TRAINING.verdict()
    if max(history) - min(history) < 1e-6:
        return HALF_FROZEN.verdict()
    return Verdict(CORRECT)


training = Exercise(
    "first-cnn.training",
    idea="Keras 3 tells a model that it is training only where its `call` has an argument named `training`.",
    hints=(
        "Train the class as it is for an epoch, then print moving_mean of its batch normalisation. What was it before?",
        "Batch normalisation and dropout behave in two ways. Who tells them which one it is?",
        "Read the head of `call` and compare it with the one in the Keras guide on subclassing: an argument "
        "is missing.",
    ),
    mistakes=(FROZEN, HALF_FROZEN, ALWAYS_TRAINING, REMOVED),
    checker=_check_training,
)

EXERCISES = (predict, rows, accuracy, training)
