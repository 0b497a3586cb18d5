"""How much to train, and in which number format: decided here and nowhere else."""

import dataclasses
import math
import numbers
import os

import keras

from cnnlib._arguments import integer
from cnnlib.summary import summarize
from cnnlib.training import distribute as sharing
from cnnlib.training import hardware, memory
from cnnlib.training.filter_gradient import as_products

# Up to this many images are left of CIFAR-10's training set once 5,000 are held out for validation.
ALL_IMAGES = 45_000

# From this many multiply-accumulates (forward, one image) on, a net counts as large: its time goes into
# big matrix products, which half-width numbers speed up. Below it the time goes into starting operations.
# LeNet5, the first CNN and Inception10 lie below; AlexNet8 (118 M), VGG16 (314 M), ResNet18 (555 M) above.
LARGE = 100_000_000

# The first CNN, forward, one image: 460,800 in its convolution, 196,608 + 1,280 in its dense layers.
BASELINE_MACS = 658_688


@dataclasses.dataclass(frozen=True)
class Scale:
    """How much one training cell does, and for which place (``name``); ``images`` means "at most"."""

    name: str
    images: int
    epochs: int
    batch_size: int

    def __str__(self):
        """Return the line that ``scale`` prints."""
        return (
            f"Run scale {self.name}: up to {self.images:,} images x {self.epochs} epochs, batches of {self.batch_size}"
        )


@dataclasses.dataclass(frozen=True)
class _Place:
    seconds: float  # what one training cell may take
    macs_per_second: float  # a careful guess: per core on a CPU, per device on a GPU
    large_batch: int  # images a batch for a large net; 32, as the notes have it, for a small one


_PLACES = {
    "ci": _Place(seconds=8, macs_per_second=20e9, large_batch=32),
    "laptop": _Place(seconds=90, macs_per_second=15e9, large_batch=64),
    # A T4, the GPU that Colab lends, does about twice this on large convolutions in float16.
    "gpu": _Place(seconds=75, macs_per_second=1.2e12, large_batch=128),
}
SCALES = (*_PLACES, "full")

_SECONDS_PER_STEP = 0.006  # Keras, the data and the optimizer take this for a batch, however small the net
_USEFUL_CORES = 16  # more do not help a net of this course


def scale(model=None):
    """Say how many images and epochs to train on here, and print it in one line.

    The place is taken from the environment variable CNNLIB_SCALE ("ci", "laptop", "gpu" or "full"); without
    it, "ci" where the variable CI is set, "gpu" where TensorFlow sees one, else "laptop". Each place has a
    budget of seconds for one training cell. What one image costs is guessed from the net's
    multiply-accumulates (the backward pass counts as two forward passes) and from a fixed, careful speed for
    the place, so that the same machine always trains on the same images. "full" is all images, 5 epochs,
    batches of 32: the notes' recipe for every net but Inception10, which they train in batches of 1,024.

    Args:
        model: a built Keras model, or its forward multiply-accumulates for one image; None is the first CNN.

    Returns:
        Scale: ``fit(model, data, images=s.images, epochs=s.epochs, batch_size=s.batch_size)``.

    Raises:
        ValueError: CNNLIB_SCALE is none of the four names, or a number of MACs is below 0 or not finite.
        TypeError: ``model`` is neither a net nor a number.

    """
    macs = _macs(model)
    machine = hardware.detect()
    name = os.environ.get("CNNLIB_SCALE") or _place(machine)
    if name not in SCALES:
        raise ValueError(f"CNNLIB_SCALE={name!r} is not one of {', '.join(SCALES)}")
    chosen = Scale("full", ALL_IMAGES, 5, 32) if name == "full" else _within_budget(name, macs, machine)
    where = machine.gpu or f"{machine.cores} CPU core{'s' * (machine.cores != 1)}"
    print(f"{chosen} ({where}; CNNLIB_SCALE = {' | '.join(SCALES)} changes it)")
    return chosen


def _place(machine):
    if os.environ.get("CI"):
        return "ci"
    return "gpu" if machine.gpu else "laptop"


