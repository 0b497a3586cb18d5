"""The learning rate of the course's better recipe."""

import keras

from cnnlib._arguments import integer, number


def warm_up_and_decay(epochs, images, batch_size, peak=0.001):
    """Return a Keras schedule: from 0 up to ``peak`` in the first epoch, then down to 0 along half a cosine.

    The cosine is that of Loshchilov and Hutter 2017, section 3, without its restarts.

    Args:
        epochs: of the whole run, 2 or more.
        images: training images an epoch.
        batch_size: images a step.
        peak: the highest rate, above 0 and at most 1; 0.001 is Adam's default in Keras.

    Raises:
        ValueError, TypeError: a number that is of another kind, or out of its range.

    """
    peak = number("peak", peak, 0, 1)
    if peak == 0:
        raise ValueError("peak=0 is not above 0: nothing would be learned")
    steps = -(-integer("images", images) // integer("batch_size", batch_size))
    return keras.optimizers.schedules.CosineDecay(
        0.0, steps * (integer("epochs", epochs, 2) - 1), warmup_target=peak, warmup_steps=steps
    )
