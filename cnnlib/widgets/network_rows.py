"""A net as a small graph of rows: what each makes of what it reads, and the Keras code. No Keras is needed.

A row is a dict with Keras's names: "type" and every key of TYPES[type]; further keys only where they say something:
`inputs` (places of the rows that it reads, -1 the net's input; without it the row before), `name`, `trainable`
(False), `arguments` (further keyword arguments for Keras, a JSON object as text).

`InceptionUnit` and `ResidualBlock` stand for the rows in `network_designer.json`, "blocks", in which -1 is what the
block reads. A `Shared` row uses the layer called `name` once more. A `Fixed` row is a layer that is not known here:
`class`, and its numbers for the shapes in `seen`; `shape` None is "as it comes in", [] "no output". `window` is what
it does to a receptive field, [start, size, jump] of a field of one cell on each axis; None where nobody knows.

Its JavaScript twin is network_designer.js.
"""

import functools
import json
import math
import re
from typing import NamedTuple

from cnnlib import geometry
from cnnlib._arguments import show
from cnnlib.widgets.base import data_of
from cnnlib.widgets.traits import as_code, both

DATA = data_of("network_designer.js")
TYPES = DATA["types"]
JOINS = ("Add", "Concatenate")
BLOCKS = ("InceptionUnit", "ResidualBlock")
BYTES = 4  # of a float32


class Tensor(NamedTuple):
    """What travels between rows: its shape without the batch, its receptive field ([start, size, jump] an axis), its place."""

    shape: tuple
    field: tuple | None
    place: int


class Leaf(NamedTuple):
    """A layer, or the net's input: numbers in its output, the places that it reads."""

    size: int
    sources: tuple


def complete(row):
    """Return a row of the data file, or a type's name, with every key present."""
    row = {"type": row} if isinstance(row, str) else row
    return {"type": row["type"]} | TYPES[row["type"]] | row


def preset(name):
    """Return the rows of a net of the course; capitals, hyphens and blanks in its name do not matter."""

    def plain(text):
        return re.sub(r"[\s_-]", "", text).lower()

    for known, rows in DATA["presets"].items():
        if plain(known) == plain(name):
            return [complete(row) for row in rows]
    raise ValueError(f"{name!r} is none of {', '.join(map(repr, DATA['presets']))}")


def expand(row):
    """Return the rows that a block stands for."""
    parts = DATA["blocks"][" ".join([row["type"], *([row["shortcut"]] if "shortcut" in row else [])])]

    def filled(part):  # "filters": "filters" stands for the block's own
        return {key: row.get(value, value) if isinstance(value, str) else value for key, value in part.items()}

    return [complete(part if isinstance(part, str) else filled(part)) for part in parts]


def sources_of(layers, i):
    """Return the places that row i reads."""
    return layers[i].get("inputs", [i - 1])


# --- arithmetic -------------------------------------------------------------------------------------------------


def solve(layers, shape, classes):
    """Return (rows, leaves): a dict a row as `NetworkDesigner.rows` describes it, without the memory; what is computed in order."""
    leaves = [Leaf(math.prod(shape), ())]
    return _solve(layers, Tensor(tuple(shape), ((0, 1, 1),) * 2, 0), classes, leaves)[0], leaves


def _solve(layers, first, classes, leaves):
    rows, tensors, names = [], [], {}
    for i, layer in enumerate(layers):
        inputs = sources_of(layers, i)
        taken = [first if place < 0 else tensors[place] for place in inputs]
        row = {
            "type": layer["type"],
            "inputs": list(inputs),
            "output_shape": None,
            "params": None,
            "trainable_params": None,
        }
        row |= {"macs": None, "numbers": None, "receptive_field": None, "jump": None, "problem": ""}
        tensor = None
        try:
            missing = next((place for place, one in zip(inputs, taken, strict=True) if one is None), None)
            if missing is not None:
                raise ValueError(f"it reads row {missing + 1}, which has no output")
            if layer["type"] in BLOCKS:
                tensor = _block(row, layer, taken[0], classes, leaves)
            else:
                shape, field, params, frozen, row["macs"] = one_layer(_original(layer, names), taken, classes)
                shared = layer["type"] == "Shared"
                total = 0 if shared else params + frozen
                row |= {"params": total, "trainable_params": params if total and layer.get("trainable", True) else 0}
                tensor = Tensor(shape, field, len(leaves))
                row["numbers"] = math.prod(shape) if shape else 0
                leaves.append(Leaf(row["numbers"], tuple(one.place for one in taken)))
            row["output_shape"] = tensor.shape
            if tensor.field:
                row["receptive_field"] = _one([size for _, size, _ in tensor.field])
                row["jump"] = _one([jump for _, _, jump in tensor.field])
        except ValueError as error:
            row["problem"] = str(error)
        if layer["type"] not in (*BLOCKS, "Shared"):
            names.setdefault(layer.get("name"), layer)
        tensors.append(tensor)
        rows.append(row)
    return rows, tensors


