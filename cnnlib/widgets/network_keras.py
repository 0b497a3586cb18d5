"""Keras models to the rows of the network designer, and back. Keras is imported when a function is called."""

import inspect
import json

from cnnlib import summary
from cnnlib.graph import graph_of, inner_graph, nodes
from cnnlib.widgets import network_rows as net
from cnnlib.widgets.traits import folded

_PLAIN = (bool, int, float, str, type(None))
_NOT_ARGUMENTS = {"name", "dtype", "trainable", "data_format", "batch_shape", "batch_input_shape", "input_shape"}


# --- a model as rows ----------------------------------------------------------------------------------------


def read(model, input_shape, check):
    """Return (rows, nodes by the names of the rows that only their nodes can build, input shape).

    `check(row)` returns the row as the trait has it, or raises ValueError where it is out of range.
    Raises TypeError and ValueError as `cnnlib.summary.summarize` does, and ValueError for a model without an image.
    """
    table = summary.summarize(model)
    graph = graph_of(model)
    images = [i for i, x in enumerate(graph[0]) if len(x.shape) == 4]
    if not images:
        raise ValueError(
            f"model={model.name!r} takes no image (height, width, channels): {[tuple(x.shape) for x in graph[0]]}"
        )
    main = images[0]
    shape = tuple(graph[0][main].shape[1:])
    if input_shape is not None:
        if len(input_shape) != 3 or any(own not in (None, side) for own, side in zip(shape, input_shape, strict=True)):
            raise ValueError(
                f"input_shape={net.show(input_shape)} does not go into model={model.name!r}, which takes {net.show(shape)}"
            )
        shape = tuple(input_shape)
    if None in shape:
        raise ValueError(
            f"model={model.name!r} takes {net.show(shape)}: say which sides, as in input_shape=(224, 224, 3)"
        )
    reader = _Reader(check, {row.name: row for row in table})
    places = []
    for i, x in enumerate(graph[0]):
        own = (
            summary._Place((None, *shape), summary._whole((None, *shape)))
            if i == main
            else summary._Place(tuple(x.shape), None)
        )
        if i == main:
            reader.first = own
            places.append((-1, own))
        else:
            places.append((reader.fixed("InputLayer", x.name, [], own, shape=x.shape[1:]), own))
    reader.follow(graph, places, "")
    reader.left_over(model)
    return reader.rows, reader.originals, shape


