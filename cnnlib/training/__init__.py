"""Training: how much, in which precision, with best weights kept, resumable, and recorded.

``scale`` says what this machine can train in the time of one cell, ``build`` makes a net, ``fit`` trains it
and returns a ``Run``, whose ``test`` is called once and whose ``record`` can be saved. Importing this loads
TensorFlow.
"""

from cnnlib.training.budget import LARGE, SCALES, Scale, build, precision, scale
from cnnlib.training.checkpoint import CheckpointError
from cnnlib.training.loop import fit
from cnnlib.training.record import (
    Run,
    check_record,
    conditions,
    load_record,
    load_records,
    recipe_in_words,
    save_record,
)
from cnnlib.training.schedule import warm_up_and_decay

__all__ = [
    "LARGE",
    "SCALES",
    "CheckpointError",
    "Run",
    "Scale",
    "build",
    "check_record",
    "conditions",
    "fit",
    "load_record",
    "load_records",
    "precision",
    "recipe_in_words",
    "save_record",
    "scale",
    "warm_up_and_decay",
]
