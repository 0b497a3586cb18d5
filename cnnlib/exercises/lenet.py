"""Exercises of the chapter "LeNet"."""

import math

import numpy as np

from cnnlib import geometry, reference
from cnnlib.exercises._model import (
    CORRECT,
    INCORRECT,
    Exercise,
    Mistake,
    NotAttempted,
    Verdict,
    is_empty,
    learners_code,
    value_exercise,
)

# --- 1 · predict, then run: where a net of sigmoids stalls --------------------------------------------------

SHARES = (1 / 2, 1 / 6, 1 / 6, 1 / 6)  # of four classes among the training pictures
DEPTH = 6  # layers with a sigmoid


def _entropy(shares):
    """Return the lowest cross-entropy of an answer that does not look at the picture."""
    return -sum(share * math.log(share) for share in shares)


EQUAL = _entropy((1 / 4,) * 4)

plateau = value_exercise(
    "lenet.plateau",
    idea="A net that cannot tell its pictures apart can still learn how frequent each class is, and no more.",
    hints=(
        "The net gives every picture the same probabilities. Which are the best ones, if it knows how frequent each "
        "class is?",
        "Cross-entropy is a mean over the pictures of -ln p of the true class: weigh each class's term by its share.",
        "For the third number: how steep is a sigmoid at its steepest place? A gradient passes six of them, one after "
        "the other.",
    ),
    truth=lambda: (EQUAL, _entropy(SHARES), 0.25**DEPTH),
    mistakes=(
        Mistake(
            "ten classes",
            "Your first number is for ten classes: here are four.",
            lambda: (math.log(10), None, None),
        ),
        Mistake(
            "base two",
            "You took the logarithm to base 2: Keras's cross-entropy is in natural logarithms.",
            lambda: (EQUAL / math.log(2), None, None),
        ),
        Mistake(
            "probability",
            "That is a probability. The loss is minus its logarithm.",
            lambda: (1 / 4, None, None),
        ),
        Mistake(
            "as if equal",
            "Your second loss is the one of equal classes: a net that knows which class is frequent can do better, "
            "without looking at a picture.",
            lambda: (EQUAL, EQUAL, None),
        ),
        Mistake(
            "only the frequent class",
            "Your second loss counts the frequent class alone: the pictures of the other three are in the mean as well.",
            lambda: (EQUAL, math.log(2), None),
        ),
        Mistake(
            "unweighted",
            "In your second loss every class counts the same: half of the pictures are of one class.",
            lambda: (EQUAL, -sum(math.log(share) for share in SHARES) / len(SHARES), None),
        ),
        Mistake(
            "slopes added",
            "Both losses are right. Slopes of layers that follow each other are multiplied, not added.",
            lambda: (EQUAL, _entropy(SHARES), 0.25 * DEPTH),
        ),
        Mistake(
            "one slope",
            "Both losses are right. Your slope is the one of a single layer.",
            lambda: (EQUAL, _entropy(SHARES), 0.25),
        ),
    ),
    rtol=0.02,
)

# --- 2 · by hand: LeNet for pictures of 28 x 28 -------------------------------------------------------------

FILTERS, UNITS = (6, 16), (120, 84, 10)
SIDE, CHANNELS = 28, 1


def _rows(side=SIDE, channels=CHANNELS, paddings=("valid", "valid"), use_bias=True, maps=None):
    """Return (first convolution, first dense layer, all) in parameters."""
    params = []
    for filters, padding in zip(FILTERS, paddings, strict=True):
        params.append(geometry.conv_params(5, channels, filters, use_bias))
        side, channels = geometry.output_size(geometry.output_size(side, 5, 1, padding), 2, 2), filters
    inputs = side**2 * (maps or channels)
    for units in UNITS:
        params.append(geometry.dense_params(inputs, units, use_bias))
        inputs = units
    return params[0], params[2], sum(params)


def _answer(same_first=None, **changes):
    """Return (convolution, all with "same" in the first one, dense layer without, all without)."""
    padded = _rows(paddings=same_first or ("same", "valid"), **changes)
    plain = _rows(**changes)
    return padded[0], padded[2], plain[1], plain[2]


