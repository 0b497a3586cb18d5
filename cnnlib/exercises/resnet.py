"""Exercises of the chapter "ResNet"."""

import numpy as np

from cnnlib import geometry
from cnnlib.exercises._model import (
    INCORRECT,
    Exercise,
    Mistake,
    Verdict,
    check_models,
    function_exercise,
    value_exercise,
)


def _conv(channels, filters, side=3, bias=False, norm=4):
    """Return the parameters of a convolution and of the normalisation behind it, ``norm`` numbers a filter."""
    return geometry.conv_params(side, channels, filters, use_bias=bias) + norm * filters


def _stage(
    channels, filters, blocks, strides, option, *, bias=False, norm=4, skip_norm=4, needed=None, reads=None, of=None
):
    """Return the parameters of a stage of residual blocks; the settings behind the star are for typical mistakes."""
    total = 0
    for block in range(blocks):
        c, s = (channels, strides) if not block else (reads or filters, 1)
        total += _conv(c, filters, bias=bias, norm=norm) + _conv(filters, filters, bias=bias, norm=norm)
        changed = s != 1 or c != filters if needed is None else needed(c, filters, s)
        kind = of or option
        if kind == "C" or (kind == "B" and changed):
            total += _conv(c, filters, 1, bias=bias, norm=min(norm, skip_norm))
    return total


# --- 1 · predict, then run: the same plan with more blocks --------------------------------------------------

BLOCKS, WIDTHS, CLASSES = (3, 4, 6, 3), (64, 128, 256, 512), 10


def _net(blocks, **changes):
    channels, total = WIDTHS[0], _conv(3, WIDTHS[0], norm=changes.get("norm", 4))
    for stage, (count, filters) in enumerate(zip(blocks, WIDTHS, strict=True)):
        total += _stage(channels, filters, count, 2 if stage else 1, "B", **changes)
        channels = filters
    return total + geometry.dense_params(channels, CLASSES)


def _deeper():
    """Return (layers with weights on the longest way, convolutions in all, parameters)."""
    on_the_way = 1 + 2 * sum(BLOCKS)
    return on_the_way + 1, on_the_way + len(BLOCKS) - 1, _net(BLOCKS)


deeper = value_exercise(
    "resnet.deeper",
    idea="More blocks of the same kind make a net deeper; only the first block of a later stage needs a convolution on its skip.",
    hints=(
        "Count the convolutions in one block, then the blocks. What stands before the first and behind the last block?",
        "Only a block that halves the maps and doubles the filters has a third convolution. How many such blocks are there?",
        "The new blocks change no shape. Take the parameters of such a block from the table of ResNet18, stage by stage, and "
        "add them to its total.",
    ),
    truth=_deeper,
    mistakes=(
        Mistake(
            "skips on the way",
            "You counted the convolutions of the skips as steps of the longest way: they stand beside it.",
            lambda: (_deeper()[0] + len(BLOCKS) - 1, None, None),
        ),
        Mistake(
            "blocks as layers",
            "You counted each block as one layer. The list says how many blocks a stage has.",
            lambda: (sum(BLOCKS) + 2, None, None),
        ),
        Mistake(
            "ends forgotten",
            "You counted the blocks only: a convolution stands before them and a dense layer behind them.",
            lambda: (2 * sum(BLOCKS), None, None),
        ),
        Mistake(
            "skips forgotten",
            "You counted the convolutions of the longest way: some skips have one too.",
            lambda: (None, _deeper()[1] - len(BLOCKS) + 1, None),
        ),
        Mistake(
            "a skip convolution in every block",
            "You gave each block a convolution on its skip: where no shape changes, the skip is the input itself.",
            lambda: (None, 1 + 3 * sum(BLOCKS), None),
        ),
        Mistake(
            "normalisation forgotten",
            "Your parameters are those of the convolutions and the dense layer: batch normalisation keeps four numbers a map.",
            lambda: (None, None, _net(BLOCKS, norm=0)),
        ),
        Mistake(
            "half of the normalisation",
            "You counted gamma and beta: the moving mean and variance are parameters too, though they are not trained.",
            lambda: (None, None, _net(BLOCKS, norm=2)),
        ),
        Mistake(
            "every block changes",
            "Your new blocks have a convolution on the skip: they change no shape, so they need none.",
            lambda: (None, None, _net(BLOCKS, of="C") - _conv(64, 64, 1)),
        ),
    ),
)

# --- 2 · by hand: one number through a block, and the gradient back ------------------------------------------

X, W1, W2, IN_A_ROW = 8.0, 0.25, -0.6, 3


def _scalar():
    """Return (F(x), the block's output, its slope, the output without the skip, the slope of three blocks)."""
    inner = max(W1 * X, 0.0)
    y, slope = X, 1.0
    for _ in range(IN_A_ROW):
        y, slope = max(y + W2 * max(W1 * y, 0.0), 0.0), slope * (1 + W1 * W2)
    return W2 * inner, max(X + W2 * inner, 0.0), 1 + W1 * W2, max(W2 * inner, 0.0), slope


