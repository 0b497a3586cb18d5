"""What a loader returns, and what it raises."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

WHAT_TO_DO = """\
What you can do, one of three:
  1. set the environment variable CNNLIB_DATA to a folder that holds cifar-10-batches-py/
     (unpack cifar-10-python.tar.gz from https://www.cs.toronto.edu/~kriz/cifar.html there);
  2. delete what is damaged and try again with a working network, or put cifar-10-python.tar.gz
     itself into Keras's cache, the folder ~/.keras/datasets;
  3. use cnnlib.data.load_shapes10(), which needs neither file nor network."""


class DataError(RuntimeError):
    """CIFAR-10 is missing or damaged. `reason` says why; the message adds what the reader can do."""

    @property
    def reason(self):
        """The first part of the message, one line."""
        return self.args[0]

    def __str__(self):
        return f"{self.reason}\n{WHAT_TO_DO}"


class Split(NamedTuple):
    """Images `x`, uint8 (N, 32, 32, 3), channels last, and labels `y`, uint8 (N, 1): Keras's layout."""

    x: np.ndarray
    y: np.ndarray


@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """A named data set in three parts; iterating yields `(x, y)` of train, validation and test.

    Attributes:
        name: What a page must call it, for example "CIFAR-10 (JPEG copy)".
        class_names: Ten names; `class_names[label]` is the label's.
        train, validation, test: `Split`s. The test split is for one look, at the end.
    """

    name: str
    class_names: tuple[str, ...]
    train: Split
    validation: Split
    test: Split

    def __iter__(self):
        return iter((self.train, self.validation, self.test))

    def __repr__(self):
        height, width, channels = self.train.x.shape[1:]
        lines = [f"{self.name}: {height}x{width}x{channels} images, {len(self.class_names)} classes"]
        for part in ("train", "validation", "test"):
            lines.append(f"  {part:<11}{self._count(getattr(self, part))}")
        return "\n".join([*lines, f"  {'classes':<11}{', '.join(self.class_names)}"])

    def _count(self, split):
        counts = np.bincount(split.y.ravel(), minlength=len(self.class_names))
        low, high = counts.min(), counts.max()
        a_class = f"{low:,}" if low == high else f"{low:,} to {high:,}"
        return f"{len(split.y):>6,} images, {a_class} a class"


# What the pages of this session stand on: the choice of course_dataset() if it was called, else what a
# loader returned last. cnnlib.stamp() prints it.
_used = {}


def remember(dataset, chosen=False):
    """Note that `dataset` was handed out, and return it. `chosen`: by `course_dataset()`."""
    _used["chosen" if chosen else "loaded"] = dataset.name
    return dataset


def last_used():
    """Name of the data set this session stands on, or None before the first was loaded.

    What `course_dataset()` returned last comes first: a page that loads Shapes-10 beside it, only to
    show it, still stands on the other.
    """
    return _used.get("chosen", _used.get("loaded"))