def _block(row, layer, taken, classes, leaves):
    """Fill in a block's row; return its output."""
    if len(taken.shape) != 3:
        raise ValueError(_no_map(layer, taken))
    begin = len(leaves)
    row["rows"], tensors = _solve(expand(layer), taken, classes, leaves)
    bad = next((inner["problem"] for inner in row["rows"] if inner["problem"]), "")
    if bad:
        del leaves[begin:]
        raise ValueError(bad)
    for key in ("params", "trainable_params", "macs", "numbers"):
        row[key] = sum(inner[key] for inner in row["rows"])
    return tensors[-1]


def _original(layer, names):
    if layer["type"] != "Shared":
        return layer
    if not layer.get("name") or layer["name"] not in names:
        raise ValueError(f"it uses the layer {layer.get('name', '')!r} once more, and no row before it has that name")
    return names[layer["name"]]


def one_layer(layer, taken, classes):
    """Return (shape, field, trained weights, others, MACs) of a layer on tensors; ValueError where it cannot be."""
    kind = layer["type"]
    if kind == "Fixed":
        return _fixed(layer, taken)
    if kind in JOINS:
        return _join_shapes(kind, [one.shape for one in taken]), joined(taken), 0, 0, 0
    shape, field, _ = taken[0]
    channels = shape[-1] if shape else None
    if kind.endswith("2D") and len(shape) != 3 or kind in ("Dense", "BatchNormalization") and not shape:
        raise ValueError(_no_map(layer, taken[0]))
    if "strides" in layer:
        return _slide(layer, shape, field)
    if kind == "ZeroPadding2D":
        pads = zeros(layer["padding"])
        shape = (*(side + sum(pad) for side, pad in zip(shape[:2], pads, strict=True)), channels)
        moved = field and tuple((a - pad[0] * j, size, j) for (a, size, j), pad in zip(field, pads, strict=True))
        return shape, moved, 0, 0, 0
    if kind in ("GlobalAveragePooling2D", "GlobalMaxPooling2D"):
        return (channels,), None, 0, 0, 0
    if kind == "Flatten":
        return (math.prod(shape),), None, 0, 0, 0
    if kind == "Dense":
        units = layer["units"] or classes
        params = geometry.dense_params(channels, units, layer["use_bias"])
        return (*shape[:-1], units), field, params, 0, math.prod(shape[:-1]) * geometry.dense_macs(channels, units)
    if kind == "BatchNormalization":
        return shape, field, *geometry.batch_norm_params(channels, layer["scale"], layer["center"]), 0
    return shape, field, 0, 0, 0


def _no_map(layer, tensor):
    return f"{layer['type']} needs a map (height, width, channels), but {show(tensor.shape)} comes in"