scalar = value_exercise(
    "resnet.one-number",
    idea="The skip adds 1 to the slope of a block. So a small F changes little on the way there and on the way back.",
    hints=(
        "Go through the block from the inside: first the product with the first weight, then ReLU, then the second weight.",
        "The slope of a sum is the sum of the slopes. What is the slope of x itself? And is the last ReLU open or closed here?",
        "In a row, slopes multiply. Check for each of the blocks whether its ReLUs are open.",
    ),
    truth=_scalar,
    rtol=5e-3,  # three digits will do
    mistakes=(
        Mistake(
            "ReLU on F",
            "You put a ReLU behind the second weight: it stands behind the sum, so F itself may be negative.",
            lambda: (0.0, None, None, None, None),
        ),
        Mistake(
            "nothing added",
            "Your output has lost the input: the block adds x before its last ReLU.",
            lambda: (None, max(_scalar()[0], 0.0), None, None, None),
        ),
        Mistake(
            "ReLU before the sum",
            "You cut F off at 0 before you added x: the last ReLU comes after the sum.",
            lambda: (None, X + max(_scalar()[0], 0.0), None, None, None),
        ),
        Mistake(
            "slope of F",
            "Your slope is that of F alone: x is added, and x has a slope too.",
            lambda: (None, None, W1 * W2, None, None),
        ),
        Mistake(
            "plain without ReLU",
            "Without the skip the last ReLU is still there.",
            lambda: (None, None, None, _scalar()[0], None),
        ),
        Mistake(
            "slopes added",
            "You added the slopes of the blocks: of functions one behind the other they multiply.",
            lambda: (None, None, None, None, IN_A_ROW * _scalar()[2]),
        ),
        Mistake(
            "slopes of F multiplied",
            "For the blocks in a row you multiplied the slopes of F: each block has its skip.",
            lambda: (None, None, None, None, (W1 * W2) ** IN_A_ROW),
        ),
    ),
)

# --- 3 · write the function: the parameters of a stage ------------------------------------------------------


def _stage_cases(rng):
    settings = [
        (64, 128, 2, 2, "B"),
        (64, 64, 2, 1, "B"),
        (16, 32, 3, 2, "A"),
        (16, 16, 3, 1, "C"),
        (24, 24, 2, 2, "B"),
        (10, 14, 2, 1, "B"),
        (12, 24, 3, 2, "C"),
        (5, 7, 1, 2, "A"),
    ]
    names = ("channels", "filters", "blocks", "strides", "option")
    return [dict(zip(names, case, strict=True)) for case in settings]


stage = function_exercise(
    "resnet.stage",
    idea="A skip is free as long as no shape changes. Two tests tell: the strides, and the channels that come in.",
    hints=(
        "Begin with one block and option A: two convolutions without biases, and behind each a normalisation with four "
        "numbers a filter. How many channels does each of the two read?",
        "Only the first block reads the stage's input and has its strides. The others read what the block before them made.",
        "The skip's convolution has a window of one cell, and a normalisation of its own. With B it stands where the size or the "
        "depth changes, with C in every block.",
    ),
    truth=_stage,
    cases=_stage_cases,
    mistakes=(
        Mistake(
            "biases counted",
            "Your convolutions have biases: the normalisation behind each makes them needless, so they were left out.",
            lambda *case: _stage(*case, bias=True),
        ),
        Mistake(
            "normalisation forgotten",
            "You counted the convolutions only: a normalisation stands behind each.",
            lambda *case: _stage(*case, norm=0),
        ),
        Mistake(
            "half of the normalisation",
            "Your normalisations have two numbers a filter: the moving averages are parameters too.",
            lambda *case: _stage(*case, norm=2),
        ),
        Mistake(
            "skip without normalisation",
            "Your skips have a convolution without a normalisation behind it.",
            lambda *case: _stage(*case, skip_norm=0),
        ),
        Mistake(
            "B like C",
            "With option B you put a convolution on every skip: a skip that fits needs none.",
            lambda *case: _stage(*case, needed=lambda c, filters, s: True),
        ),
        Mistake(
            "strides overlooked",
            "With B you look at the channels only: a skip whose size changes does not fit either.",
            lambda *case: _stage(*case, needed=lambda c, filters, s: c != filters),
        ),
        Mistake(
            "depth overlooked",
            "With B you look at the strides only: a skip whose depth changes does not fit either.",
            lambda *case: _stage(*case, needed=lambda c, filters, s: s != 1),
        ),
        Mistake(
            "always the stage's input",
            "All your blocks read the stage's input: from the second on they read what the block before them put out.",
            lambda *case: _stage(*case, reads=case[0]),
        ),
        Mistake(
            "option ignored",
            "You count every stage as if its option were B: zeros have no weights, and C is dearer.",
            lambda *case: _stage(*case, of="B"),
        ),
    ),
)

# --- 4 · find the bug: a block that bends the wrong way ------------------------------------------------------

