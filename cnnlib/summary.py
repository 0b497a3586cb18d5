"""A built Keras model as rows: shapes, parameters, multiply-accumulates, receptive field, and the arithmetic.

`summarize(model)` follows the model's graph from its inputs to its outputs, through branches and joins.
Parameters are the sizes of the layer's own weights, so they equal Keras's counts. Receptive fields follow
`cnnlib.geometry`'s rules, as in https://distill.pub/2019/computing-receptive-fields/.

Keras is imported when `summarize` is called, not before.
"""

import functools
import html
import math
import re
from typing import NamedTuple

from cnnlib import geometry
from cnnlib.graph import graph_of, inner_graph, nodes, own_graph

__all__ = ["Row", "Summary", "summarize"]


class Row(NamedTuple):
    """One layer. Shapes are Keras's: the batch first, None where a side is open.

    `output_shape` is a tuple of shapes for a layer with several outputs.

    `macs` are the multiply-accumulates for one image, the bias not counted: those of convolutions and dense
    layers. They are 0 for layers without weights and for normalisation, and None for other layers that hold
    weights and where a side is open. A transposed convolution takes every weight once for every input cell.

    `receptive_field` and `jump` are in cells of the model's input: an integer, or (height, width) where they
    differ. They are None where the grid of the image is gone (after Flatten, global pooling, Reshape), where
    not all outputs have the same field (after UpSampling and Conv2DTranspose), after branches whose jumps
    differ, and after layers not known here.

    `why` is the arithmetic behind `params`, `why_macs` the one behind `macs`.
    """

    name: str
    type: str
    output_shape: tuple | None
    params: int
    trainable_params: int
    macs: int | None
    receptive_field: int | tuple | None
    jump: int | tuple | None
    why: str
    why_macs: str = ""


class _Axis(NamedTuple):
    """What one output sees along one axis of the input: see geometry.receptive_field_start."""

    start: int | None  # of the first output's field; None where a side of the input is open
    size: int
    jump: int


class _Place(NamedTuple):
    """What is known of a tensor: its shape, and the receptive field (one _Axis a spatial axis) or None."""

    shape: tuple
    field: tuple | None


class _Call(NamedTuple):
    """One use of a layer."""

    layer: object
    name: str
    inputs: list  # of _Place
    outputs: list  # of _Place


def summarize(model):
    """Return a `Summary`, a list with one `Row` a layer, in the order of `model.summary()`.

    Nested models and blocks are shown by their layers, named "block/layer". A layer that is used several times
    has one row, with the multiply-accumulates of all its uses. A subclassed model is traced by calling it on a
    symbolic input of the shape that it was built with, and so are blocks that are subclassed; a block that
    cannot be traced is one row.

    Raises TypeError for what is no Keras model; ValueError for a model that is not built, or a subclassed
    model whose `call` does more than call Keras layers and keras.ops.
    """
    import keras

    if not isinstance(model, keras.Model):
        raise TypeError(f"model={model!r} is not a Keras model: use a keras.Model or keras.Sequential")
    idle = [layer.name for layer in model._flatten_layers(include_self=True) if not layer.built]
    if idle:
        more = ", ..." if len(idle) > 3 else ""
        raise ValueError(
            f"model={model.name!r} is not built, so it has no shapes yet (not built: {', '.join(idle[:3])}{more}): "
            "begin it with keras.Input(shape=...), or call it once on a batch of images"
        )
    graph = graph_of(model)
    inputs = [_Place(tuple(x.shape), _whole(x.shape)) for x in graph[0]]

    uses = {}
    for call in _walk(model, graph, inputs)[0]:
        uses.setdefault(id(call.layer), []).append(call)
    rows, seen = [], set()
    for calls in uses.values():
        rows.append(_row(calls, seen))
    others = [w for w in model.weights if id(w) not in seen]
    if others:
        params, why, _ = _parameters(others, None)
        trainable = sum(math.prod(w.shape) for w in others if w.trainable)
        why = f"{why}: weights that the model holds itself or that its graph does not use"
        rows.append(Row(model.name, type(model).__name__, None, params, trainable, None, None, None, why))
    return Summary(rows, model.name)