def _within_budget(name, macs, machine):
    place = _PLACES[name]
    batch_size = place.large_batch if macs >= LARGE else 32
    speed = place.macs_per_second * (1 if name == "gpu" else min(machine.cores, _USEFUL_CORES))
    passes = place.seconds / (3 * macs / speed + _SECONDS_PER_STEP / batch_size)  # images seen, all epochs
    # Five epochs as in the notes while each still sees 2,000 images; fewer, rather than next to none.
    epochs = next((n for n in (5, 3) if passes >= n * 2_000), 2)
    images = int(passes / epochs) // batch_size * batch_size
    return Scale(name, min(ALL_IMAGES, max(images, 5 * batch_size)), epochs, batch_size)


def precision(macs):
    """Choose the number format that a net of this size trains in on this machine.

    Args:
        macs: forward multiply-accumulates for one image, or a built Keras model.

    Returns:
        The name of a Keras dtype policy. Small nets (below ``LARGE``): "float32". Large nets: on a GPU
        "mixed_bfloat16" from compute capability 8 on, "mixed_float16" on 7.x (T4, V100), else "float32"; on a
        CPU "mixed_bfloat16" where it multiplies bfloat16 in hardware (AMX or AVX-512 BF16), else "float32".

    """
    if _macs(macs) < LARGE:
        return "float32"
    machine = hardware.detect()
    if machine.gpu:
        capability = machine.compute_capability or (0, 0)
        if capability >= (8, 0):
            return "mixed_bfloat16"
        return "mixed_float16" if capability >= (7, 0) else "float32"
    return "mixed_bfloat16" if machine.cpu_bfloat16 else "float32"


def build(builder, *, seed=0, policy=None, distribute=False, **arguments):
    """Build a net with seeded weights, in the number format that suits it here.

    Keras's global dtype policy is put back afterwards. In bfloat16 on a CPU with AVX-512 and without AMX, large convolutions
    get the gradient of their filters in a quicker way (``filter_gradient.as_products``).

    Args:
        builder: one of ``cnnlib.models``, or any function that returns a built Keras model.
        seed: of the first weights and of the dropout masks.
        policy: a Keras dtype policy's name, such as "float32" for nets that shall be compared; None chooses by
            ``precision``.
        distribute: True lets all GPUs of this machine share the training (TensorFlow's ``MirroredStrategy``, which must know
            of it when the weights are made): ``fit`` then gives each a part of every batch. Where there are fewer than two,
            the net is an ordinary one. A list of names, such as ["GPU:0", "GPU:2"], picks two or more devices.
        arguments: passed to ``builder``.

    Returns:
        What ``builder`` returns.

    Raises:
        ValueError, TypeError: a seed that is no integer from 0 to 2**32 - 1; a ``distribute`` that names no devices of
            this machine.

    """
    seed = integer("seed", seed, 0, 2**32 - 1)
    strategy = sharing.strategy(distribute)
    memory.keep_freed()
    before = keras.config.dtype_policy()
    try:
        keras.config.set_dtype_policy("float32")
        model = _make(builder, seed, strategy, arguments)
        policy = precision(model) if policy is None else policy
        if policy != "float32":  # its cost is known only now: build it once more
            keras.config.set_dtype_policy(policy)
            model = _make(builder, seed, strategy, arguments)
    finally:
        keras.config.set_dtype_policy(before)
    if policy == "mixed_bfloat16":
        machine = hardware.detect()
        # Measured with AVX-512 alone; with AMX bfloat16 gains enough without it.
        if machine.cpu_bfloat16 and not (machine.cpu_amx or machine.gpu):
            as_products(model)
    return model


def _make(builder, seed, strategy, arguments):
    keras.utils.set_random_seed(seed)
    with sharing.scope(strategy):
        return builder(**arguments)


def _macs(model):
    if model is None:
        return BASELINE_MACS
    if isinstance(model, keras.Model):
        return summarize(model).macs
    if isinstance(model, bool) or not isinstance(model, numbers.Real):
        raise TypeError(f"model={model!r} is not a built Keras model or a number of MACs")
    if not 0 <= model < math.inf:
        raise ValueError(f"model={model!r} is not a finite number of MACs >= 0")
    return model
