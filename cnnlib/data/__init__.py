"""The one door to the data: CIFAR-10 where it can be had, and the embedded Shapes-10.

    train, validation, test = course_dataset()
    (x_train, y_train), (x_val, y_val), (x_test, y_test) = course_dataset()

Loads NumPy, never TensorFlow (a download imports Keras, at that moment).
"""

import os

from cnnlib.data._dataset import DataError, Dataset, Split, last_used, remember
from cnnlib.data.cifar10 import load_cifar10
from cnnlib.data.shapes10 import load_shapes10

__all__ = ["DataError", "Dataset", "Split", "course_dataset", "last_used", "load_cifar10", "load_shapes10"]


def course_dataset():
    """Return the data set that a chapter runs on: CIFAR-10 where it can be had, else Shapes-10.

    The environment variable CNNLIB_DATASET forces one: "cifar10" (then a missing CIFAR-10 is an error)
    or "shapes10" (then nothing is looked for and nothing is downloaded). Whenever it is Shapes-10, a
    notice is printed, so that no page runs on it in silence.

    Returns:
        `Dataset`.

    Raises:
        DataError: CNNLIB_DATASET is "cifar10" and CIFAR-10 is missing or damaged.
        ValueError: CNNLIB_DATASET is something else.
    """
    wish = os.environ.get("CNNLIB_DATASET", "").strip().lower()
    if wish not in ("", "cifar10", "shapes10"):
        raise ValueError(f'CNNLIB_DATASET={wish!r} must be "cifar10" or "shapes10", or not be set')
    if wish == "shapes10":
        return _shapes10_with_notice("CIFAR-10 was not asked for (CNNLIB_DATASET=shapes10).")
    try:
        return remember(load_cifar10(), chosen=True)
    except DataError as error:
        if wish == "cifar10":
            raise
        return _shapes10_with_notice(
            f"CIFAR-10 could not be had ({error.reason}; the course's Data card says what helps)."
        )


def _shapes10_with_notice(why):
    print(
        f"{why} This page runs on Shapes-10: ten classes of drawn shapes, made on the spot. "
        "Its accuracies are not CIFAR-10's."
    )
    return remember(load_shapes10(), chosen=True)