# --- the walk through the graph ------------------------------------------------------------------------------


def _walk(model, graph, inputs, prefix=""):
    """Carry the inputs' places through the graph; return (calls of layers in order, the outputs' places)."""
    import keras

    members = {id(layer): i for i, layer in enumerate(getattr(model, "layers", []))} if own_graph(model) else {}
    places = {id(x): place for x, place in zip(graph[0], inputs, strict=True)}
    found = []
    for node in nodes(*graph):
        layer = node.operation
        if all(id(x) in places for x in node.output_tensors):  # where the graph begins
            if not prefix and id(layer) in members:  # Keras lists the input of a functional model as a layer
                place = places[id(node.output_tensors[0])]
                found.append((members[id(layer)], [_Call(layer, layer.name, [], [place])]))
            continue
        taken = [places[id(x)] for x in node.input_tensors]
        inside = inner_graph(layer, node)
        if inside:
            calls, given = _walk(layer, inside, taken, f"{prefix}{layer.name}/")
        else:
            shapes = _output_shapes(node, taken)
            given = [_Place(shape, _field(layer, taken, shape)) for shape in shapes]
            known = isinstance(layer, keras.layers.Layer)  # keras.ops are followed but have no row
            calls = [_Call(layer, prefix + layer.name, taken, given)] if known else []
        places.update((id(x), place) for x, place in zip(node.output_tensors, given, strict=True))
        found.append((members.get(id(layer), len(found)), calls))
    if members:
        found.sort(key=lambda entry: entry[0])
    return [call for _, calls in found for call in calls], [places[id(x)] for x in graph[1]]


def _output_shapes(node, taken):
    """Return the shapes that Keras recorded, or asks Keras again where a nested model meets another shape."""
    import keras

    if all(place.shape == tuple(x.shape) for place, x in zip(taken, node.input_tensors, strict=True)):
        return [tuple(x.shape) for x in node.output_tensors]
    fresh = {id(x): keras.KerasTensor(place.shape, x.dtype) for place, x in zip(taken, node.input_tensors, strict=True)}
    args, kwargs = keras.tree.map_structure(
        lambda value: fresh.get(id(value), value), (node.arguments.args, node.arguments.kwargs)
    )
    return [tuple(x.shape) for x in keras.tree.flatten(node.operation.compute_output_spec(*args, **kwargs))]


# --- receptive fields ---------------------------------------------------------------------------------------


@functools.cache
def _kinds():
    """Return Keras's layer classes by what they do to a receptive field; Keras has not every name in each rank."""
    from keras import layers

    def classes(*names):
        return tuple(getattr(layers, name) for name in names if hasattr(layers, name))

    def ranks(*names):
        return classes(*(f"{name}{rank}D" for name in names for rank in (1, 2, 3)))

    return {
        "conv": ranks("Conv", "DepthwiseConv", "SeparableConv"),
        "transposed": classes(*(f"Conv{rank}DTranspose" for rank in (1, 2, 3))),
        "pool": ranks("MaxPooling", "AveragePooling"),
        "pad": ranks("ZeroPadding"),
        "crop": ranks("Cropping"),
        "along": classes("LayerNormalization", "UnitNormalization", "Softmax"),
        "whole": classes("GroupNormalization"),  # its means are over all cells
        "join": classes("Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum", "Concatenate"),
        "cellwise": classes(
            "Activation", "ReLU", "LeakyReLU", "PReLU", "ELU", "Dropout", "AlphaDropout",
            "GaussianDropout", "GaussianNoise", "ActivityRegularization", "Rescaling", "Normalization",
            "BatchNormalization", "Identity", "Dense",
            # augmentation passes the image on unchanged when the model is used
            "RandomFlip", "RandomRotation", "RandomTranslation", "RandomZoom", "RandomContrast", "RandomBrightness",
        ) + ranks("SpatialDropout"),
    }  # fmt: skip


