"""The network designer: a whole CNN as rows, what each costs, what does not fit, and the Keras code."""

import json
from html import escape
from typing import ClassVar

import traitlets

from cnnlib._arguments import boolean, integer, number, show
from cnnlib.widgets import network_rows as net
from cnnlib.widgets.base import CourseWidget, words_of
from cnnlib.widgets.traits import OneOf, Sides, Whole, both

DATA, TYPES, MOST = net.DATA, net.TYPES, net.DATA["most"]
QUANTITIES = ("params", "macs", "memory", "receptive_field")
_OPTIONAL = ("name", "inputs", "trainable", "arguments")


class _Net(traitlets.TraitType):
    """Rows as `network_rows` describes them, or the name of a preset. Python may leave out what has a usual value."""

    def make_dynamic_default(self):
        """Return the first preset, which `validate` then copies."""
        return next(iter(DATA["presets"]))

    def validate(self, owner, value):
        """Return the rows, all keys present, in lists and dicts of their own."""
        if isinstance(value, str):
            try:
                return net.preset(value)
            except ValueError as error:
                raise ValueError(f"{self.name}={error}") from None
        if not isinstance(value, (list, tuple)):
            raise TypeError(f"{self.name}={value!r} is neither a list of layers nor the name of a net")
        if not 1 <= len(value) <= MOST["layers"]:
            raise ValueError(f"{self.name} has {len(value)} layers: use 1 to {MOST['layers']}")
        rows = [check_row(f"{self.name}[{i}]", row, i) for i, row in enumerate(value)]
        names = [row["name"] for row in rows if "name" in row and row["type"] != "Shared"]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise ValueError(f"{self.name}: two layers have the name {twice!r}")
        return rows

    def schema(self) -> dict:
        """What the trait takes, as a JSON Schema: rows with every key of their type, or a preset's name as in the file."""
        shape = {"type": "array", "items": _whole(1, 2**31), "maxItems": 4}
        fixed = {
            "class": {"type": "string"},
            "seen": {"type": "array", "items": shape, "maxItems": 64},
            "shape": {"anyOf": [{"enum": [None]}, shape]},
            "params": _whole(0, 2**40),
            "trainable_params": _whole(0, 2**40),
            "macs": {"anyOf": [{"enum": [None]}, _whole(0, 2**52)]},
            "window": {"anyOf": [{"enum": [None]}, _list(_list(_whole(-(2**20), 2**20), 3, 3), 1, 3)]},
        }
        fields = {
            **{key: {"anyOf": [_whole(1, MOST[key]), _list(_whole(1, MOST[key]), 2, 2)]} for key in _SIDES},
            "filters": _whole(1, MOST["filters"]),
            "units": {"anyOf": [{"enum": [None]}, _whole(1, MOST["units"])]},
            "padding": {"enum": ["valid", "same"]},
            "activation": {"enum": DATA["activations"]},
            "shortcut": {"enum": DATA["shortcuts"]},
            "rate": {"type": "number", "minimum": 0, "maximum": 1},
            "scale": {"type": "number", "minimum": -1e6, "maximum": 1e6},
            **dict.fromkeys(("use_bias", "center"), {"type": "boolean"}),
            **fixed,
        }
        zeros = _whole(0, MOST["zeros"])
        special = {
            "ZeroPadding2D": {"padding": {"anyOf": [zeros, _list(_list(zeros, 2, 2), 2, 2)]}},
            "BatchNormalization": {"scale": {"type": "boolean"}},
        }
        optional = {
            "name": {"type": "string"},
            "inputs": _list(_whole(-1, MOST["layers"]), 0, 64),
            "trainable": {"type": "boolean"},
            "arguments": {"type": "string"},
        }
        items = []
        for kind, usual in TYPES.items():
            own = {key: special.get(kind, {}).get(key, fields[key]) for key in usual}
            properties = {"type": {"enum": [kind]}} | own | optional
            items.append({"type": "object", "properties": properties, "required": ["type", *usual]})
        return {"anyOf": [{"enum": list(DATA["presets"])}, _list({"anyOf": items}, 1, MOST["layers"])]}


_SIDES = ("kernel_size", "strides", "dilation_rate")


def _whole(least, most):
    return {"type": "integer", "minimum": least, "maximum": most}


def _list(items, least, most):
    return {"type": "array", "items": items, "minItems": least, "maxItems": most}


