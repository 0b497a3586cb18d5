"""Exercises of the chapter "CBAPD, the recipe"."""

from cnnlib import geometry
from cnnlib.exercises._model import (
    CORRECT,
    INCORRECT,
    Exercise,
    Mistake,
    NotAttempted,
    Verdict,
    call,
    is_empty,
    learners_code,
    value_exercise,
)

# --- 1 · predict, then run: strides in place of pooling -----------------------------------------------------

SIDE, CHANNELS, FILTERS, KERNEL, UNITS = 32, 3, 6, 5, 128


def _strided(strides=2, channels=CHANNELS, use_bias=True, windows=None):
    """Return (side, parameters of the dense layer, multiply-accumulates of the convolution)."""
    side = geometry.output_size(SIDE, KERNEL, strides, "same")
    dense = geometry.dense_params(side**2 * FILTERS, UNITS, use_bias)
    return side, dense, geometry.conv_macs(windows or side, KERNEL, channels, FILTERS)


strides = value_exercise(
    "cbapd.strides",
    idea="A convolution in steps of two makes its map as small as pooling does, for a quarter of the work. "
    "What it skips it never looks at, where pooling looks and chooses.",
    hints=(
        "With padding the side of the map is the input's, divided by the stride and rounded up.",
        "What Flatten hands over: side times side times maps. Each unit has a weight for each of these, and a bias.",
        "Multiply-accumulates: places of the window, times the weights of one filter, times the filters.",
    ),
    truth=_strided,
    mistakes=(
        Mistake(
            "strides forgotten",
            "Your map is as large as the picture: the window stops at every second pixel only.",
            lambda: (SIDE, None, None),
        ),
        Mistake(
            "no padding",
            'Your map is the one without padding: the layer says "same".',
            lambda: (geometry.output_size(SIDE, KERNEL, 2), None, None),
        ),
        Mistake(
            "dense without pooling",
            "Your dense layer reads maps that nothing has made smaller: follow the side that you wrote down first.",
            lambda: (None, _strided(strides=1)[1], None),
        ),
        Mistake(
            "no bias",
            "The weights of the dense layer are right, but each unit has a bias too.",
            lambda: (None, _strided(use_bias=False)[1], None),
        ),
        Mistake(
            "one map",
            "Your dense layer reads a single map: Flatten lines up all of them.",
            lambda: (None, geometry.dense_params(_strided()[0] ** 2, UNITS), None),
        ),
        Mistake(
            "work of every pixel",
            "You let the window do its work at every pixel: it leaves out every second row and every second column.",
            lambda: (None, None, _strided(windows=SIDE)[2]),
        ),
        Mistake(
            "one direction",
            "You halved the work: the window skips rows and it skips columns.",
            lambda: (None, None, _strided(windows=SIDE)[2] // 2),
        ),
        Mistake(
            "flat filter",
            "Your filters read one colour: each is as deep as its input.",
            lambda: (None, None, _strided(channels=1)[2]),
        ),
    ),
)

# --- 2 · by hand: four numbers through the letters ----------------------------------------------------------

CELLS, MEAN, VARIANCE, GAMMA, BETA, RATE = (7, -3, 11, 3), 3, 16, -2, 0.5, 0.2


def _pool_last(gamma=GAMMA, beta=BETA, divisor=VARIANCE**0.5, pool=max, keep=1 / (1 - RATE), relu=True):
    """Return (after P, after D) of the four cells."""
    normed = [gamma * (cell - MEAN) / divisor + beta for cell in CELLS]
    pooled = pool([max(number, 0) for number in normed] if relu else normed)
    return pooled, pooled * keep


def _pool_first():
    """Return what leaves the block where P stands right behind C."""
    return max(GAMMA * (max(CELLS) - MEAN) / VARIANCE**0.5 + BETA, 0)


def _by_hand(**changes):
    return *_pool_last(**changes), _pool_first()


four_cells = value_exercise(
    "cbapd.four-cells",
    idea="A negative gamma turns the order of the numbers round. So batch normalisation and max pooling must not change "
    "places without a look at gamma.",
    hints=(
        "Letter by letter, all four cells: minus the mean, over the deviation, times gamma, plus beta. The deviation is "
        "the root of the variance.",
        "Then what is below zero becomes zero, and the largest of the four is kept. What dropout keeps is divided by "
        "the share that it keeps.",
        "For the last part find the largest of the four first, and send that one number through B and A.",
    ),
    truth=_by_hand,
    mistakes=(
        Mistake(
            "variance for deviation",
            "You divided by the variance: the standard deviation is its root.",
            lambda: (*_pool_last(divisor=VARIANCE), None),
        ),
        Mistake(
            "gamma without its sign",
            "You lost the minus sign of gamma: it turns the largest number into the smallest.",
            lambda: (*_pool_last(gamma=-GAMMA), None),
        ),
        Mistake(
            "beta forgotten", "You left beta out: it is added after the scaling.", lambda: (*_pool_last(beta=0), None)
        ),
        Mistake(
            "mean of four",
            "You took the mean of the four cells: this pooling keeps the largest.",
            lambda: (_pool_last(pool=lambda numbers: sum(numbers) / 4)[0], None, None),
        ),
        Mistake(
            "dropout times",
            "You multiplied by the share that is kept: what is kept grows, so that the sum stays the same on average.",
            lambda: (_pool_last()[0], _pool_last(keep=1 - RATE)[1], None),
        ),
        Mistake(
            "dropout in use",
            "That is dropout when the network is used: in training what is kept is scaled.",
            lambda: (_pool_last()[0], _pool_last(keep=1)[1], None),
        ),
        Mistake(
            "same in any order",
            "You gave both orders the same result: which of the four cells does pooling meet as the largest when it "
            "stands in front of B?",
            lambda: (*_pool_last(), _pool_last()[0]),
        ),
        Mistake(
            "no activation",
            "Your last number has not been through A yet.",
            lambda: (*_pool_last(), GAMMA * (max(CELLS) - MEAN) / VARIANCE**0.5 + BETA),
        ),
    ),
)

# --- 3 · write the function: a CBAPD block ------------------------------------------------------------------

BLOCKS = ((5, 3, 0.25), (7, 5, 0.5), (1, 1, 0.125))  # filters, kernel_size, rate
PICTURE = (13, 10, 4)  # an odd side, and no two equal

KEPT_BIAS = Mistake(
    "bias kept",
    "Your convolution adds a bias that the mean of batch normalisation takes away again: switch it off.",
)
ACTIVATED_FIRST = Mistake(
    "activation before batch normalisation",
    "Your activation stands in front of batch normalisation. These two do not commute, and the recipe has B first.",
)
POOLED_FIRST = Mistake(
    "pooling before activation",
    "Your pooling stands in front of the activation. For ReLU that computes the same, but it is not the order asked for.",
)
LETTER_MISSING = Mistake("letter missing", "A letter is missing, or one is there twice: five are asked for, each once.")
NO_PADDING = Mistake(
    "no padding",
    'A row or a column gets lost at the border: both windows, of the convolution and of the pooling, need "same".',
)
NO_STRIDE = Mistake("nothing halved", "Your maps are as large as the picture: the pooling moves in steps of two.")
KEEP_RATE = Mistake(
    "rate turned round",
    "Your dropout drops what it should keep: the rate is the share that is dropped.",
)
FIXED = Mistake(
    "arguments ignored",
    "Your block does not follow its arguments: filters, kernel size and rate differ from call to call.",
)
ONE_BLOCK = Mistake(
    "the same layers again",
    "Two calls gave the same layers: two blocks would share their weights. Make new layers inside the function.",
)


def _kinds(chain):
    """Return the letters of a chain of layers, "?" for one that is none of the five."""
    from keras import layers

    letters = []
    for layer in chain:
        kinds = {
            "C": layers.Conv2D,
            "B": layers.BatchNormalization,
            "A": (layers.Activation, layers.ReLU),
            "P": layers.MaxPooling2D,
            "D": layers.Dropout,
        }
        letters.append(next((letter for letter, kind in kinds.items() if isinstance(layer, kind)), "?"))
        built_in = getattr(layer, "activation", None)
        if letters[-1] == "C" and getattr(built_in, "__name__", "linear") != "linear":
            letters.append("A")
    return "".join(letters)


def _chain(answer):
    """Return the layers of a list, a tuple or a Sequential, None for anything else."""
    import keras

    if isinstance(answer, keras.Sequential):
        answer = [layer for layer in answer.layers if not isinstance(layer, keras.layers.InputLayer)]
    if type(answer) not in (list, tuple) or not all(isinstance(layer, keras.layers.Layer) for layer in answer):
        return None
    return list(answer)


NO_CHAIN = "A list of five Keras layers is expected, or a keras.Sequential of them."


STEPS = "The convolution moves by one cell, the pooling by two."
NOT_RELU = "Your activation is not ReLU: what is below zero becomes zero, the rest stays."


def _check_block(answer):
    """Build the learner's block, look at the chain, and at the shape that comes out."""
    if not callable(answer):
        return Verdict(INCORRECT, "Hand in the function itself: its name, without quotes and without ().")
    chains = []
    for number, (filters, kernel_size, rate) in enumerate(BLOCKS):
        case = {"filters": filters, "kernel_size": kernel_size, "rate": rate}
        given = call(answer, case, first=not number)
        chain = _chain(given)
        if chain is None:
            return Verdict(INCORRECT, NO_CHAIN)
        if any(layer is other for layer in chain for before in chains for other in before):
            return ONE_BLOCK.verdict()
        chains.append(chain)
        problem = _chain_problem(chain, filters, kernel_size, rate)
        if problem:
            return problem
    return Verdict(CORRECT)


def _chain_problem(chain, filters, kernel_size, rate):
    import keras
    import numpy as np

    kinds = _kinds(chain)
    if sorted(kinds) != sorted("CBAPD"):
        return LETTER_MISSING.verdict()
    if kinds.index("A") < kinds.index("B"):
        return ACTIVATED_FIRST.verdict()
    if kinds == "CBPAD":
        return POOLED_FIRST.verdict()
    if kinds != "CBAPD":
        return Verdict(INCORRECT, f"Your order is {kinds}.")
    convolution, activation, dropout = chain[0], chain[2], chain[-1]
    if convolution.filters != filters or convolution.kernel_size != (kernel_size, kernel_size):
        return FIXED.verdict()
    if dropout.rate != rate:
        return KEEP_RATE.verdict() if dropout.rate == 1 - rate else FIXED.verdict()
    if convolution.use_bias:
        return KEPT_BIAS.verdict()
    with learners_code("building a Sequential of the layers", first=False):
        shape = keras.Sequential([keras.Input(PICTURE), *chain]).output_shape[1:]
        curve = np.asarray(activation(np.array([[-2.0, 3.0]], "float32")))
    if shape[:2] == PICTURE[:2]:
        return NO_STRIDE.verdict()
    if shape != (-(-PICTURE[0] // 2), -(-PICTURE[1] // 2), filters):
        return NO_PADDING.verdict()
    if convolution.strides != (1, 1):
        return Verdict(INCORRECT, STEPS)
    if not np.allclose(curve, [[0, 3]]):
        return Verdict(INCORRECT, NOT_RELU)
    if chain[3].pool_size != (2, 2):
        return Verdict(INCORRECT, "Your pooling looks at another window than 2 x 2.")
    return None


block = Exercise(
    "cbapd.block",
    idea="Five layers in a fixed order are a block, and a function makes as many blocks as a network needs.",
    hints=(
        "Write the five layers down as a list first, with fixed numbers. Then put the arguments in their places.",
        "One of the layers gets an argument that switches something off, because the layer behind it would undo it.",
        'With an odd side the shape decides: "same" in two of the layers lets each side be halved and rounded up.',
    ),
    mistakes=(
        KEPT_BIAS,
        ACTIVATED_FIRST,
        POOLED_FIRST,
        LETTER_MISSING,
        NO_PADDING,
        NO_STRIDE,
        KEEP_RATE,
        FIXED,
        ONE_BLOCK,
    ),
    checker=_check_block,
)

# --- 4 · find the bug: a listing with typing errors ---------------------------------------------------------

LISTED = (8, 3, 0.3)  # filters, kernel size and rate in the chapter's listing

STEP_OF_ONE = Mistake(
    "not halved",
    "It builds, but the pooling does not halve the sides as its comment says. Python cannot know that: compare the shape "
    "in front of it with the shape behind.",
)
WRONG_SETTINGS = Mistake(
    "settings changed",
    "A setting is not the listing's any more: filters, kernel size, padding and rate were right.",
)
LINE_LOST = Mistake(
    "line lost", "The listing has five layers, one a line, in the order C, B, A, P, D. Yours has others."
)
NO_PADDING_LEFT = Mistake(
    "padding lost",
    'Both windows of the listing have "same" padding: one of yours has lost it.',
)


def _check_listing(answer):
    """Build what the mended listing makes."""
    import keras
    import numpy as np

    if not callable(answer):
        return Verdict(INCORRECT, "Hand in the function itself: its name, without quotes and without ().")
    with learners_code("called without arguments"):
        given = answer()
    if is_empty(given):
        raise NotAttempted
    chain = _chain(given)
    if chain is None:
        return Verdict(INCORRECT, NO_CHAIN)
    if _kinds(chain) != "CBAPD":
        return LINE_LOST.verdict()
    filters, kernel_size, rate = LISTED
    convolution, pooling, dropout = chain[0], chain[3], chain[4]
    asked = (filters, (kernel_size, kernel_size), (2, 2), rate)
    if (convolution.filters, convolution.kernel_size, pooling.pool_size, dropout.rate) != asked:
        return WRONG_SETTINGS.verdict()
    if {convolution.padding, pooling.padding} != {"same"}:
        return NO_PADDING_LEFT.verdict()
    with learners_code("building a Sequential of the layers", first=False):
        shape = keras.Sequential([keras.Input((20, 14, 3)), *chain]).output_shape[1:]
        curve = np.asarray(chain[2](np.array([[-2.0, 3.0]], "float32")))
    if shape != (10, 7, filters):
        return STEP_OF_ONE.verdict()
    if convolution.strides != (1, 1):
        return Verdict(INCORRECT, STEPS)
    if not np.allclose(curve, [[0, 3]]):
        return Verdict(INCORRECT, NOT_RELU)
    return Verdict(CORRECT)


listing = Exercise(
    "cbapd.listing",
    idea="Python finds what is no Python, one error a run. What is Python and means something else, only a test finds.",
    hints=(
        "Run the listing as it stands. Python names the first line that it cannot read: mend that one and run it again.",
        "Some signs only look right: a comma of another alphabet, a digit that looks like a letter. Type such a line anew.",
        "Once it runs, read the comment of every line and check that the layer does just that. Shapes tell.",
    ),
    mistakes=(STEP_OF_ONE, WRONG_SETTINGS, LINE_LOST, NO_PADDING_LEFT),
    checker=_check_listing,
)

EXERCISES = (strides, four_cells, block, listing)