# keras.ops that work cell by cell and may stand in a functional model, by the class that Keras gives them
_CELLWISE_OPS = {
    "Add", "Subtract", "Multiply", "Divide", "TrueDivide", "Maximum", "Minimum", "Absolute", "Negative", "Square",
    "Sqrt", "Exp", "Log", "Clip", "Relu", "Relu6", "LeakyRelu", "Elu", "Selu", "Gelu", "Silu", "Sigmoid",
    "HardSigmoid", "Tanh",
}  # fmt: skip


def _is(layer, *kinds):
    return any(isinstance(layer, _kinds()[kind]) for kind in kinds)


def _whole(shape):
    """Return the field of the model's own input: every cell sees itself."""
    return (_Axis(0, 1, 1),) * (len(shape) - 2) if len(shape) > 2 else None


def _field(layer, inputs, output_shape):
    """Return the receptive field after a layer, None where it has none or is not known."""
    import keras

    if not inputs or any(place.field is None for place in inputs):
        return None
    field = inputs[0].field
    if not isinstance(layer, keras.layers.Layer):
        same_grid = len(output_shape) == len(field) + 2
        return _join(inputs) if same_grid and type(layer).__name__ in _CELLWISE_OPS else None
    if _is(layer, "join"):
        channel_axis = isinstance(layer, keras.layers.Concatenate) and layer.axis in (-1, len(output_shape) - 1)
        return _join(inputs) if channel_axis or not isinstance(layer, keras.layers.Concatenate) else None
    if _is(layer, "along"):  # one number from many along its axes
        axes = layer.axis if isinstance(layer.axis, (list, tuple)) else [layer.axis]
        return field if {axis % len(output_shape) for axis in axes} == {len(output_shape) - 1} else None
    if _is(layer, "cellwise"):
        return field
    if _is(layer, "conv", "pool"):
        sides = _sides(inputs[0].shape, layer)
        sizes = layer.kernel_size if _is(layer, "conv") else layer.pool_size
        rates = layer.dilation_rate if _is(layer, "conv") else (1,) * len(sides)
        settings = zip(field, sides, sizes, layer.strides, rates, strict=True)
        return tuple(_slide(axis, n, k, s, layer.padding, d) for axis, n, k, s, d in settings)
    if _is(layer, "pad", "crop"):
        amounts = layer.padding if _is(layer, "pad") else layer.cropping
        amounts = amounts if isinstance(amounts[0], (tuple, list)) else (amounts,)
        sign = -1 if _is(layer, "pad") else 1
        moves = zip(field, amounts, strict=True)
        return tuple(
            axis._replace(start=None if axis.start is None else axis.start + sign * before * axis.jump)
            for axis, (before, _) in moves
        )
    return None


def _slide(axis, n, k, s, padding, d):
    """Return the axis after a sliding window."""
    size = axis.size + (geometry.effective_kernel_size(k, d) - 1) * axis.jump
    if n is None or axis.start is None:
        return _Axis(None, size, axis.jump * s)
    before, _ = geometry.pad_amounts(n, k, s, padding, d)
    return _Axis(axis.start - before * axis.jump, size, axis.jump * s)


def _join(places):
    """Return the union of the fields that meet, None where they do not lie on one grid."""
    fields = [place.field for place in places]
    if len({tuple(axis.jump for axis in field) for field in fields}) > 1:
        return None
    joined = []
    for axes in zip(*fields, strict=True):
        if any(axis.start is None for axis in axes):
            joined.append(_Axis(None, max(axis.size for axis in axes), axes[0].jump))
        else:
            first = min(axis.start for axis in axes)
            end = max(axis.start + axis.size for axis in axes)
            joined.append(_Axis(first, end - first, axes[0].jump))
    return tuple(joined)