digits = value_exercise(
    "lenet.digits",
    idea="Two borders of padding decide how many numbers reach the first dense layer, and that layer is most of the net.",
    hints=(
        "Follow the side first: convolution, pooling, convolution, pooling. Then count what Flatten lines up.",
        "Which layers see that the pictures are grey? Which ones see that the border has changed?",
        "The last two dense layers read 120 and 84 numbers in both nets: their rows are the chapter's.",
    ),
    truth=_answer,
    mistakes=(
        Mistake(
            "colour",
            "Your first convolution reads three colours: these pictures are grey.",
            lambda: (_answer(channels=3)[0], None, None, None),
        ),
        Mistake(
            "no bias",
            "Your layers have no bias: each filter and each unit has one.",
            lambda: (_answer(use_bias=False)[0], None, None, None),
        ),
        Mistake(
            "same twice",
            "In your first net both convolutions are padded: only the first one is.",
            lambda: (_answer()[0], _answer(("same", "same"))[1], None, None),
        ),
        Mistake(
            "as for 32",
            "Your dense layer without padding is the one behind pictures of 32: follow the sides again, starting lower.",
            lambda: (None, None, _rows(side=32)[1], None),
        ),
        Mistake(
            "one map",
            "Your dense layer reads a single map: Flatten lines up all of the second convolution's.",
            lambda: (None, None, _rows(maps=1)[1], None),
        ),
        Mistake(
            "one pooling",
            "Your dense layer reads maps that were not pooled a second time.",
            lambda: (None, None, geometry.dense_params(8 * 8 * 16, 120), None),
        ),
    ),
)

# --- what exercises 3 and 4 share: a net is judged by what it computes, with weights that are put into it ----


def _squash(a):
    return 1.7159 * np.tanh(2 * a / 3)


def _same(a):
    return a


def _average(x):
    return reference.average_pool(x, 2)


def _largest(x):
    return reference.max_pool(x, 2)


def _lenet(x, weights, conv=_squash, dense=None, last=_same, pool=_average, strided=True, late=False, scale=1):
    """Return LeNet's logits in NumPy. weights: {shape of a kernel or bias: array}; strided False pools by steps of 1; late: activation last."""
    x = x * scale
    dense = dense or conv
    step = pool if strided else lambda maps: reference.max_pool(maps, 2, 1)
    for channels, filters in ((x.shape[-1], 6), (6, 16)):
        x = reference.conv2d(x, weights[(5, 5, channels, filters)], weights[(filters,)])
        x = conv(step(x)) if late else step(conv(x))
    x = x.reshape(len(x), -1)
    for units, curve in zip(UNITS, (dense, dense, last), strict=True):
        x = curve(x @ weights[(x.shape[1], units)] + weights[(units,)])
    return x


def _drawn_weights(model, x, strided=True):
    """Put drawn numbers into a model's weights; return them as `_lenet` wants them for x, or a Verdict on other layers.

    A kernel of a convolution is there twice, as a dense layer's too: over a map of its own size it computes the same.
    """
    rng = np.random.default_rng(5)
    new = []
    for w in model.get_weights():
        inputs = math.prod(w.shape[:-1]) if w.ndim > 1 else 1
        new.append(rng.normal(0, (2 / inputs) ** 0.5 if w.ndim > 1 else 0.3, w.shape).astype("float32"))
    model.set_weights(new)
    flat = {(math.prod(w.shape[:-1]), w.shape[-1]): w.reshape(-1, w.shape[-1]) for w in new if w.ndim == 4}
    weights = flat | {w.shape: w for w in new}
    try:
        _lenet(x, weights, strided=strided)
    except KeyError as missing:
        return Verdict(
            INCORRECT,
            "Your layers are not LeNet's, although the number of parameters does not show it: none of them has a "
            f"kernel or bias of shape {missing}. Compare kernels, filters, biases and units with the chapter's net.",
        )
    return weights


def _outputs(model, x):
    with learners_code("calling the model on pictures", first=False):
        return np.asarray(model(x))


def _agree(ours, theirs):
    return ours.shape == theirs.shape and np.allclose(ours, theirs, rtol=0.01, atol=0.01 * max(ours.std(), 1e-3))


