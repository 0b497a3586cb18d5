"""A Keras model as the JSON that engine.js runs in a page: its graph, and its weights as int8 or float32.

The form of that JSON is written down at the top of engine.js. Keras is imported when a function is called, not before.
"""

import base64
import math

import numpy as np

from cnnlib._arguments import choice, integer
from cnnlib.graph import graph_of, inner_graph, nodes
from cnnlib.summary import summarize
from cnnlib.widgets.traits import folded

__all__ = ["describe", "export_for_page", "model_of", "quantise"]

ACTIVATIONS = ("linear", "relu", "sigmoid", "tanh", "softmax")
MOST_BYTES = 2_000_000  # of one net in a page

_POOL = {"pool_size": 2, "strides": None, "padding": "valid"}
# The settings that the engine reads, by the types that it has, with the engine's defaults, which are Keras's;
# `...` stands for none.
_SETTINGS = {
    "Conv2D": {
        "filters": ...,
        "kernel_size": ...,
        "strides": 1,
        "padding": "valid",
        "dilation_rate": 1,
        "activation": "linear",
        "use_bias": True,
    },
    "Dense": {"units": ..., "activation": "linear", "use_bias": True},
    "BatchNormalization": {"momentum": 0.99, "epsilon": 0.001, "center": True, "scale": True},
    "Activation": {"activation": ...},
    "MaxPooling2D": _POOL,
    "AveragePooling2D": _POOL,
    "GlobalAveragePooling2D": {},
    "Flatten": {},
    "Add": {},
    "Concatenate": {},
    "Dropout": {"rate": 0.5},
    "Rescaling": {"scale": ..., "offset": 0},
}
# Two of Keras's layers are activations by another name.
_ALIASES = {"ReLU": "relu", "Softmax": "softmax"}
# What else a layer may be told, and the values for which the engine computes the same; -1 is the last axis.
_FIXED = {
    "groups": (1,),
    "axis": (-1,),
    "renorm": (False,),
    "keepdims": (False,),
    "noise_shape": (None,),
    "max_value": (None,),
    "negative_slope": (0,),
    "threshold": (0,),
    "data_format": ("channels_last",),
    "activation": ACTIVATIONS,
    "padding": ("valid", "same"),
}
_WEIGHTS = ("kernel", "bias", "gamma", "beta", "moving_mean", "moving_variance")


def describe(model):
    """Return a model as the JSON of engine.js, without weights: {"name": ..., "layers": [...]}.

    Layers of nested models and blocks are named "block/layer". `x + y` and `keras.ops.add` become an Add.

    Args:
        model: a built functional or Sequential `keras.Model` with one input, of fixed sides, and one output; a
            subclassed one where `cnnlib.graph` can follow it.

    Returns:
        A dict of plain values. Each layer has its name, type, output shape for one picture, the names of its inputs,
        and the settings that differ from Keras's defaults.

    Raises:
        TypeError: `model` is no Keras model.
        ValueError: it is not built; it has another number of inputs or outputs; the input has an open side; a layer
            is none that the engine has (the message names the layer and what there is), is used twice with weights,
            or has a setting that the engine has not.

    """
    return {"name": getattr(model, "name", ""), "layers": [_entry(use) for use in _uses(model)]}


def export_for_page(model, weights="int8", most_bytes=MOST_BYTES):
    """Return a model with its weights as the JSON of engine.js; `json.dumps` makes a page's text of it.

    Kernels become int8, one scale an output channel (`quantise`); biases and batch normalisation stay float32. Nothing
    is folded, so every layer's output in the page is that of the Keras layer of this name, but for the rounding.

    Args:
        model: as for `describe`.
        weights: "int8", or "float32" for kernels as they are, in four times the bytes.
        most_bytes: the most that the weights may take in the page, as base64 text.

    Returns:
        What `describe` returns, with a dict `weights` in every layer that has some.

    Raises:
        TypeError, ValueError: as `describe`; ValueError also for weights that are too many, or not all finite.

    """
    choice("weights", weights, ("int8", "float32"))
    integer("most_bytes", most_bytes, 1)
    uses = _uses(model)
    layers = [_entry(use) for use in uses]
    _check_bytes(model, uses, weights, most_bytes)
    for use, layer in zip(uses, layers, strict=True):
        coded = {name: _coded(f"{use.name}.{name}", value, weights) for name, value in use.weights().items()}
        if coded:
            layer["weights"] = coded
    return {"name": model.name, "layers": layers}


