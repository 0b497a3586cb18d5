"""What decides a run's numbers, as plain JSON values: the recipe that a resumed run must match."""

import hashlib
import json
import zlib

import keras
import numpy as np


def describe(model, dataset, x, y, batch_size, seed, augment=None, devices=None):
    """Return everything that the history depends on but the number of epochs, as plain JSON values."""
    crc = 0
    for array in (x, y, dataset.validation.x, dataset.validation.y):
        crc = zlib.crc32(np.ascontiguousarray(array), crc)
    recipe = {
        "dataset": dataset.name,
        "data_crc32": f"{crc:08x}",
        "images": len(x),
        "validation_images": len(dataset.validation.x),
        "layers": fingerprint(model),
        "optimizer": optimizer_settings(model),
        "loss": settings(keras.losses.get(model.loss)),
        "batch_size": batch_size,
        "precision": model.dtype_policy.name,
        "seed": seed,
    }
    if augment:  # runs that show their images as they are do not mention it
        recipe["augment"] = augment
    if devices:  # nor do runs on one device, or of nets that several devices train like one
        recipe["devices"] = devices
    return json.loads(json.dumps(recipe))  # tuples become lists here, as they will in the checkpoint


def inner_optimizer(model):
    """Return a net's optimizer. Under float16 Keras wraps it to scale the loss; `precision` says that already."""
    return getattr(model.optimizer, "inner_optimizer", model.optimizer)


def optimizer_settings(model):
    """Return the settings of a net's optimizer; the rate is the one that the training began with.

    A callback may have lowered it since (`remember_rate` knows how far). What was set by hand counts as it is.
    """
    optimizer = inner_optimizer(model)
    found = settings(optimizer)
    begun, left = json.loads(getattr(optimizer, "rates", "[null, null]"))
    return found | {"learning_rate": begun} if begun is not None and found.get("learning_rate") == left else found


def remember_rate(model, begun):
    """Note on a net's optimizer the rate that the training began with, and the one that it has now."""
    optimizer = inner_optimizer(model)
    # As text: TensorFlow would wrap a dict, such as a schedule is written down.
    optimizer.rates = json.dumps([begun, settings(optimizer).get("learning_rate")])


def settings(thing):
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


# What says nothing of how a net computes. Names: Keras numbers unnamed layers through a session ("conv2d_3"),
# so they differ when a cell is run again. Shapes seen at building: weights and
# data tell of them, and the number of images in a call must not count. Seeds: some layers (RandomCrop) make one up where none is given, and a
# resumed run takes the state of its random numbers from the checkpoint anyway. A lambda's code: it holds the
# name of the file, which is another one after a restart of the notebook.
_NOT_COUNTED = {"name", "batch_shape", "build_config", "build_input_shape", "compile_config", "seed", "code"}


def fingerprint(model):
    """Return a digest of the net: every setting of every layer, weight shapes, and, in functional nets, the wiring.

    What a subclassed net does in ``call`` cannot be seen; its layers and their settings can.
    """
    seen = []
    for layer in (model, *inner_layers(model)):
        try:
            config = layer.get_config()
        except NotImplementedError:  # a learner's own class without get_config
            config = {}
        seen.append([type(layer).__name__, _bare(config), [list(w.shape) for w in layer.weights]])
    text = json.dumps(seen, sort_keys=True, default=_as_json)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _bare(value, places=None):
    """Return a Keras config without names; in the wiring, a layer's place among its net's stands for its name."""
    if isinstance(value, (list, tuple)):
        return [_bare(v, places) for v in value]
    if not isinstance(value, dict):
        return value
    kind = value.get("class_name")
    if kind == "__keras_tensor__":  # what a layer is called with: (name of the layer it comes from, call, output)
        name, *which = value["config"]["keras_history"]
        return [(places or {}).get(name), *which]
    if isinstance(kind, str) and kind.endswith("DTypePolicy"):
        return value  # the one name that counts: "mixed_float16"
    layers = value.get("layers")
    if isinstance(layers, (list, tuple)) and all(isinstance(layer, dict) for layer in layers):
        places = {layer.get("name"): i for i, layer in enumerate(layers)}
    bare = {k: _bare(v, places) for k, v in value.items() if v is not None and k not in _NOT_COUNTED}
    for ends in ("input_layers", "output_layers"):
        if ends in bare:
            bare[ends] = _renamed(bare[ends], places or {})
    return bare


def _renamed(value, places):
    if isinstance(value, list):
        return [_renamed(v, places) for v in value]
    if isinstance(value, dict):
        return {k: _renamed(v, places) for k, v in value.items()}
    return places.get(value, value) if isinstance(value, str) else value


def _as_json(value):
    # A learner's layer may put anything into its config. Not repr: that can hold an address in memory.
    return value.tolist() if isinstance(value, (np.ndarray, np.generic)) else type(value).__name__


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