def _model_of(answer, *arguments):
    """Return the learner's model, or a Verdict on what is not one. Raises NotAttempted for a stub."""
    import keras

    if not callable(answer) or isinstance(answer, keras.Model):
        return Verdict(INCORRECT, "Hand in the function itself: its name, without quotes and without ().")
    with learners_code(f"called with {arguments}" if arguments else "called without arguments"):
        given = answer(*arguments)
    if is_empty(given):
        raise NotAttempted
    if not isinstance(given, keras.Model):
        return Verdict(INCORRECT, "A Keras model is expected: does your function return what keras.Model makes?")
    if not given.built:
        return Verdict(INCORRECT, "Your model is not built: begin it with keras.Input.")
    return given


def _verdict(model, x, right, wrongs):
    """Compare with the right net, then with each wrong one: [(Mistake, how _lenet is changed), ...]."""
    weights = _drawn_weights(model, x)
    if isinstance(weights, Verdict):
        return weights
    theirs = _outputs(model, x)
    if _agree(_lenet(x, weights, **right), theirs):
        return Verdict(CORRECT)
    for mistake, changes in wrongs:
        if _agree(_lenet(x, weights, **{**right, **changes}), theirs):
            return mistake.verdict()
    return Verdict(
        INCORRECT,
        "Shapes and parameters are right. But with numbers of our own in all weights, other logits come out: "
        "compare activations and poolings with what is asked for, layer by layer.",
    )


# --- 3 · write the function: closer to the paper ------------------------------------------------------------

COLOUR = Mistake(
    "colour", "Your net reads pictures with another number of channels: grey ones of 32 x 32 are asked for."
)
PLAIN_TANH = Mistake(
    "plain tanh", "Your net uses tanh as it is: the paper stretches it, along its input and along its output."
)
NO_INNER = Mistake(
    "inner factor", "Your activation is stretched along its output only: what happens to the sum before?"
)
NO_OUTER = Mistake("outer factor", "Your activation squeezes its input, but its output still ends at -1 and 1.")
SWAPPED = Mistake(
    "factors swapped", "Your two factors have changed places: one belongs inside tanh, the other outside."
)
SIGMOID = Mistake("sigmoid", "Your activation is the sigmoid of the notes, not the paper's.")
LATE = Mistake(
    "behind the poolings",
    "Your first activations stand behind the poolings: they belong right behind the convolutions.",
)
RESCALED = Mistake("rescaled", "Your net divides its pictures by 255: these are scaled already.")
MAX_POOL = Mistake("max pooling", "Your net pools by the largest number: the mean is asked for.")
SQUASHED_LOGITS = Mistake("logits squashed", "Your last layer has an activation: logits are plain sums.")
LINEAR_CONV = Mistake("convolutions without activation", "Your convolutions have no activation.")
LINEAR_DENSE = Mistake("dense layers without activation", "Your hidden dense layers have no activation.")

PAPER_PARAMS = _rows(side=32)[2]


def _check_paper(answer):
    model = _model_of(answer)
    if isinstance(model, Verdict):
        return model
    shapes = model.input_shape, model.output_shape
    if shapes != ((None, 32, 32, 1), (None, 10)):
        if shapes[0] != (None, 32, 32, 1):
            return COLOUR.verdict()
        return Verdict(INCORRECT, "Ten numbers a picture are expected at the end of your net.")
    if model.count_params() != PAPER_PARAMS:
        return Verdict(
            INCORRECT,
            "The number of parameters is not that of this LeNet for grey pictures: compare kernel sizes, filters, "
            "padding and units with the chapter's net.",
        )
    x = np.random.default_rng(8).normal(size=(6, 32, 32, 1)).astype("float32")
    return _verdict(
        model,
        x,
        {},
        [
            (PLAIN_TANH, {"conv": np.tanh}),
            (NO_INNER, {"conv": lambda a: 1.7159 * np.tanh(a)}),
            (NO_OUTER, {"conv": lambda a: np.tanh(2 * a / 3)}),
            (SWAPPED, {"conv": lambda a: 2 / 3 * np.tanh(1.7159 * a)}),
            (SIGMOID, {"conv": reference.sigmoid}),
            (LATE, {"late": True}),
            (RESCALED, {"scale": 1 / 255}),
            (MAX_POOL, {"pool": _largest}),
            (SQUASHED_LOGITS, {"last": _squash}),
            (LINEAR_CONV, {"conv": _same, "dense": _squash}),
            (LINEAR_DENSE, {"conv": _squash, "dense": _same}),
        ],
    )