def _slide(layer, shape, field):
    """Convolutions and pools."""
    *sides, channels = shape
    kernel, strides, rates = (both(layer.get(key, 1)) for key in ("kernel_size", "strides", "dilation_rate"))
    if max(strides) > 1 and max(rates) > 1:
        raise ValueError(
            f"strides={show(layer['strides'])} with dilation_rate={show(layer['dilation_rate'])}: Keras refuses both above 1"
        )
    out, fields = [], []
    for n, k, s, d, axis in zip(sides, kernel, strides, rates, field or (None, None), strict=True):
        out.append(geometry.output_size(n, k, s, layer["padding"], d))
        if axis:
            start, size, jump = axis
            before, _ = geometry.pad_amounts(n, k, s, layer["padding"], d)
            fields.append((start - before * jump, size + (geometry.effective_kernel_size(k, d) - 1) * jump, jump * s))
    if layer["type"].endswith("Pooling2D"):
        filters = channels
        params = macs = 0
    elif layer["type"] == "DepthwiseConv2D":
        filters = channels
        weights = math.prod(kernel) * channels
        params, macs = weights + layer["use_bias"] * channels, math.prod(out) * weights
    else:
        filters = layer["filters"]
        params = geometry.conv_params(kernel, channels, filters, layer["use_bias"])
        macs = geometry.conv_macs(tuple(out), kernel, channels, filters)
    return (*out, filters), tuple(fields) or None, params, 0, macs


def _join_shapes(kind, shapes):
    if len(shapes) < 2:
        raise ValueError(f"{kind} needs two inputs or more, and reads one")
    if kind == "Add":
        return functools.reduce(_added, shapes)
    first = shapes[0]
    for shape in shapes[1:]:
        if len(shape) != len(first) or shape[:-1] != first[:-1]:
            raise ValueError(f"{show(first)} and {show(shape)} cannot stand behind one another: their sides differ")
    return (*first[:-1], sum(shape[-1] for shape in shapes))


def _added(a, b):
    """Return the shape of a sum: Keras spreads sides of 1, and a shorter shape over the last sides of a longer one."""
    a, b = sorted((a, b), key=len, reverse=True)
    sides = zip(a, (1,) * (len(a) - len(b)) + b, strict=True)
    if any(one != other and 1 not in (one, other) for one, other in sides):
        raise ValueError(f"{show(a)} and {show(b)} cannot be added: their shapes differ")
    return tuple(max(pair) for pair in zip(a, (1,) * (len(a) - len(b)) + b, strict=True))


def joined(taken):
    """Return the union of the fields that meet, None where they do not lie on one grid, as in cnnlib.summary."""
    fields = [one.field for one in taken]
    if None in fields or not fields or len({tuple(jump for _, _, jump in field) for field in fields}) > 1:
        return None
    union = []
    for axes in zip(*fields, strict=True):
        first, end = min(a for a, _, _ in axes), max(a + size for a, size, _ in axes)
        union.append((first, end - first, axes[0][2]))
    return tuple(union)


def _fixed(layer, taken):
    shapes = [list(one.shape) for one in taken]
    if layer["shape"] is not None and shapes != layer["seen"] or not taken and layer["shape"] is None:
        raise ValueError(f"{layer['class']} is known for {show(layer['seen'])} only, and reads {show(shapes)}")
    field, window = joined(taken), layer["window"]
    if field and window and len(field) == len(window):
        moves = zip(field, window, strict=True)
        field = tuple((a + begin * j, size + (grown - 1) * j, j * step) for (a, size, j), (begin, grown, step) in moves)
    else:
        field = None
    trained = layer["trainable_params"]
    shape = taken[0].shape if layer["shape"] is None else tuple(layer["shape"])
    return shape, field, trained, layer["params"] - trained, layer["macs"]


def zeros(padding):
    """Return ((top, bottom), (left, right)) of a ZeroPadding2D row."""
    return tuple(map(tuple, padding)) if isinstance(padding, list) else ((padding, padding),) * 2


def _one(values):
    return values[0] if len(set(values)) == 1 else tuple(values)


def peak(leaves):
    """Return the most numbers that have to be there at one time when layer after layer runs and frees what nobody reads later."""
    last = {source: i for i, leaf in enumerate(leaves) for source in leaf.sources}
    ends = {}
    for source, i in last.items():
        ends.setdefault(i, []).append(source)
    held = most = 0
    for i, leaf in enumerate(leaves):
        held += leaf.size
        most = max(most, held)
        held -= sum(leaves[source].size for source in ends.get(i, ()))
    return most


# --- code -------------------------------------------------------------------------------------------------------