def check_row(place, row, i=None):
    """Return row i of a net with every key, in one form; TypeError and ValueError name the place."""
    row = {"type": row} if isinstance(row, str) else row
    if not isinstance(row, dict):
        raise TypeError(f"{place}={show(row)} is neither a dict nor the name of a layer type")
    kind = row.get("type")
    if not isinstance(kind, str) or kind not in TYPES:
        raise ValueError(f"{place}.type={kind!r} is none of {', '.join(TYPES)}")
    given = {key: value for key, value in row.items() if key != "type"}
    if kind in ("MaxPooling2D", "AveragePooling2D"):
        given |= {"kernel_size": given.pop("pool_size")} if "pool_size" in given else {}
        given.setdefault("strides", given.get("kernel_size", 2))  # Keras: a pool's strides are its size
    unknown = [key for key in given if key not in TYPES[kind] and key not in _OPTIONAL]
    if unknown:
        raise ValueError(f"{place} has no {unknown[0]!r}: a {kind} has {', '.join([*TYPES[kind], *_OPTIONAL])}")
    done = {"type": kind}
    for key, usual in TYPES[kind].items():
        done[key] = _value(f"{place}.{key}", key, kind, given.get(key, usual))
    for key in _OPTIONAL:
        if key in given:
            value = _optional(f"{place}.{key}", key, kind, given[key], i)
            if value is not None:
                done[key] = value
    return done


def _value(place, key, kind, value):
    if key in _SIDES:
        if not isinstance(value, (tuple, list)):
            return integer(place, value, 1, MOST[key])
        if len(value) != 2:
            raise ValueError(f"{place}={show(value)} has {len(value)} values: use two, or one number")
        sides = [integer(f"{place}[{j}]", side, 1, MOST[key]) for j, side in enumerate(value)]
        return sides[0] if sides[0] == sides[1] else sides
    if key == "filters":
        return integer(place, value, 1, MOST[key])
    if key == "units":
        return None if value is None else integer(place, value, 1, MOST[key])
    if key in ("use_bias", "center") or key == "scale" and kind == "BatchNormalization":
        return boolean(place, value)
    if key in ("rate", "scale"):
        return number(place, value, *((0, 1) if key == "rate" else (-1e6, 1e6)))
    if kind == "ZeroPadding2D":
        return _zeros(place, value)
    if key in ("padding", "activation", "shortcut"):
        words = {"padding": ["valid", "same"], "activation": DATA["activations"], "shortcut": DATA["shortcuts"]}[key]
        value = "linear" if key == "activation" and value is None else value
        if not isinstance(value, str):
            raise TypeError(f"{place}={show(value)} is none of {', '.join(map(repr, words))}")
        if value.lower() not in words:
            raise ValueError(f"{place}={show(value)} is none of {', '.join(map(repr, words))}")
        return value.lower()
    return _fixed_value(place, key, value)


def _fixed_value(place, key, value):
    if key == "class":
        return _text(place, value)
    if value is None and key in ("shape", "macs", "window"):
        return None
    if key in ("params", "trainable_params", "macs"):
        return integer(place, value, 0, 2**52 if key == "macs" else 2**40)
    if not isinstance(value, (tuple, list)):
        raise TypeError(f"{place}={show(value)} is not a list")
    if key == "shape":
        if len(value) > 4:
            raise ValueError(f"{place}={show(value)} has more than 4 sides")
        return [integer(f"{place}[{j}]", side, 1, 2**31) for j, side in enumerate(value)]
    if key == "seen":
        if len(value) > 64:
            raise ValueError(f"{place} has {len(value)} shapes: use 64 at most")
        return [_fixed_value(f"{place}[{j}]", "shape", shape) for j, shape in enumerate(value)]
    if not 1 <= len(value) <= 3 or not all(isinstance(axis, (tuple, list)) and len(axis) == 3 for axis in value):
        raise ValueError(f"{place}={show(value)} is not (start, size, jump) on each axis")
    return [[integer(place, number, -(2**20), 2**20) for number in axis] for axis in value]


def _optional(place, key, kind, value, i):
    """Return the value, None where it says no more than that the key were not there."""
    if key == "name":
        return _text(place, value) or None
    if key == "trainable":
        return None if boolean(place, value) else False
    if key == "arguments":
        try:
            found = json.loads(_text(place, value))
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise ValueError(f"{place}={value!r} is no JSON object")
        return value if found or kind == "Fixed" else None
    if not isinstance(value, (tuple, list)):
        raise TypeError(f"{place}={show(value)} is not a list of positions")
    places = [integer(f"{place}[{j}]", one, -1) for j, one in enumerate(value)]
    if i is not None and any(one >= i for one in places):
        raise ValueError(f"{place}={show(value)}: a position must be that of a layer before it, below {i}, or -1")
    least, most = (1, 64) if kind in net.JOINS else (0, 64) if kind == "Fixed" else (1, 1)
    if not least <= len(places) <= most:
        raise ValueError(f"{place}={show(value)} has a length of {len(places)}: a {kind} reads {least} to {most}")
    return None if i is not None and places == [i - 1] else places