def quantise(kernel):
    """Return (whole numbers, scales) such that whole * scales is `kernel`, to half a scale at most.

    Input shape: kernel (..., channels out), float32. Output shapes: that of kernel, int8 from -127 to 127; (channels
    out,), float32: the largest weight of each channel becomes 127 or -127. Source: Jacob et al., "Quantization and
    Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference" (2018), section 2.1, with zero-point 0.

    Raises ValueError where a number is not finite.
    """
    kernel = np.asarray(kernel, np.float32)
    if not np.isfinite(kernel).all():
        raise ValueError("kernel holds numbers that are not finite: train the net again, with a smaller learning rate")
    scales = np.abs(kernel).max(axis=tuple(range(kernel.ndim - 1)), initial=0) / np.float32(127)
    whole = np.rint(kernel / np.where(scales > 0, scales, 1)).astype(np.int8)
    return whole, scales.astype(np.float32)


def model_of(description, off=None):
    """Return the Keras model that a page runs: built anew from its JSON, with the very numbers that the page has.

    Args:
        description: what `export_for_page` returned.
        off: {layer's name: channels} to switch off: those channels of its output are 0, by a layer "NAME.off" behind it.

    Returns:
        A functional `keras.Model`. Keras allows no "/" in a name, so "block/conv" is called "block.conv".

    Raises:
        ValueError: a layer has no weights, or `off` names a layer that there is not.

    """
    import keras

    off = dict(off or {})
    outputs, weights = {}, []
    for entry in description["layers"]:
        settings = {key: value for key, value in entry.items() if key not in ("type", "inputs", "shape", "weights")}
        settings["name"] = settings["name"].replace("/", ".")
        if entry["type"] == "InputLayer":
            x = first = keras.Input(entry["shape"], **settings)
        else:
            layer = getattr(keras.layers, entry["type"])(**settings)
            taken = [outputs[name] for name in entry["inputs"]]
            x = layer(taken if entry["type"] in ("Add", "Concatenate") else taken[0])
            weights += [(layer, entry)] if layer.weights else []
        if channels := off.pop(entry["name"], ()):
            kept = np.isin(np.arange(x.shape[-1]), channels, invert=True)
            x = keras.layers.Rescaling(kept.astype(float).tolist(), name=f"{settings['name']}.off")(x)
        outputs[entry["name"]] = x
    if off:
        raise ValueError(f"off names {next(iter(off))!r}, which is no layer: there are {', '.join(outputs)}")
    model = keras.Model(first, x, name=description["name"] or None)
    for layer, entry in weights:
        if "weights" not in entry:
            raise ValueError(f"layer {entry['name']!r} has no weights: use what export_for_page returns")
        for name, coded in entry["weights"].items():
            variable = getattr(layer, name)
            variable.assign(_decoded(coded).reshape(variable.shape))
    return model


# --- the walk through the model ------------------------------------------------------------------------------


class _Use:
    """One layer of the graph, or one of keras.ops, under the name that it has in the page."""

    def __init__(self, name, layer, inputs, shape):
        self.name, self.layer, self.inputs, self.shape = name, layer, inputs, shape

    def weights(self):
        """Return the layer's weights by Keras's names, as NumPy arrays."""
        found = {name: getattr(self.layer, name, None) for name in _WEIGHTS}
        return {name: np.asarray(value, np.float32) for name, value in found.items() if value is not None}


def _uses(model):
    """Return the model's layers, each after those that it takes. Raises what `describe` raises of the whole model."""
    summarize(model)  # raises for what is no Keras model, is not built, or cannot be followed
    graph = graph_of(model)
    if len(graph[0]) != 1 or len(graph[1]) != 1:
        raise ValueError(
            f"model={model.name!r} has {len(graph[0])} inputs and {len(graph[1])} outputs: a page runs nets with one of each"
        )
    first = graph[0][0]
    shape = tuple(first.shape[1:])
    if None in shape:
        raise ValueError(
            f"model={model.name!r} takes pictures of {shape}: give its Input a whole shape, such as (32, 32, 3)"
        )
    start = _Use(first._keras_history.operation.name, None, [], shape)
    walk = _Walk(start)
    walk.follow(graph, [start.name], "")
    return walk.uses


class _Walk:
    """Collects the uses of layers while it follows a graph."""

    def __init__(self, start):
        self.uses, self.names, self.seen = [start], {start.name}, set()

    def follow(self, graph, sources, prefix):
        """Add the layers of a graph whose inputs are the layers of these names; return the names of its outputs."""
        known = {id(x): source for x, source in zip(graph[0], sources, strict=True)}
        for node in nodes(*graph):
            if all(id(x) in known for x in node.output_tensors):
                continue  # where the graph begins
            taken, inside = [known[id(x)] for x in node.input_tensors], inner_graph(node.operation, node)
            if inside:
                given = self.follow(inside, taken, f"{prefix}{node.operation.name}/")
            else:
                given = [self.add(node, prefix, taken)] * len(node.output_tensors)
            known.update((id(x), name) for x, name in zip(node.output_tensors, given, strict=True))
        return [known[id(x)] for x in graph[1]]

    def add(self, node, prefix, taken):
        """Add one use of a layer; return its name."""
        layer, name = node.operation, prefix + node.operation.name
        if id(layer) in self.seen and getattr(layer, "weights", []):
            raise ValueError(f"layer {name!r} is used twice: a page runs nets whose layers have weights of their own")
        self.seen.add(id(layer))
        shapes = {tuple(x.shape) for x in node.input_tensors}
        if type(layer).__name__ == "Add" and len(shapes) > 1:
            raise ValueError(f"layer {name!r} adds shapes that differ: {' and '.join(map(str, sorted(shapes)))}")
        number = 1
        while name in self.names:  # used again, or two blocks named alike
            number += 1
            name = f"{prefix}{layer.name} (use {number})"
        self.names.add(name)
        self.uses.append(_Use(name, layer, taken, tuple(node.output_tensors[0].shape[1:])))
        return name