def arguments(layer):
    """Return the keyword arguments that a row gives to Keras, those with Keras's own value left out."""
    kind, given = layer["type"], {}
    pool = kind in ("MaxPooling2D", "AveragePooling2D")
    usual = TYPES[kind] | ({"strides": layer["kernel_size"]} if pool else {})
    for key in () if kind in ("Fixed", "Shared") else TYPES[kind]:
        if key in DATA["positional"].get(kind, ()) or layer[key] != usual[key]:
            given["pool_size" if pool and key == "kernel_size" else key] = layer[key]
    if layer.get("trainable", True) is False:
        given["trainable"] = False
    named = {"name": re.sub(r"[^A-Za-z0-9_.-]", "_", layer["name"])} if layer.get("name") and kind not in BLOCKS else {}
    return given | more(layer) | named


def more(layer):
    """Return the further arguments of a row, as far as they are names with numbers, words, lists of them."""
    try:
        found = json.loads(layer.get("arguments", "{}"))
    except ValueError:
        return {}
    plain = re.compile(r'["\w ,.+\[\]-]*', re.ASCII)
    return {
        key: value
        for key, value in found.items()
        if re.fullmatch(r"[A-Za-z_]\w*", key, re.ASCII) and plain.fullmatch(json.dumps(value))
    }


def called_with(layer, classes):
    """Return the arguments that a row gives to Keras as code, the first ones without their names."""
    given, first = arguments(layer), len(DATA["positional"].get(layer["type"], ()))
    texts = [as_code(classes if value is None and layer["type"] == "Dense" else value) for value in given.values()]
    return ", ".join([*texts[:first], *(f"{key}={text}" for key, text in list(zip(given, texts, strict=True))[first:])])


def called(text):
    """Return a text as a Python name."""
    name = re.sub(r"\W", "_", text, flags=re.ASCII)
    return f"_{name}" if not name or name[0].isdigit() else name


def code(layers, shape, classes):
    """Return Keras code, functional, that builds the net."""
    readers = {i: [j for j in range(len(layers)) if i in sources_of(layers, j)] for i in range(-1, len(layers))}
    kinds = {layer["type"] for layer in layers}
    names = {-1: "inputs"} | {i: "x" if readers[i] in ([], [i + 1]) else f"x{i + 1}" for i in range(len(layers))}
    ends = [i for i in range(len(layers)) if not readers[i] and layers[i].get("shape") != []]
    names |= {i: f"x{i + 1}" for i in ends[:-1]}
    reused = {layer["name"] for layer in layers if layer["type"] == "Shared" and "name" in layer}
    inputs, lines = ["inputs"], []
    for i, layer in enumerate(layers):
        kind, read = layer["type"], [names[place] for place in sources_of(layers, i)]
        text = called_with(layer, classes)
        reads = read[0] if len(read) == 1 and kind not in JOINS else f"[{', '.join(read)}]"
        what, note = called(layer.get("class", kind)), ""
        if kind in BLOCKS:
            call = f"{_snake(kind)}({', '.join([reads, *filter(None, [text])])})"
        elif kind == "Shared":
            call = f"layer_{called(layer['name'])}({reads})"
        elif what == "InputLayer":
            inputs.append(f"x{i + 1}")
            names[i] = f"x{i + 1}"
            call = f"keras.Input({as_code(layer['shape'])})"
        elif kind == "Fixed" and layer["shape"] == []:
            continue
        else:
            own = kind == "Fixed" and "arguments" not in layer
            note = "  # your own layer" if own else ""
            maker = f"{'' if own else 'layers.'}{what}({text})"
            if layer.get("name") in reused:
                lines.append(f"layer_{called(layer['name'])} = {maker}{note}")
                reused.discard(layer["name"])
                maker, note = f"layer_{called(layer['name'])}", ""
            call = f"{maker}({reads})"
        lines.append(f"{names[i]} = {call}{note}")
    heads = ["import keras", "from keras import layers", ""]
    blocks = [["", *DATA["code"][kind], ""] for kind in BLOCKS if kind in kinds]
    heads += [line for block in blocks for line in block] + [""] * bool(blocks)

    def several(all_names):
        return all_names[0] if len(all_names) == 1 else f"[{', '.join(all_names)}]"

    end = f"model = keras.Model({several(inputs)}, {several([names[i] for i in ends] or ['inputs'])})"
    return "\n".join([*heads, f"inputs = keras.Input({as_code(list(shape))})", *lines, end])


def _snake(name):
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