# Shape of the input, filters, strides: size and depth change, nothing changes, only the size does.
CASES = (
    {"shape": (8, 10, 4), "filters": 6, "strides": 2},
    {"shape": (7, 6, 5), "filters": 5, "strides": 1},
    {"shape": (9, 8, 3), "filters": 3, "strides": 2},
)

EARLY = Mistake(
    "ReLU before the sum",
    "Its shape is right, but a ReLU still stands in front of the sum: your block can only add to x, never take away.",
)
OPEN = Mistake(
    "no ReLU behind the sum",
    "Its shape is right, but nothing bends your sum any more: the block ends in a ReLU.",
)
NO_WAY_PAST = Mistake(
    "no way past",
    "It builds, but nothing leads past the two convolutions: the 1 x 1 on your skip reads what they have made. From where should "
    "a skip start?",
)
STRIDE_LOST = Mistake(
    "stride lost",
    "The two ways fit together now because neither makes the map smaller: with strides of 2 the output has half the side.",
)


def _check_block(answer):
    """Build the learner's block at several shapes and compare what it computes, with weights that we set."""
    return check_models(answer, CASES, "end of the block", _block_problem)


def _block_problem(model, shape, filters, strides):
    import keras

    height, width, channels = shape
    if strides > 1 and tuple(model.output_shape) == (None, height, width, filters):
        return STRIDE_LOST.verdict()
    if tuple(model.output_shape) != (None, -(-height // strides), -(-width // strides), filters):
        return Verdict(
            INCORRECT,
            "The height and width of your output do not follow from the strides, or its depth is not `filters`.",
        )
    convolutions = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]
    kernels = sorted(tuple(layer.kernel.shape) for layer in convolutions)
    wanted = [(3, 3, channels, filters), (3, 3, filters, filters)]
    if strides != 1 or channels != filters:
        wanted.append((1, 1, channels, filters))
        if kernels == sorted([*wanted[:2], (1, 1, filters, filters)]) != sorted(wanted):
            return NO_WAY_PAST.verdict()
    if kernels != sorted(wanted):
        return Verdict(
            INCORRECT,
            "Your block has other convolutions than two of 3 x 3, and one of 1 x 1 on the skip where the shape changes and only there.",
        )
    norms = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    if len(norms) != len(convolutions):
        return Verdict(INCORRECT, "Behind each convolution of the listing stands a batch normalisation of its own.")
    rng = np.random.default_rng(2024)
    weights = {kernel: rng.normal(size=kernel).astype("float32") / 4 for kernel in sorted(set(wanted))}
    for layer in convolutions:
        layer.set_weights([weights[tuple(layer.kernel.shape)], *(np.zeros(w.shape) for w in layer.weights[1:])])
    x = rng.normal(size=(2, *shape)).astype("float32")
    f, skip, skip_of_f = _ways(x, weights, channels, filters, strides)
    maps = np.asarray(model(x, training=False))

    def computes(values):
        return np.allclose(maps, values, rtol=1e-2, atol=1e-2)

    if computes(np.maximum(f + skip, 0)):
        return None
    if any(map(computes, (np.maximum(f, 0) + skip, np.maximum(np.maximum(f, 0) + skip, 0)))):
        return EARLY.verdict()
    if computes(f + skip):
        return OPEN.verdict()
    if skip_of_f is not None and any(computes(np.maximum(way + skip_of_f(way), 0)) for way in (f, np.maximum(f, 0))):
        return NO_WAY_PAST.verdict()
    return Verdict(INCORRECT, "The layers are right, but not what reads what: follow both ways from x to the sum.")


def _ways(x, weights, channels, filters, strides):
    """Return F(x), the skip of x, and the function that puts the skip's convolution on F instead (None without one)."""
    import keras

    def conv(maps, kernel, strides=1):
        maps = keras.ops.conv(maps, weights[kernel], strides=strides, padding="same")
        return np.asarray(maps) / np.float32(1.001**0.5)  # the normalisation, as it is before any training

    f = conv(np.maximum(conv(x, (3, 3, channels, filters), strides), 0), (3, 3, filters, filters))
    if strides == 1 and channels == filters:
        return f, x, None
    one = (1, 1, channels, filters)
    return f, conv(x, one, strides), (lambda maps: conv(maps, one)) if channels == filters else None


mended_block = Exercise(
    "resnet.mended-block",
    idea="Keras stops where a sum does not fit. That a skip starts in the wrong place, or that a ReLU does, it cannot know.",
    hints=(
        "Read the error: it names two shapes. Follow each way from x to the sum and write down the size after every layer.",
        "A skip leads past the two convolutions. So which tensor must its own convolution read, and in which cases is one needed?",
        "Then look at the two ReLUs. Compare with residual_block: which numbers may be negative when they are added?",
    ),
    mistakes=(EARLY, OPEN, NO_WAY_PAST, STRIDE_LOST),
    checker=_check_block,
)

EXERCISES = (deeper, scalar, stage, mended_block)