class _Reader:
    """Collects rows while it follows a model's graph."""

    def __init__(self, check, table):
        self.check, self.table = check, table
        self.rows, self.places, self.originals = [], [], {}
        self.uses, self.seen = {}, set()

    def follow(self, graph, sources, prefix):
        """Add the rows of a graph; return the (place, tensor) of each of its outputs."""
        known = {id(x): source for x, source in zip(graph[0], sources, strict=True)}
        for node in nodes(*graph):
            if all(id(x) in known for x in node.output_tensors):
                continue  # where the graph begins
            layer, taken = node.operation, [known[id(x)] for x in node.input_tensors]
            inside = inner_graph(layer, node)
            if inside:
                given = self.follow(inside, taken, f"{prefix}{layer.name}/")
            else:
                given = self.add(node, prefix + layer.name, taken)
            known.update((id(x), source) for x, source in zip(node.output_tensors, given, strict=True))
        return [known[id(x)] for x in graph[1]]

    def add(self, node, name, taken):
        """Add a row for a use of a layer, or of one of keras.ops; more rows where it has several outputs."""
        layer, tensors = node.operation, [tensor for _, tensor in taken]
        shapes = summary._output_shapes(node, tensors)
        outputs = [summary._Place(shape, summary._field(layer, tensors, shape)) for shape in shapes]
        places = [place for place, _ in taken]
        params, trained = self._weights(layer)
        first = self.uses.setdefault(id(layer), len(self.rows))
        row = None
        if first < len(self.rows):  # used before
            if self.rows[first]["type"] != "Fixed" and len(outputs) == 1:
                row = {"type": "Shared", "name": self.rows[first]["name"]}
        else:
            row = known(layer, len(taken))
            if row is not None:
                row["name"] = name
                if params and not trained:
                    row["trainable"] = False
        row = row and self._checked(row, tensors, outputs[0], params, trained)
        if row is None:
            row = self._as_fixed(layer, name, tensors, outputs[0], params, trained, first == len(self.rows))
            self.originals[row["name"]] = node
        place = self._put(row, places, outputs[0])
        given = [(place, outputs[0])]
        for number, output in enumerate(outputs[1:], 2):
            more = self.fixed(type(layer).__name__, f"{name} output {number}", [place], output, shape=output.shape[1:])
            given.append((more, output))
        return given

    def fixed(self, kind, name, places, output, **numbers):
        """Add a row that nothing is known of but its numbers."""
        seen = [list(self.places[place].shape[1:]) for place in places]
        row = net.complete("Fixed") | {"class": kind, "seen": seen, "name": name} | numbers
        return self._put(row | {"shape": list(row["shape"])}, places, output)

    def _put(self, row, places, output):
        if places != [len(self.rows) - 1]:
            row = row | {"inputs": places}
        self.rows.append(self.check(row))
        self.places.append(output)
        return len(self.rows) - 1

    def _weights(self, layer):
        weights = [w for w in getattr(layer, "weights", []) if id(w) not in self.seen]
        self.seen.update(map(id, weights))
        trained = {id(w) for w in layer.trainable_weights} if weights else set()
        return sum(_size(w) for w in weights), sum(_size(w) for w in weights if id(w) in trained)

    def _checked(self, row, tensors, output, params, trained):
        """Return the row where its numbers are those that Keras has, else None."""
        try:
            row = self.check(row)
            own = self.rows[self._named(row["name"])] if row["type"] == "Shared" else row
            taken = [
                net.Tensor(tensor.shape[1:], tensor.field and tuple(map(tuple, tensor.field)), 0) for tensor in tensors
            ]
            shape, field, weights, others, _ = net.one_layer(own, taken, 1)
        except ValueError:
            return None
        field = field and tuple(summary._Axis(*axis) for axis in field)
        total = 0 if row["type"] == "Shared" else weights + others
        own_trained = weights if total and row.get("trainable", True) else 0
        same = shape == output.shape[1:] and field == output.field and (total, own_trained) == (params, trained)
        return row if same else None

    def _named(self, name):
        return next(i for i, row in enumerate(self.rows) if row.get("name") == name)

    def _as_fixed(self, layer, name, tensors, output, params, trained, new):
        shape, seen = list(output.shape[1:]), [list(tensor.shape[1:]) for tensor in tensors]
        if new:
            table = self.table.get(name)
            macs = table.macs if table is not None else 0 if _is_op_without_products(layer) else None
        else:
            name, macs = f"{name} (use {sum(row.get('name', '').startswith(name) for row in self.rows) + 1})", None
        unit = [summary._Place(tensor.shape, summary._whole(tensor.shape)) for tensor in tensors]
        field = summary._field(layer, unit, output.shape)
        import keras

        row = net.complete("Fixed") | {
            "class": type(layer).__name__,
            "seen": seen,
            "shape": shape,
            "params": params,
            "trainable_params": trained,
            "macs": macs,
            "window": field and [list(axis) for axis in field],
            "name": name,
        }
        if (
            not params
            and isinstance(layer, keras.layers.Layer)
            and summary._is(layer, "along", "cellwise")
            and seen == [shape]
        ):
            row |= {"seen": [], "shape": None}  # whatever comes in goes out in the same shape
        given = _arguments(layer) if new and isinstance(layer, keras.layers.Layer) else None
        if given is not None and trained == 0 < params:
            given["trainable"] = False
        return row | ({} if given is None else {"arguments": json.dumps(given)})

    def left_over(self, model):
        """Add a row for weights that the model holds itself or that its graph does not use."""
        others = [w for w in model.weights if id(w) not in self.seen]
        if others:
            trained = sum(_size(w) for w in others if w.trainable)
            place = summary._Place((None,), None)
            self.fixed(
                type(model).__name__,
                model.name,
                [],
                place,
                shape=[],
                params=sum(map(_size, others)),
                trainable_params=trained,
            )


def _size(weight):
    size = 1
    for side in weight.shape:
        size *= side
    return size


def _is_op_without_products(layer):
    import keras

    return not isinstance(layer, keras.layers.Layer) and type(layer).__name__ not in ("Matmul", "Dot", "Einsum", "Conv")


