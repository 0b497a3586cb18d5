"""Exercises of the chapter "Padding and stride"."""

import math

import numpy as np

from cnnlib import geometry, reference
from cnnlib.exercises._model import Mistake, function_exercise, value_exercise

# --- 1 · predict, then run: four sizes ----------------------------------------------------------------------

SIDE = 50
KERNEL, STRIDES = 5, 3
WIDE_KERNEL, RATE = 3, 4


def _sizes():
    return (
        geometry.output_size(SIDE, KERNEL, STRIDES),
        geometry.output_size(SIDE, KERNEL, STRIDES, "same"),
        geometry.output_size(SIDE, WIDE_KERNEL, dilation_rate=RATE),
        geometry.transposed_output_size(SIDE, KERNEL, STRIDES),
    )


sizes = value_exercise(
    "padding-and-stride.sizes",
    idea="Count places and steps: valid rounds the steps down, same rounds up, gaps widen the kernel, and a transposed "
    "convolution runs the other way.",
    hints=(
        "For each layer draw a long row of cells and mark where its first and its last window begin.",
        "Valid: how many steps of the stride fit behind the first window? Same: divide and round up. "
        "Dilated: how many cells does the kernel span, gaps included?",
        "Transposed: every input cell stamps a kernel. Where does the last stamp begin, and how long is it?",
    ),
    truth=_sizes,
    mistakes=(
        Mistake(
            "same rounded down",
            "Your second number is rounded down: with same, an incomplete last window is filled up with zeros and counts.",
            lambda: (None, SIDE // STRIDES, None, None),
        ),
        Mistake(
            "first window forgotten",
            "In your first number the steps are counted and the window they start from is not.",
            lambda: ((SIDE - KERNEL) // STRIDES, None, None, None),
        ),
        Mistake(
            "gaps ignored",
            "Your third layer has a dense kernel: between its cells there are gaps, and they take room too.",
            lambda: (None, None, geometry.output_size(SIDE, WIDE_KERNEL), None),
        ),
        Mistake(
            "a gap too many",
            "In your third number the kernel spans one gap too many: three cells have two gaps between them.",
            lambda: (None, None, SIDE - RATE * WIDE_KERNEL + 1, None),
        ),
        Mistake(
            "transposed as same",
            "Your fourth number is input times stride, the size with same: with valid the last stamp is kept whole.",
            lambda: (None, None, None, SIDE * STRIDES),
        ),
        Mistake(
            "a step too many",
            "In your fourth number there are as many steps as stamps: between the first stamp and the last there is "
            "one step less.",
            lambda: (None, None, None, SIDE * STRIDES + KERNEL),
        ),
    ),
)

# --- 2 · by hand: the odd zero ------------------------------------------------------------------------------

ROW = np.array([4, 1, 0, 3, 2, 6])
WEIGHTS = np.array([2, -1, 3])
AFTER, BOTH = (0, 1), (1, 1)  # zeros before and after: Keras's "same", PyTorch's padding=1


def _outputs(zeros, weights=WEIGHTS, mode="constant"):
    row = np.pad(ROW, zeros, mode=mode)
    return tuple(reference.conv2d(row[None, None, :, None], weights[None, :, None, None], strides=2).ravel().tolist())


odd_zero = value_exercise(
    "padding-and-stride.odd-zero",
    idea="Same sizes, other numbers: Keras puts an odd zero after the row, PyTorch pads both sides alike.",
    hints=(
        "How many outputs does same give for six cells at stride 2? How many cells do their windows span together?",
        "Keras: how many zeros are missing then, and on which side does an odd one stand?",
        "PyTorch: write the row with a zero on both sides and let windows of three begin at every second cell.",
    ),
    truth=lambda: _outputs(AFTER) + _outputs(BOTH),
    mistakes=(
        Mistake(
            "swapped",
            "The two triples have changed places: which library puts a zero in front of the row?",
            lambda: _outputs(BOTH) + _outputs(AFTER),
        ),
        Mistake(
            "zero in front",
            "Your second half is right, and your first half begins with a zero as well: where does Keras put an odd zero?",
            lambda: _outputs((1, 0)) + _outputs(BOTH),
        ),
        Mistake(
            "never in front",
            "Your first half is right, and your second half has no zero in front of the row: PyTorch pads both sides.",
            lambda: _outputs(AFTER) * 2,
        ),
        Mistake(
            "last cell repeated",
            "You repeated the cells at the two ends: the cells around the row hold zeros.",
            lambda: _outputs(AFTER, mode="edge") + _outputs(BOTH, mode="edge"),
        ),
        Mistake(
            "turned",
            "You turned the kernel around: neither library does.",
            lambda: _outputs(AFTER, WEIGHTS[::-1]) + _outputs(BOTH, WEIGHTS[::-1]),
        ),
    ),
)

# --- 3 · write the function: zeros of "same" ----------------------------------------------------------------


def _missing(n, kernel_size, strides, dilation_rate):
    """Return how many cells the windows of all outputs lack; negative where some are left over."""
    outputs = math.ceil(n / strides)
    return (outputs - 1) * strides + geometry.effective_kernel_size(kernel_size, dilation_rate) - n


def _halves(total):
    return total // 2, total - total // 2


def _zeros_cases(rng):
    ordinary = [(28, 3, 1, 1), (32, 3, 2, 1), (28, 5, 1, 1), (50, 4, 3, 1), (28, 3, 1, 4), (31, 2, 1, 3)]
    edges = [(9, 2, 3, 1), (32, 1, 4, 1), (7, 3, 3, 1), (1, 5, 2, 1), (4, 6, 1, 1)]
    random = rng.integers((1, 1, 1, 1), (60, 8, 5, 4), size=(20, 4)).tolist()
    return [
        dict(zip(("n", "kernel_size", "strides", "dilation_rate"), case, strict=True))
        for case in (*ordinary, *edges, *random)
    ]


zeros = function_exercise(
    "padding-and-stride.zeros",
    idea="The outputs come first, ceil(n / s); the zeros are what their windows lack, and an odd one goes after.",
    hints=(
        "Begin with the number of outputs: n divided by the stride, rounded up. And how many cells does one window span?",
        "Let the first window begin at cell 0. Where does the last one begin, and where does it end? "
        "How many cells of the row are missing there?",
        "Can this number be negative? And when it is odd, which side gets more?",
    ),
    truth=lambda *case: geometry.pad_amounts(*case[:3], "same", case[3]),
    cases=_zeros_cases,
    mistakes=(
        Mistake(
            "odd zero in front",
            "The sum is right, and the odd zero stands on the wrong side.",
            lambda *case: _halves(max(_missing(*case), 0))[::-1],
        ),
        Mistake(
            "both sides alike",
            "Your two sides are always equal: an odd number of zeros cannot be shared out evenly.",
            lambda *case: (max(_missing(*case), 0) // 2,) * 2,
        ),
        Mistake(
            "stride ignored",
            "That is right for stride 1 only: with a stride, the windows together span less than the row and a kernel.",
            lambda n, kernel_size, strides, dilation_rate: _halves(dilation_rate * (kernel_size - 1)),
        ),
        Mistake(
            "negative zeros",
            "Some of your numbers are negative: where no zero is missing, none is added.",
            lambda *case: _halves(_missing(*case)),
        ),
        Mistake(
            "gaps ignored",
            "Your window has no gaps: with a dilation rate it spans more cells than it reads.",
            lambda n, kernel_size, strides, dilation_rate: _halves(max(_missing(n, kernel_size, strides, 1), 0)),
        ),
    ),
)

# --- 4 · find the bug: a transposed convolution -------------------------------------------------------------


def _stamps(image, kernel, strides, spare=0, add=True):
    """Stamp the kernel for every cell; `spare` cells too many at the end, and without `add` the last stamp wins."""
    sides = [(n - 1) * strides + k + spare for n, k in zip(image.shape, kernel.shape, strict=True)]
    y = np.zeros(sides)
    for (row, column), value in np.ndenumerate(image):
        place = tuple(slice(strides * i, strides * i + k) for i, k in zip((row, column), kernel.shape, strict=True))
        y[place] = value * kernel + (y[place] if add else 0)
    return y


def _stamps_cut(image, kernel, strides):
    height, width = (n * strides for n in image.shape)
    return _stamps(image, kernel, strides)[:height, :width]


def _stamps_cases(rng):
    sizes = [((3, 4), (3, 3), 2), ((2, 2), (4, 3), 2), ((4, 3), (3, 5), 1), ((2, 3), (3, 3), 3), ((1, 1), (2, 4), 2)]
    return [
        {"image": rng.normal(size=image), "kernel": rng.normal(size=kernel), "strides": strides}
        for image, kernel, strides in sizes
    ]


find_the_bug = function_exercise(
    "padding-and-stride.find-the-bug",
    idea="n stamps have n - 1 steps between them, and where stamps overlap they add up.",
    hints=(
        "Look at the shape first: stamp a picture of a single cell. How large must the output be?",
        "Then stamp two cells, both 1, with a kernel of three ones and stride 2. What should stand where the stamps meet?",
        "One bug is in how many steps are counted, the other in what happens to a number that is already there.",
    ),
    truth=_stamps,
    cases=_stamps_cases,
    mistakes=(
        Mistake(
            "as given",
            "This still has both bugs: one in the size, one where stamps overlap.",
            lambda image, kernel, strides: _stamps(image, kernel, strides, spare=strides, add=False),
        ),
        Mistake(
            "too long",
            "The stamps add up now, but empty rows and columns are left at the end: how many steps lie between n stamps?",
            lambda image, kernel, strides: _stamps(image, kernel, strides, spare=strides),
        ),
        Mistake(
            "overwritten",
            "The shape is right now, but a stamp still wipes out what an earlier one has left below it.",
            lambda image, kernel, strides: _stamps(image, kernel, strides, add=False),
        ),
        Mistake(
            "cut off",
            "Your output is input times stride, and the end of the last stamps is cut off: valid keeps it.",
            _stamps_cut,
        ),
    ),
)

EXERCISES = (sizes, odd_zero, zeros, find_the_bug)