def _sides(shape, layer):
    """Return the spatial sides of a shape, None where they are open."""
    return shape[2:] if getattr(layer, "data_format", None) == "channels_first" else shape[1:-1]


# --- rows and their arithmetic ------------------------------------------------------------------------------


def _row(calls, seen):
    """Return the row of a layer from its uses; `seen` collects the weights that have been counted."""
    layer = calls[0].layer
    weights = [w for w in layer.weights if id(w) not in seen]
    seen.update(id(w) for w in weights)
    trainable = {id(w) for w in layer.trainable_weights}
    params, why, legend = _parameters(weights, layer)

    fields = {call.outputs[0].field for call in calls}
    field = fields.pop() if len(fields) == 1 else None
    shapes = [place.shape for place in calls[0].outputs]
    macs, why_macs = _macs(layer, calls)
    return Row(
        name=calls[0].name,
        type=type(layer).__name__,
        output_shape=shapes[0] if len(shapes) == 1 else tuple(shapes),
        params=params,
        trainable_params=sum(math.prod(w.shape) for w in weights if id(w) in trainable),
        macs=macs,
        receptive_field=field and _one_number([axis.size for axis in field]),
        jump=field and _one_number([axis.jump for axis in field]),
        why=f"{why} ({legend})" if legend else why,
        why_macs=why_macs,
    )


def _one_number(values):
    return values[0] if len(set(values)) == 1 else tuple(values)


def _sum_of_products(products):
    """Return a sum of products as a number and as text, such as (456, "5·5·3·6 + 6 = 456")."""
    number = sum(math.prod(factors) for factors in products)
    text = " + ".join("·".join(map(str, factors)) for factors in products)
    return number, text if text == str(number) else f"{text} = {number:,}"


def _parameters(weights, layer):
    """Return the number of weights, the arithmetic, and what its factors are."""
    if not weights:
        return 0, "no weights", ""
    number, why = _sum_of_products([tuple(w.shape) or (1,) for w in weights])
    return number, why, " + ".join(_factors(w, layer) for w in weights)


def _factors(weight, layer):
    """Return what the sides of a weight tensor are."""
    name = weight.name
    if name.endswith("kernel") and _is(layer, "conv", "transposed"):
        window = {1: "steps", 2: "height·width", 3: "depth·height·width"}[len(weight.shape) - 2]
        channels = "channels in / groups" if getattr(layer, "groups", 1) > 1 else "channels in"
        if _is(layer, "transposed"):
            return f"{window}·filters·channels in"
        if name == "depthwise_kernel" or hasattr(layer, "depth_multiplier") and name == "kernel":
            return f"{window}·channels·multiplier"
        return f"{window}·{channels}·filters"
    if name == "kernel" and len(weight.shape) == 2:
        return "inputs·units"
    return name.replace("_", " ")


def _macs(layer, calls):
    """Return the multiply-accumulates of all uses of a layer, and the arithmetic."""
    import keras

    if not layer.weights:
        return 0, ""
    dense = isinstance(layer, keras.layers.Dense)
    if not dense and not _is(layer, "conv", "transposed"):
        return (0, "") if _is(layer, "along", "cellwise", "whole") else (None, "")
    products = []
    for call in calls:
        shape = (call.inputs if _is(layer, "transposed") else call.outputs)[0].shape
        places = shape[1:-1] if dense else _sides(shape, layer)
        if None in places:
            return None, ""
        kernels = [w for w in layer.weights if w.name.endswith("kernel")]
        products += [(*places, *w.shape) for w in kernels]
    return _sum_of_products(products)


# --- display ------------------------------------------------------------------------------------------------


_CAMEL = re.compile(r"(?<=[a-z\d])(?=[A-Z][a-z])")  # between the words of BatchNormalization
_HEADINGS = ("layer", "type", "output shape", "parameters", "MACs", "receptive field", "jump")


