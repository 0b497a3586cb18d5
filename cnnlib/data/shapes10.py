"""Shapes-10: ten classes of drawn, coloured, noisy 32x32 pictures, made on the spot from a seed.

The course falls back on it where CIFAR-10 cannot be had. Every picture is a shape given by its signed
distance (negative inside, positive outside), so the same ten formulas can be written in any language.
"""

import numpy as np

from cnnlib._arguments import integer
from cnnlib.data._dataset import Dataset, Split, remember

CLASS_NAMES = (
    "disc",
    "ring",
    "square",
    "frame",
    "triangle",
    "star",
    "cross",
    "horizontal stripes",
    "vertical stripes",
    "checkerboard",
)
SIDE = 32  # pixels, as in CIFAR-10

# How much the pictures vary. Lengths are in pixels, grey levels run from 0 to 1. These numbers set how
# hard the data set is; the tests measure it.
RADIUS = (7.5, 12.5)  # of the circle around the shape
SHIFT = 4.0  # of the centre from the middle of the picture, at most, in x and in y
TILT = np.pi / 10  # at most, either way: the two kinds of stripes stay apart
STRIPE_PERIOD = (5.0, 7.0)
DARK, LIGHT = (0.10, 0.45), (0.55, 0.90)  # grey level of the darker and of the lighter of shape and ground
TINT = 0.25  # how far a colour channel may lie from that grey level
SHADE = 0.30  # rise in grey level across the picture, at most: uneven light
DISTRACTORS = 2  # small discs of any colour beside and over the shape
DISTRACTOR_RADIUS = (1.0, 2.5)
NOISE = 0.08  # standard deviation, each channel of each pixel by itself

_BLOCK = 500  # pictures drawn at once: keeps the working arrays small


def load_shapes10(train=8000, validation=1000, test=2000, seed=0):
    """Make Shapes-10: drawn shapes and patterns, ten classes, 32x32x3, made in about a second.

    The three splits come from three independent random streams, so the size of one does not change
    the pictures of another. Classes are balanced: their counts differ by one picture at most. The same
    seed and sizes give the same pictures again.

    Args:
        train, validation, test: Number of pictures in each split, 0 or more.
        seed: Non-negative int. The course uses 0; the test set of another seed is another test set.

    Returns:
        A `Dataset` named "Shapes-10": `x` uint8 (N, 32, 32, 3), `y` uint8 (N, 1).

    Raises:
        ValueError: A size or the seed is negative.
        TypeError: A size or the seed is not an integer.

    Source: our own drawing; the distance formulas are elementary geometry.
    """
    sizes = {"train": train, "validation": validation, "test": test}
    sizes = [integer(name, size, 0) for name, size in sizes.items()]
    streams = np.random.default_rng(integer("seed", seed, 0)).spawn(3)
    splits = [_make_split(size, rng) for size, rng in zip(sizes, streams, strict=True)]
    return remember(Dataset("Shapes-10", CLASS_NAMES, *splits))


def _make_split(size, rng):
    labels = rng.permutation(np.arange(size) % len(CLASS_NAMES)).astype(np.uint8)
    images = np.empty((size, SIDE, SIDE, 3), np.uint8)
    for start in range(0, size, _BLOCK):
        part = slice(start, start + _BLOCK)
        images[part] = draw(labels[part], rng)
    return Split(images, labels[:, None])