def known(layer, inputs):
    """Return the row of a Keras layer whose type the designer knows, None for others."""
    kind = type(layer).__name__
    if not type(layer).__module__.startswith("keras."):
        return None
    import keras

    if not isinstance(layer, keras.layers.Layer):  # keras.ops
        return net.complete("Add") if kind == "Add" and inputs > 1 else None
    if kind not in net.TYPES or kind in (*net.BLOCKS, "Fixed", "Shared"):
        return None
    if (kind in net.JOINS) == (inputs == 1):
        return None
    config = layer.get_config()
    if config.get("data_format", "channels_last") != "channels_last":
        return None
    axis = config.get("axis", -1)
    if axis not in (-1, [-1]) and axis not in (len(layer.output.shape) - 1, [len(layer.output.shape) - 1]):
        return None
    row = {"type": kind}
    for key in net.TYPES[kind]:
        value = config["pool_size" if key == "kernel_size" and "pool_size" in config else key]
        row[key] = list(map(list, value)) if kind == "ZeroPadding2D" else folded(value)
    if kind == "ZeroPadding2D" and len({side for axis in row["padding"] for side in axis}) == 1:
        row["padding"] = row["padding"][0][0]
    if not isinstance(row.get("activation", ""), str):
        return None
    more = _arguments(layer)
    if more is None:
        return row
    more = {key: value for key, value in more.items() if key not in (*net.TYPES[kind], "axis", "pool_size")}
    return row | ({"arguments": json.dumps(more)} if more else {})


def _arguments(layer):
    """Return the plain arguments with which one of Keras's layers was made where they are not Keras's own, None for others' layers."""
    if not type(layer).__module__.startswith("keras."):
        return None
    config = layer.get_config()
    given = {}
    for name, parameter in inspect.signature(type(layer).__init__).parameters.items():
        value = config.get(name)
        if (
            name in _NOT_ARGUMENTS
            or name not in config
            or not _is_plain(value)
            or (name, value) == ("activation", "linear")
        ):
            continue
        if parameter.default is inspect.Parameter.empty or _listed(parameter.default) != _listed(value):
            given[name] = _listed(value)
    if config.get("data_format", "channels_last") not in ("channels_last", None):
        given["data_format"] = config["data_format"]
    return given


def _is_plain(value):
    return all(map(_is_plain, value)) if isinstance(value, (tuple, list)) else isinstance(value, _PLAIN)


def _listed(value):
    return list(map(_listed, value)) if isinstance(value, (tuple, list)) else value


# --- rows as a model ----------------------------------------------------------------------------------------


def build(layers, shape, classes, originals):
    """Return the Keras model of rows that all have an output. ValueError for a Fixed row that nobody can build."""
    import keras

    first = keras.Input(shape)
    made, inputs = {}, [first]
    tensors = _grow(layers, first, classes, originals, made, inputs)
    read = {place for i in range(len(layers)) for place in net.sources_of(layers, i)}
    ends = [x for i, x in enumerate(tensors) if i not in read and x is not None]
    outputs = ends or [first]
    return keras.Model(inputs if inputs[1:] else first, outputs if outputs[1:] else outputs[0])


def _grow(layers, first, classes, originals, made, inputs):
    import keras

    tensors, several = [], {}
    for i, layer in enumerate(layers):
        taken = [first if place < 0 else tensors[place] for place in net.sources_of(layers, i)]
        kind, name = layer["type"], layer.get("name")
        if kind in net.BLOCKS:
            x = _grow(net.expand(layer), taken[0], classes, {}, {}, inputs)[-1]
        elif kind == "Shared":
            x = made[name](taken[0])
        elif kind == "Fixed":
            x = _fixed(f"layers[{i}]", layer, taken, originals, made, several, inputs)
        else:
            given = net.arguments(layer) | ({"units": classes} if kind == "Dense" and layer["units"] is None else {})
            own = getattr(keras.layers, kind)(**given)
            made.setdefault(name, own)
            x = own(taken if kind in net.JOINS else taken[0])
        tensors.append(x)
    return tensors


def _fixed(place, layer, taken, originals, made, several, inputs):
    import keras

    name = layer.get("name", "")
    if layer["class"] == "InputLayer":
        inputs.append(keras.Input(layer["shape"]))
        return inputs[-1]
    if layer["shape"] == []:
        return None
    base, _, number = name.rpartition(" output ")
    if base in several:
        return several[base][int(number) - 1]
    if name in originals:
        node = originals[name]
        own = node.operation
        if isinstance(own, keras.layers.Layer):
            own = made.setdefault(id(own), type(own).from_config(own.get_config()))
            own.trainable = node.operation.trainable
        places = {id(old): new for old, new in zip(node.input_tensors, taken, strict=True)}
        values = (node.arguments.args, node.arguments.kwargs)
        args, kwargs = keras.tree.map_structure(lambda value: places.get(id(value), value), values)
        outputs = keras.tree.flatten(own(*args, **kwargs))
        several[name] = outputs
        return outputs[0]
    maker = getattr(keras.layers, layer["class"], None)
    if maker is None or "arguments" not in layer:
        raise ValueError(f"{place} is a {layer['class']}, which only a designer made by from_model() can build again")
    return maker(**net.more(layer))(taken[0] if len(taken) == 1 else taken)
