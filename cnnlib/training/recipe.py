"""What decides a run's numbers, as plain JSON values: the recipe that a resumed run must match."""

import hashlib
import json
import zlib

import keras
import numpy as np


def describe(model, dataset, x, y, batch_size, seed):
    """Return everything that the history depends on but the number of epochs, as plain JSON values."""
    crc = 0
    for array in (x, y, *dataset.validation):
        crc = zlib.crc32(np.ascontiguousarray(array), crc)
    recipe = {
        "dataset": dataset.name,
        "data_crc32": f"{crc:08x}",
        "images": len(x),
        "validation_images": len(dataset.validation.x),
        "layers": _fingerprint(model),
        # Under float16 Keras wraps the optimizer to scale the loss; `precision` says that already.
        "optimizer": _settings(getattr(model.optimizer, "inner_optimizer", model.optimizer)),
        "loss": _settings(keras.losses.get(model.loss)),
        "batch_size": batch_size,
        "precision": model.dtype_policy.name,
        "seed": seed,
    }
    return json.loads(json.dumps(recipe))  # tuples become lists here, as they will in the checkpoint


def _settings(thing):
    """Return {"name": kind, setting: value, ...} of an optimizer or a loss, without what is switched off."""
    if not hasattr(thing, "get_config"):  # a loss that is a plain function
        return {"name": getattr(thing, "__name__", str(thing))}
    return {"name": type(thing).__name__, **_plain(thing.get_config())}


def _plain(value):
    if isinstance(value, dict):
        # Keras numbers the names of objects through a session ("adam_3"): they say nothing.
        return {key: _plain(v) for key, v in value.items() if v is not None and key != "name"}
    # Keras keeps a rate as float32: 0.001 comes back as 0.0010000000474974513.
    return float(f"{value:.6g}") if isinstance(value, float) else value


def _fingerprint(model):
    """Return a digest of the layers: kinds, plain settings, weight shapes; names do not count.

    Keras numbers unnamed layers through a session ("conv2d_3"), so names differ when a cell is run again.
    """
    seen = []
    for layer in inner_layers(model):
        try:
            config = layer.get_config()
        except NotImplementedError:  # a learner's own layer without get_config
            config = {}
        plain = {k: v for k, v in config.items() if k != "name" and isinstance(v, (bool, int, float, str, tuple))}
        seen.append([type(layer).__name__, plain, [list(w.shape) for w in layer.weights]])
    return hashlib.sha256(json.dumps(seen, sort_keys=True, default=str).encode()).hexdigest()[:12]


def inner_layers(model):
    """Yield every layer inside a net, at any depth."""
    # Public `layers` stops at the first level; blocks inside blocks are reached through it again.
    for layer in getattr(model, "layers", None) or getattr(model, "_layers", ()):
        yield layer
        yield from inner_layers(layer)


def compare(there, here, run_dir):
    """Raise ValueError, saying what differs, unless a checkpoint's recipe equals this call's."""
    differences = [
        f"{key} is {there.get(key)!r} there and {here.get(key)!r} here"
        for key in sorted({*there, *here})
        if there.get(key) != here.get(key)
    ]
    if differences:
        raise ValueError(
            f"run_dir {str(run_dir)!r} holds a run with another recipe: {'; '.join(differences)}. "
            "Choose another run_dir, or delete that one."
        )