# --- one layer -----------------------------------------------------------------------------------------------


def _entry(use):
    """Return a layer as the engine reads it, without weights."""
    head = {"name": use.name, "type": "InputLayer", "shape": list(use.shape)}
    if use.layer is None:
        return head
    import keras

    kind, config = _kind_and_config(use)
    for setting, valid in _FIXED.items():
        if setting in config and config[setting] not in valid:
            raise ValueError(
                f"layer {use.name!r} has {setting}={config[setting]!r}: the page's engine has {' or '.join(map(repr, valid))}"
            )
    function = getattr(use.layer, "activation", None)
    if callable(function) and function is not getattr(keras.activations, config.get("activation", ""), None):
        raise ValueError(
            f"layer {use.name!r} has an activation of its own, {function!r}: the page's engine has Keras's"
        )
    settings = {key: folded(config[key]) for key in _SETTINGS[kind]}
    if kind == "Rescaling":
        settings = {key: _number(use.name, key, value) for key, value in settings.items()}
    settings = {key: value for key, value in settings.items() if value != _SETTINGS[kind][key]}
    frozen = {} if getattr(use.layer, "trainable", True) or not use.weights() else {"trainable": False}
    return head | {"type": kind, "inputs": use.inputs} | settings | frozen


def _kind_and_config(use):
    """Return the engine's type for a layer and the layer's settings. Raises ValueError where the engine has none."""
    import keras

    kind = type(use.layer).__name__
    own = type(use.layer).__module__.startswith("keras.")
    if own and not isinstance(use.layer, keras.layers.Layer):  # keras.ops
        if kind == "Add" and len(use.inputs) == 2:
            return kind, {}
    elif own and (kind in _SETTINGS or kind in _ALIASES):
        config = dict(use.layer.get_config())
        last = len(use.shape)  # the channels' axis as a positive number, the batch being 0
        if config.get("axis") in (last, [last], [-1]):
            config["axis"] = -1
        if kind in _ALIASES:
            return "Activation", config | {"activation": _ALIASES[kind]}
        return kind, config
    have = ", ".join([*_SETTINGS, *_ALIASES])
    raise ValueError(f"layer {use.name!r} is a {kind}, which the page's engine has not: it has {have}")


def _number(name, key, value):
    if isinstance(value, bool) or not isinstance(value, (int, float, np.number)):
        raise ValueError(f"layer {name!r} has {key}={value!r}: the page's engine has one number for all channels")
    return float(value)


# --- weights as text -----------------------------------------------------------------------------------------


def _check_bytes(model, uses, weights, most_bytes):
    """Raise ValueError where the weights would take too many bytes, before any is turned into text."""
    numbers, size = 0, 0
    for use in uses:
        for name, value in use.weights().items():
            small = name == "kernel" and weights == "int8"
            raw = [value.size, 4 * value.shape[-1]] if small else [4 * value.size]
            numbers += value.size
            size += sum(4 * math.ceil(count / 3) for count in raw)
    if size > most_bytes:
        less = "use a smaller net" if weights == "int8" else "use weights='int8', or a smaller net"
        raise ValueError(
            f"model={model.name!r} has {numbers:,} weights, which take {size:,} bytes in a page, more than "
            f"most_bytes={most_bytes:,}: {less}"
        )


def _coded(name, value, weights):
    """Return one array as base64 text, little-endian."""
    if not np.isfinite(value).all():
        raise ValueError(f"{name} holds numbers that are not finite: train the net again, with a smaller learning rate")
    if not name.endswith(".kernel") or weights == "float32":
        return {"float32": _text(value.astype("<f4"))}
    whole, scales = quantise(value)
    return {"int8": _text(whole), "scales": _text(scales.astype("<f4"))}


def _decoded(coded):
    """Return the numbers of `_coded`, flat."""
    if "float32" in coded:
        return np.frombuffer(base64.b64decode(coded["float32"]), "<f4")
    scales = np.frombuffer(base64.b64decode(coded["scales"]), "<f4")
    return (np.frombuffer(base64.b64decode(coded["int8"]), np.int8).reshape(-1, len(scales)) * scales).ravel()


def _text(array):
    return base64.b64encode(array.tobytes()).decode("ascii")