def _zeros(place, value):
    if not isinstance(value, (tuple, list)):
        return integer(place, value, 0, MOST["zeros"])
    if len(value) != 2:
        raise ValueError(
            f"{place}={show(value)} has a length of {len(value)}: use a number or ((top, bottom), (left, right))"
        )
    sides = [axis if isinstance(axis, (tuple, list)) else (axis, axis) for axis in value]
    if any(len(axis) != 2 for axis in sides):
        raise ValueError(f"{place}={show(value)}: a length of 2 is needed on each axis, (top, bottom), (left, right)")
    sides = [
        [integer(f"{place}[{a}][{j}]", side, 0, MOST["zeros"]) for j, side in enumerate(axis)]
        for a, axis in enumerate(sides)
    ]
    flat = {side for axis in sides for side in axis}
    return flat.pop() if len(flat) == 1 else sides


def _text(place, value):
    if not isinstance(value, str):
        raise TypeError(f"{place}={show(value)} is not a string")
    return value


class NetworkDesigner(CourseWidget):
    """A CNN as rows: shapes, parameters, multiply-accumulates, memory, receptive fields, and its Keras code.

    Settings, all of them traits that follow the reader's hand:

    layers: a list of rows, 1 to 1000, or the name of a net of the course: "baseline", "LeNet5", "AlexNet8", "VGG16",
    "Inception10", "ResNet18", "ResNet-20". A row is a dict with Keras's names, {"type": "Conv2D", "filters": 16,
    "kernel_size": 3, "strides": 1, "padding": "valid", "dilation_rate": 1, "use_bias": True, "activation":
    "linear"}, where what is missing takes that value; a type alone may be given as text, "Flatten". The types are
    the keys of `network_rows.TYPES`; a pool may say pool_size. Dense with units None has as many as `classes`.
    "InceptionUnit" (filters, strides) and "ResidualBlock" (filters, strides, shortcut: "identity", "projection",
    "zeros") are whole blocks. `inputs` says which rows a row reads, by their places from 0, -1 for the net's input;
    without it the row before. Add and Concatenate read two or more.
    n: the input's side or (height, width), 1 to 1024; in_channels, 1 to 4096; classes, 1 to 65,536; batch_size,
    1 to 4096.
    current: place of the row whose settings are open. show: "params", "macs", "memory" or "receptive_field", what
    the bars show; scale: "linear" or "log".

    Raises ValueError for a value out of range and TypeError for a wrong type. A net that does not fit is no error
    until it is built: `rows` say where it stops and why.
    """

    name: ClassVar[str] = "network-designer"
    script: ClassVar[str] = "network_designer.js"
    needs: ClassVar[tuple[str, ...]] = ("stack.js",)

    layers = _Net().tag(sync=True)
    n = Sides(32, 1, MOST["n"]).tag(sync=True)
    in_channels = Whole(3, 1, MOST["filters"]).tag(sync=True)
    classes = Whole(10, 1, MOST["classes"]).tag(sync=True)
    batch_size = Whole(32, 1, MOST["batch_size"]).tag(sync=True)
    current = Whole(1, 0, MOST["layers"] - 1).tag(sync=True)
    show = OneOf("macs", *QUANTITIES).tag(sync=True)
    scale = OneOf("linear", "linear", "log").tag(sync=True)

    @classmethod
    def from_model(cls, model, input_shape=None, **settings):
        """Return the designer of a built Keras model: every layer a row, branches too.

        A layer whose type is not known here, or that reads or gives what is not followed here, becomes a row
        "Fixed" with the shape, parameters, multiply-accumulates and receptive field that it has in the model.
        Blocks and nested models are shown by their layers. `input_shape`, (height, width, channels), is needed
        where the model leaves its sides open. Further settings are the widget's.

        What changes no number, such as initializers and regularizers, does not travel.

        Raises TypeError and ValueError as `cnnlib.summary.summarize` does; ValueError for a model without an image
        as input, or one too large for the designer.
        """
        from cnnlib.widgets import network_keras

        rows, originals, shape = network_keras.read(model, input_shape, lambda row: check_row("layers", row))
        last = rows[-1]
        if last["type"] == "Dense" and last["units"] and "classes" not in settings:
            settings["classes"], rows[-1] = last["units"], last | {"units": None}
        first = next((i for i, row in enumerate(rows) if row["type"] not in ("Rescaling", "Fixed")), 0)
        made = cls(**{"layers": rows, "n": shape[:2], "in_channels": shape[2], "current": first} | settings)
        made._originals = originals
        return made

    _originals: ClassVar[dict] = {}

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """(height, width, channels) of the input."""
        return (*both(self.n), self.in_channels)

    def _solved(self):
        return net.solve(self.layers, self.input_shape, self.classes)

    @property
    def rows(self) -> list[dict]:
        """What each row makes of what it reads.

        Keys: type; inputs (places that it reads); output_shape without the batch; params, trainable_params; macs,
        for one image (None: not known); memory, bytes of its outputs for a batch in float32; weights, bytes;
        receptive_field and jump in cells of the input, one number or (rows, columns), None where there is no grid;
        problem, why it has no output, else "". A block has `rows` of its own, and its numbers are their sums. A row
        without an output has None everywhere.
        """
        return [self._public(row) for row in self._solved()[0]]

    def _public(self, row):
        numbers = row["numbers"]
        kept = {key: value for key, value in row.items() if key not in ("numbers", "rows")}
        kept["memory"] = None if numbers is None else numbers * net.BYTES * self.batch_size
        kept["weights"] = None if row["params"] is None else row["params"] * net.BYTES
        return kept | ({"rows": [self._public(inner) for inner in row["rows"]]} if "rows" in row else {})

    def _sum(self, key):
        values = [row[key] for row in self._solved()[0]]
        return None if any(row["problem"] for row in self._solved()[0]) else sum(value or 0 for value in values)

    @property
    def params(self) -> int | None:
        """All parameters; None where a row has no output."""
        return self._sum("params")

    @property
    def trainable_params(self) -> int | None:
        """The parameters that training changes; None where a row has no output."""
        return self._sum("trainable_params")

    @property
    def macs(self) -> int | None:
        """Multiply-accumulates on one image, of the rows where they are known; None where a row has no output."""
        return self._sum("macs")

    @property
    def memory(self) -> dict | None:
        """Bytes in float32: "weights"; for a batch, "training" and "inference". None where a row has no output.

        training: the input and the output of every layer, which the way back reads; gradients and what the
        optimizer keeps come on top. inference: the most at one time when layer after layer runs and an output is
        freed once nobody reads it any more. Each layer's output counts once; a framework may share or copy some.
        """
        rows, leaves = self._solved()
        if any(row["problem"] for row in rows):
            return None
        each = net.BYTES * self.batch_size
        return {
            "weights": self.params * net.BYTES,
            "training": sum(leaf.size for leaf in leaves) * each,
            "inference": net.peak(leaves) * each,
        }

    @property
    def problem(self) -> str | None:
        """The first row without an output and why; None where all have one."""
        for i, row in enumerate(self._solved()[0], 1):
            if row["problem"]:
                return f"layer {i} ({row['type']}): {row['problem']}"
        return None

    @property
    def code(self) -> str:
        """Keras code that builds the net; ValueError where a row has no output."""
        self._check()
        return net.code(self.layers, self.input_shape, self.classes)

    def model(self):
        """Build the net as a keras.Model; ValueError where a row has no output or its layer cannot be built here."""
        self._check()
        from cnnlib.widgets import network_keras

        return network_keras.build(self.layers, self.input_shape, self.classes, self._originals)

    def _check(self):
        if self.problem:
            raise ValueError(self.problem)

    def fallback(self) -> str:
        """A table of the rows and the totals, narrow enough for a phone."""
        words, columns = words_of(self.name)["paper"], words_of(self.name)["columns"]
        body = []
        for i, (layer, row) in enumerate(zip(self.layers, self.rows, strict=True), 1):
            read = ", ".join(str(place + 1) for place in row["inputs"])
            reads = "" if row["inputs"] == [i - 2] or not read else words["reads"].format(rows=read)
            details = ", ".join(filter(None, [net.called_with(layer, self.classes), reads]))
            shape = row["output_shape"]
            output = words["noOutput"] if shape is None else " × ".join(map(str, shape)) or "–"
            numbers = [output, *("–" if row[key] is None else f"{row[key]:,}" for key in ("params", "macs"))]
            cells = "".join(f"<td>{number}</td>" for number in numbers)
            kind = layer.get("class", layer["type"])
            body.append(f'<tr><th scope="row">{i} {escape(kind)}<br><small>{escape(details)}</small></th>{cells}</tr>')
        heads = "".join(f'<th scope="col">{columns[key]}</th>' for key in ("layer", "output", "params", "macs"))
        caption = words["caption"].format(shape=" × ".join(map(str, self.input_shape)))
        table = f"<table><caption>{caption}</caption><tr>{heads}</tr>{''.join(body)}</table>"
        if self.problem:
            return f"{table}<p>{escape(self.problem)}</p>"
        numbers = {"params": self.params, "trained": self.trainable_params, "macs": self.macs, "batch": self.batch_size}
        return f"{table}<p>{words['totals'].format(**{k: f'{v:,}' for k, v in (numbers | self.memory).items()})}</p>"