class Summary(list):
    """Rows of `summarize`: a list that prints as a table, and in a notebook shows each number's arithmetic."""

    def __init__(self, rows, name=""):
        """Keep the rows and the model's name."""
        super().__init__(rows)
        self.name = name

    @property
    def params(self):
        """All parameters, equal to model.count_params()."""
        return sum(row.params for row in self)

    @property
    def trainable_params(self):
        """The parameters that training changes."""
        return sum(row.trainable_params for row in self)

    @property
    def macs(self):
        """The multiply-accumulates for one image, of the rows where they are known."""
        return sum(row.macs or 0 for row in self)

    def _cells(self, row):
        return (
            row.name,
            row.type,
            _shape_text(row.output_shape),
            f"{row.params:,}",
            "?" if row.macs is None else f"{row.macs:,}",
            _pair_text(row.receptive_field),
            _pair_text(row.jump),
        )

    def _total(self):
        more = " or more" if any(row.macs is None and row.params for row in self) else ""
        return f"{self.params:,}", f"{self.macs:,}{more}"

    def __repr__(self):
        """Return the table as plain text."""
        params, macs = self._total()
        lines = [_HEADINGS, *map(self._cells, self), ("total", "", "", params, macs, "", "")]
        widths = [max(len(line[i]) for line in lines) for i in range(len(_HEADINGS))]
        left = 3  # names to the left, numbers to the right
        text = [
            "  ".join(c.ljust(w) if i < left else c.rjust(w) for i, (c, w) in enumerate(zip(line, widths, strict=True)))
            for line in lines
        ]
        rule = "-" * len(text[0])
        still = self.params - self.trainable_params
        note = f"{self.trainable_params:,} parameters are trainable, {still:,} are not"
        return "\n".join(line.rstrip() for line in [text[0], rule, *text[1:-1], rule, text[-1], note])

    def _repr_html_(self):
        def numbers(row):
            why = row.why
            if 0 < row.trainable_params < row.params:
                why += f", of which {row.trainable_params:,} are trainable"
            elif row.params and not row.trainable_params:
                why += ", none of them trainable"
            return {3: why if row.params else "", 4: row.why_macs}

        body = []
        for row in self:
            name, kind, *cells = map(html.escape, self._cells(row))
            name, kind = name.replace("_", "_<wbr/>"), _CAMEL.sub("<wbr/>", kind)  # where a narrow table may break them
            cells = [kind, *cells]
            why = numbers(row)
            tags = [
                f"<td><details><summary>{cell}</summary>{html.escape(why[i])}</details></td>"
                if why.get(i)
                else f"<td>{cell}</td>"
                for i, cell in enumerate(cells, 1)
            ]
            body.append(f'<tr><th scope="row">{name}</th>{"".join(tags)}</tr>')
        params, macs = self._total()
        head = "".join(f'<th scope="col">{heading}</th>' for heading in _HEADINGS)
        label = html.escape(f"Layers of {self.name}" if self.name else "Layers of the model", quote=True)
        return (
            f'<div class="cnnlib-summary" role="region" aria-label="{label}" tabindex="0" '
            'style="overflow-x: auto">'
            f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(body)}</tbody>"
            f'<tfoot><tr><th scope="row">total</th><td></td><td></td><td>{params}</td><td>{macs}</td>'
            "<td></td><td></td></tr></tfoot></table>"
            f"<p>{self.trainable_params:,} parameters are trainable, "
            f"{self.params - self.trainable_params:,} are not. Open a number to see its arithmetic.</p></div>"
        )


def _shape_text(shape):
    """Return a shape without the batch, such as 28 × 28 × 6."""
    if not shape:
        return ""
    if isinstance(shape[0], tuple):
        return ", ".join(map(_shape_text, shape))
    return " × ".join("?" if side is None else str(side) for side in shape[1:])


def _pair_text(value):
    if value is None:
        return "–"
    return " × ".join(map(str, value)) if isinstance(value, tuple) else str(value)