paper = Exercise(
    "lenet.paper",
    idea="An activation is a plain function of the sums, and Keras takes any function in its place.",
    hints=(
        "Write the activation first, as a function of the sums, with keras.ops.tanh. At 1 it gives 1, nearly.",
        "Keras takes the function itself: activation=squash, without quotes and without ().",
        "Then it is the chapter's net with another Input, another pooling layer and this activation, and no Rescaling.",
    ),
    mistakes=(
        COLOUR,
        PLAIN_TANH,
        NO_INNER,
        NO_OUTER,
        SWAPPED,
        SIGMOID,
        LATE,
        RESCALED,
        MAX_POOL,
        SQUASHED_LOGITS,
        LINEAR_CONV,
        LINEAR_DENSE,
    ),
    checker=_check_paper,
)

# --- 4 · find the bug: a loop that went one layer too far ---------------------------------------------------

AS_GIVEN = Mistake(
    "as given",
    "Both bugs are still there: one can be seen in the table of shapes, the other one in what the last layer can put out.",
)
STEPS_OF_ONE = Mistake("steps of one", "The last layer is mended. Now compare your shapes and parameters with LeNet's.")
SQUEEZED = Mistake(
    "logits squeezed",
    "The shapes are right now. Feed any pictures in, and look at the smallest and the largest logit: what keeps them there?",
)
NO_ACTIVATION = Mistake(
    "hidden layers laid bare",
    "You have taken the activation from the hidden dense layers as well: without it, three dense layers are worth one.",
)
SOFTMAX = Mistake(
    "softmax",
    "Your last layer ends in a softmax: the loss of this course expects logits and takes the softmax itself.",
)
UNSCALED = Mistake("unscaled", "Your net no longer brings the pixels to 0 to 1.")
FIXED = Mistake("argument ignored", "Your net does not follow its argument: another activation was asked for.")

LENET_PARAMS = _rows(side=32, channels=3)[2]
SLOW_PARAMS = LENET_PARAMS + (22 * 22 - 5 * 5) * 16 * 120  # a map of 22 x 22 is flattened, not one of 5 x 5


def _check_mended(answer):
    for number, (name, curve) in enumerate((("sigmoid", reference.sigmoid), ("tanh", np.tanh))):
        model = _model_of(answer, name)
        if isinstance(model, Verdict):
            return model
        x = np.random.default_rng(9).integers(0, 256, (6, 32, 32, 3)).astype("float32")
        params = model.count_params()
        if params not in (LENET_PARAMS, SLOW_PARAMS) or model.input_shape != (None, 32, 32, 3):
            return Verdict(
                INCORRECT, "Layers, filters and units were right in the net as given: change as little as you can."
            )
        slow = params == SLOW_PARAMS
        weights = _drawn_weights(model, x, strided=not slow)
        if isinstance(weights, Verdict):
            return weights
        theirs = _outputs(model, x)

        def like(x=x, weights=weights, theirs=theirs, slow=slow, **changes):
            return _agree(_lenet(x, weights, pool=_largest, strided=not slow, **changes), theirs)

        small = x / np.float32(255)
        if like(small, conv=curve):
            if slow:
                return STEPS_OF_ONE.verdict()
            continue
        if number:
            return FIXED.verdict()
        if like(small, conv=curve, last=curve):
            return (AS_GIVEN if slow else SQUEEZED).verdict()
        for mistake, changes in ((NO_ACTIVATION, {"dense": _same}), (SOFTMAX, {"last": reference.softmax})):
            if like(small, conv=curve, **changes):
                return mistake.verdict()
        if like(conv=curve):
            return UNSCALED.verdict()
        return Verdict(INCORRECT, "With numbers of our own in all weights, other logits come out than LeNet's.")
    return Verdict(CORRECT)


mended = Exercise(
    "lenet.find-the-bug",
    idea="Logits need room on both sides of zero: an activation on the last layer puts a floor under the loss.",
    hints=(
        "Call summarize on the net as given and compare each row with the chapter's table.",
        "Feed in some pictures and print the smallest and the largest output. What could the loss be at its best?",
        "One bug is a setting of a layer. The other one is a loop that treats the last layer like those before it.",
    ),
    mistakes=(AS_GIVEN, STEPS_OF_ONE, SQUEEZED, NO_ACTIVATION, SOFTMAX, UNSCALED, FIXED),
    checker=_check_mended,
)

EXERCISES = (plateau, digits, paper, mended)