def draw(labels, rng):
    """Draw one picture a label.

    Args:
        labels: Class numbers, shape (N,), 0 to 9.
        rng: `numpy.random.Generator` that chooses everything else: place, size, tilt, colours, light, noise.

    Returns:
        uint8 array (N, 32, 32, 3).
    """
    count = len(labels)

    def between(low_high, *shape):
        low, high = low_high
        values = low + (high - low) * rng.random((count, *shape))
        # float32 from here on: a pixel needs no more, and it halves the time.
        return values.astype(np.float32)

    def one_a_picture(low_high):
        return between(low_high, 1, 1)

    # Pixel centres, the origin in the middle of the picture, x to the right and y up.
    steps = (np.arange(SIDE) - (SIDE - 1) / 2).astype(np.float32)
    px, py = steps[None, None, :], -steps[None, :, None]

    # The shape's own coordinates: centred, turned, and scaled so that its circle has radius 1.
    radius = one_a_picture(RADIUS)
    cx, cy = one_a_picture((-SHIFT, SHIFT)), one_a_picture((-SHIFT, SHIFT))
    tilt = one_a_picture((-TILT, TILT))
    period, phase = one_a_picture(STRIPE_PERIOD) / radius, one_a_picture((0.0, 1.0))
    # In float64: the last bit of a float32 cosine depends on the processor, and rounding hides this one.
    cos, sin = (f(tilt, dtype=np.float64).astype(np.float32) for f in (np.cos, np.sin))
    x = (cos * (px - cx) + sin * (py - cy)) / radius
    y = (cos * (py - cy) - sin * (px - cx)) / radius

    distance = np.empty_like(x)
    for label, signed_distance in enumerate(SIGNED_DISTANCES):
        mine = labels == label
        distance[mine] = signed_distance(x[mine], y[mine], period[mine], phase[mine])

    # One is dark, the other light, whichever: no class has a brightness of its own.
    dark_shape = one_a_picture((0.0, 1.0)) < 0.5
    dark, light = one_a_picture(DARK), one_a_picture(LIGHT)
    shape_grey, ground_grey = np.where(dark_shape, dark, light), np.where(dark_shape, light, dark)
    shape_colour = shape_grey[..., None] + between((-TINT, TINT), 1, 1, 3)
    ground_colour = ground_grey[..., None] + between((-TINT, TINT), 1, 1, 3)

    picture = _paint(ground_colour, shape_colour, distance * radius)
    for _ in range(DISTRACTORS):
        half = SIDE / 2
        dx, dy = px - one_a_picture((-half, half)), py - one_a_picture((-half, half))
        spot = np.sqrt(dx * dx + dy * dy) - one_a_picture(DISTRACTOR_RADIUS)
        picture = _paint(picture, between((0.0, 1.0), 1, 1, 3), spot)

    slope_x, slope_y = one_a_picture((-SHADE, SHADE)), one_a_picture((-SHADE, SHADE))
    picture += ((slope_x * px + slope_y * py) / SIDE)[..., None]
    # The sum of two uniform numbers stands in for a bell curve: it comes out the same on every machine.
    noise = rng.random(picture.shape, np.float32) + rng.random(picture.shape, np.float32) - 1
    picture += np.float32(NOISE * np.sqrt(6)) * noise
    return np.rint(255 * np.clip(picture, 0, 1)).astype(np.uint8)


def _paint(under, colour, distance):
    """Lay `colour` over `under` where `distance` (in pixels) is negative; the edge is one pixel soft."""
    cover = np.clip(0.5 - distance, 0, 1)[..., None]
    return under + cover * (colour - under)


# --- the ten shapes: signed distance at (x, y), y up, for a shape inside the circle of radius 1 ---


def _disc(x, y, period, phase):
    return _length(x, y) - 0.9


def _ring(x, y, period, phase):
    return np.abs(_length(x, y) - 0.75) - 0.2


def _square(x, y, period, phase):
    return _larger_side(x, y) - 0.78


def _frame(x, y, period, phase):
    return np.abs(_larger_side(x, y) - 0.65) - 0.18


def _triangle(x, y, period, phase):
    # Three half planes, 120 degrees apart, the point up.
    return np.maximum(np.float32(np.sqrt(3) / 2) * np.abs(x) + 0.5 * y, -y) - 0.5


def _star(x, y, period, phase):
    # Five half planes, 72 degrees apart. A point of the star lies outside one of them at most,
    # so what counts is the second largest distance.
    angles = np.pi / 10 + 2 * np.pi / 5 * (np.arange(5) + 0.5)
    planes = [np.float32(np.cos(a)) * x + np.float32(np.sin(a)) * y for a in angles]
    largest, second = np.maximum(planes[0], planes[1]), np.minimum(planes[0], planes[1])
    for plane in planes[2:]:
        second = np.maximum(second, np.minimum(largest, plane))
        largest = np.maximum(largest, plane)
    return second - np.float32(np.cos(2 * np.pi / 5))


def _cross(x, y, period, phase):
    across, up = np.abs(x), np.abs(y)
    return np.maximum(np.minimum(across, up) - 0.27, np.maximum(across, up) - 0.92)


def _horizontal_stripes(x, y, period, phase):
    return np.maximum(_wave(y, period, phase), _disc(x, y, period, phase))


def _vertical_stripes(x, y, period, phase):
    return np.maximum(_wave(x, period, phase), _disc(x, y, period, phase))


def _checkerboard(x, y, period, phase):
    # Painted where exactly one of the two sets of stripes is.
    a, b = _wave(x, 1.3 * period, phase), _wave(y, 1.3 * period, phase)
    return np.maximum(np.maximum(np.minimum(a, b), -np.maximum(a, b)), _disc(x, y, period, phase))


SIGNED_DISTANCES = (
    _disc,
    _ring,
    _square,
    _frame,
    _triangle,
    _star,
    _cross,
    _horizontal_stripes,
    _vertical_stripes,
    _checkerboard,
)


def _length(x, y):
    return np.sqrt(x * x + y * y)


def _larger_side(x, y):
    return np.maximum(np.abs(x), np.abs(y))


def _wave(t, period, phase):
    """Signed distance to stripes across `t`, each half a period wide."""
    place = t / period + phase
    return (np.abs(place - np.floor(place) - 0.5) - 0.25) * period
