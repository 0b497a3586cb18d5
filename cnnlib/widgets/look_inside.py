"""A trained net, alive in the page: every map of every layer, each number's sum, what its answer rests on, and what if."""

import base64
import json
from functools import cache, cached_property
from html import escape
from pathlib import Path
from typing import ClassVar

import numpy as np
import traitlets

from cnnlib._arguments import integer
from cnnlib.data.cifar10 import CLASS_NAMES
from cnnlib.titles import title
from cnnlib.widgets.base import CourseWidget, words_of
from cnnlib.widgets.page_model import export_for_page, model_of
from cnnlib.widgets.scenes import scenes
from cnnlib.widgets.traits import Cell, OneOf, Whole

RESULTS = Path(__file__).parents[1] / "results"
WEIGHTS = RESULTS / "weights"
FIRST, OWN = "baseline-better", "own"  # the default; the net that `from_model` was given
GREY = 128  # of the patch that hides a part
MOST_SAMPLES = 16


@cache
def recorded_nets():
    """Return the names of the recorded nets whose weights are kept: results/weights/*.json."""
    return tuple(sorted(path.stem for path in WEIGHTS.glob("*.json")))


@cache
def _text(name):
    return (WEIGHTS / f"{name}.json").read_text(encoding="utf-8").strip()


def _about(name):
    """Return what the page lists of a recorded net: its name and title, its bytes, its test accuracy."""
    record = json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
    accuracy = round(record["test"]["accuracy"], 4)
    return {"name": name, "title": title(record["net"]), "bytes": len(_text(name)), "accuracy": accuracy}


class _Net(traitlets.TraitType):
    """A recorded net's name, or "own" in a calculator that `from_model` made."""

    def validate(self, owner, value):
        """Return the name as it is."""
        valid = (OWN,) if owner._own else recorded_nets()
        if value not in valid:
            kind = ValueError if isinstance(value, str) else TypeError
            raise kind(
                f"{self.name}={value!r} is none of {', '.join(map(repr, valid)) or 'the recorded nets: there is none'}"
            )
        return value

    def schema(self) -> dict:
        """What the trait takes, as a JSON Schema."""
        return {"enum": list(recorded_nets())}


class _Word(traitlets.TraitType):
    """A text."""

    def validate(self, owner, value):
        """Return the text as it is."""
        if not isinstance(value, str):
            raise TypeError(f"{self.name}={value!r} is not a string")
        return value

    def schema(self) -> dict:
        """What the trait takes, as a JSON Schema."""
        return {"type": "string"}


class _Off(traitlets.TraitType):
    """Channels that are switched off: a list of "layer:channel"."""

    MOST = 200

    def validate(self, owner, value):
        """Return the list, each entry once."""
        if not isinstance(value, (list, tuple)) or not all(isinstance(item, str) for item in value):
            raise TypeError(f"{self.name}={value!r} is not a list of texts such as 'conv1:0'")
        if len(value) > self.MOST:
            raise ValueError(f"{self.name} has {len(value)} channels: use at most {self.MOST}")
        for item in value:
            if not item.rpartition(":")[2].isdecimal():
                raise ValueError(
                    f"{self.name} holds {item!r}, which does not fit the form 'layer:channel', such as 'conv1:0'"
                )
        return list(dict.fromkeys(value))

    def make_dynamic_default(self):
        """Return a list of its own."""
        return []

    def schema(self) -> dict:
        """What the trait takes, as a JSON Schema."""
        return {"type": "array", "maxItems": self.MOST, "items": {"type": "string"}}


class _Target(Whole):
    """A class's number; None is the one with the highest score."""

    allow_none = True

    def schema(self) -> dict:
        """What the trait takes, as a JSON Schema."""
        return {"anyOf": [{"enum": [None]}, super().schema()]}


class LookInside(CourseWidget):
    """A trained net on a picture: every layer's maps, the sum behind each number, scores, heat maps, and filters to switch off.

    The net's weights are those that its page has: whole numbers from -127 to 127 with one scale a filter.

    Args:
        net: a record's name, such as "baseline-better"; `recorded_nets()` lists them.
        samples: pictures to choose from, (n, height, width, channels) uint8 of the net's input shape, n from 1 to 16, or
            (pictures, labels) with whole numbers below the number of classes. None: a few drawn scenes.
        settings: the traits below.

    Settings, all of them traits that follow the reader's hand:

    net: see above. sample: which of the samples, from 0. A photo or a drawing of the reader's is not a setting.
    view: "maps"; "saliency", "occlusion" or "activation", maps of the picture for one class.
    layer: a layer's name; "" is the first convolution. channel: from 0. cell: (row, column) of its map, from 0; None is
    the largest number.
    target: the class of the three maps, from 0; None is the one with the highest score. patch: side of the hidden square
    of "occlusion": "4", "8" or "16"; it moves by half its side.
    off: channels switched off, a list of "layer:channel": their outputs are 0, whatever the layer computes.

    Raises:
        ValueError: a setting out of range, a layer or channel that the net has not, samples of another shape.
        TypeError: a wrong type.

    """

    name: ClassVar[str] = "look-inside"
    script: ClassVar[str] = "look_inside.js"
    needs: ClassVar[tuple[str, ...]] = (
        "engine.js",
        "worker.js",
        "picture_pad.js",
        "feature_maps.js",
        "page_file.js",
    )

    sample = Whole(0, 0, MOST_SAMPLES - 1).tag(sync=True)
    net = _Net("").tag(sync=True)
    view = OneOf("maps", "maps", "saliency", "occlusion", "activation").tag(sync=True)
    layer = _Word("").tag(sync=True)
    channel = Whole(0, 0, 4095).tag(sync=True)
    cell = Cell(1024).tag(sync=True)
    target = _Target(None, 0, 999).tag(sync=True)
    patch = OneOf("8", "4", "8", "16").tag(sync=True)
    off = _Off().tag(sync=True)

    # What no reader changes.
    _own = traitlets.Dict(allow_none=True, default_value=None).tag(sync=True)
    _nets = traitlets.List().tag(sync=True)
    _classes = traitlets.List().tag(sync=True)
    _samples = traitlets.Dict().tag(sync=True)

    def __init__(self, net=None, samples=None, **settings):
        own = settings.pop("_own", None)
        if net is None:
            net = next((name for name in (FIRST, *recorded_nets()) if name in recorded_nets()), FIRST)
        settings = {"_own": own, "_classes": list(CLASS_NAMES)} | settings | {"net": net}
        super().__init__(**settings, _nets=[] if own else [_about(name) for name in recorded_nets()])
        self._samples = self._read_samples(samples)
        self._check_place()
        self.on_msg(self._answer)

    @classmethod
    def from_model(cls, model, classes=None, samples=None, **settings):
        """Look inside a small Keras model of your own.

        Args:
            model: a built `keras.Model` from one picture, of fixed sides and 1 or 3 channels, numbers 0 to 255, to two or
                more scores; of the layers that `page_model.describe` lists.
            classes: a name for each score; None: "0", "1", ...
            samples, settings: as above.

        Raises:
            TypeError, ValueError: as `page_model.export_for_page`, and for another kind of input or output, a wrong number
                of classes, samples of another shape.

        """
        description = export_for_page(model)
        shape, scores = description["layers"][0]["shape"], description["layers"][-1]["shape"]
        if len(shape) != 3 or shape[-1] not in (1, 3):
            raise ValueError(
                f"model takes {tuple(shape)}: this calculator shows pictures, (height, width, 1) or (height, width, 3)"
            )
        if len(scores) != 1 or scores[0] < 2:
            raise ValueError(f"model gives {tuple(scores)}: this calculator shows classes, two or more scores in a row")
        names = [str(name) for name in (range(scores[0]) if classes is None else classes)]
        if len(names) != scores[0]:
            raise ValueError(f"classes has {len(names)} names, the model {scores[0]} scores")
        return cls(net=OWN, samples=samples, _own=description, _classes=names, **settings)

    @classmethod
    def page_files(cls) -> dict:
        """One script a recorded net, which hands over its JSON."""
        return {
            f"net-{name}.js": f'(window.cnnlibFiles ??= {{}})["net-{name}"] = {_text(name)};\n'
            for name in recorded_nets()
        }

    def contents(self) -> dict:
        """The list of nets, the classes, the samples and, from `from_model`, the net itself."""
        return {key: getattr(self, key) for key in ("_nets", "_classes", "_samples", "_own")}

    def _answer(self, widget, content, buffers):
        """Hand the page of a notebook the net that it asks for."""
        file = content.get("file") if isinstance(content, dict) else None
        names = {f"net-{name}": name for name in recorded_nets()}
        self.send({"file": file, "content": json.loads(_text(names[file])) if file in names else None})

    def _read_samples(self, samples):
        """Return the samples as the page takes them."""
        shape, labels = tuple(self.description["layers"][0]["shape"]), None
        if samples is None:
            pictures, names = scenes(shape)
            known = {name: i for i, name in enumerate(self._classes)}
            labels = [known.get(name, -1) for name in names]
        else:
            pair = isinstance(samples, (tuple, list)) and len(samples) == 2 and np.ndim(samples[0]) == 4
            pictures, labels = samples if pair else (samples, None)
            pictures = np.asarray(pictures)
            if pictures.dtype != np.uint8:
                raise TypeError(f"samples are {pictures.dtype}: use pictures as they are stored, uint8 from 0 to 255")
            if pictures.shape[1:] != shape or not 1 <= len(pictures) <= MOST_SAMPLES:
                raise ValueError(f"samples={pictures.shape} are not 1 to {MOST_SAMPLES} pictures of {shape}")
            labels = [-1] * len(pictures) if labels is None else np.asarray(labels).ravel().tolist()
            if len(labels) != len(pictures):
                raise ValueError(f"samples have {len(pictures)} pictures and {len(labels)} labels")
            labels = [integer(f"labels[{i}]", label, -1, len(self._classes) - 1) for i, label in enumerate(labels)]
        text = base64.b64encode(np.ascontiguousarray(pictures).tobytes()).decode("ascii")
        return {"pixels": text, "labels": labels, "drawn": samples is None}

    def _check_place(self):
        """Raise where the layer, the channel, the cell, the target or what is off is not there."""
        shapes = {layer["name"]: layer["shape"] for layer in self.description["layers"]}
        for name, channel in [(self.shown_layer, self.channel), *self._off_pairs()]:
            if name not in shapes:
                raise ValueError(f"layer={name!r} does not fit the net: it has {', '.join(shapes)}")
            _check_fit("channel", channel, f"layer {name!r}", shapes[name][-1])
        shape = shapes[self.shown_layer]
        for axis in (0, 1) if self.cell and len(shape) == 3 else ():
            _check_fit(f"cell[{axis}]", self.cell[axis], f"layer {self.shown_layer!r}", shape[axis])
        _check_fit("sample", self.sample, "the samples", len(self._samples["labels"]))
        _check_fit("target", self.target or 0, "the classes", len(self._classes))

    def _off_pairs(self):
        return [(name, int(channel)) for name, _, channel in (item.rpartition(":") for item in self.off)]

    # --- the same in Python ------------------------------------------------------------------------------------

    @property
    def description(self) -> dict:
        """The net as JSON, with its weights: what the page has."""
        return self._own or json.loads(_text(self.net))

    @property
    def shown_layer(self) -> str:
        """The layer on show: `layer`, or the first convolution, or the first layer of all."""
        layers = self.description["layers"]
        return self.layer or next((e["name"] for e in layers if e["type"] == "Conv2D"), layers[0]["name"])

    @cached_property
    def pictures(self):
        """The samples, (n, height, width, channels) uint8."""
        raw = np.frombuffer(base64.b64decode(self._samples["pixels"]), np.uint8)
        return raw.reshape(-1, *self.description["layers"][0]["shape"])

    def model(self):
        """Return the net as a Keras model with the page's own numbers; what is `off` is off."""
        return self._model(self.description)

    def _model(self, description):
        off = {}
        for name, channel in self._off_pairs():
            off.setdefault(name, []).append(channel)
        return model_of(description, off)

    def _before_softmax(self):
        """Return the model without a softmax at its end: behind it a sure net has no gradient left."""
        *layers, last = self.description["layers"]
        if last.get("activation") == "softmax":
            last = last | {"activation": "linear"}
        return self._model(self.description | {"layers": [*layers, last]})

    def maps(self, layer=None):
        """Return a layer's output for the sample, (height, width, channels) or (numbers,), computed by Keras."""
        import keras

        model, name = self.model(), layer or self.shown_layer
        names = [entry["name"] for entry in self.description["layers"]]
        if name not in names:
            raise ValueError(f"layer={name!r} is none of {', '.join(names)}")
        short = keras.Model(model.inputs, self._tensor(model, name))
        return keras.ops.convert_to_numpy(short(self.pictures[self.sample][None].astype(np.float32)))[0]

    def _tensor(self, model, name):
        """Return a layer's output in `model`, behind what switches channels off."""
        off = any(name == known for known, _ in self._off_pairs())
        return model.get_layer(name.replace("/", ".") + (".off" if off else "")).output

    @property
    def output(self) -> float:
        """The number at `layer`, `channel` and `cell`, computed by Keras."""
        maps = self.maps()
        chosen = maps[..., self.channel]
        return float(chosen if maps.ndim == 1 else chosen[tuple(self.cell)] if self.cell else chosen.max())

    @property
    def scores(self):
        """The classes' probabilities for the sample, computed by Keras: (classes,)."""
        return self._probabilities(self.model(), self.pictures[self.sample][None])[0]

    @property
    def shown_target(self) -> int:
        """`target`, or the class with the highest score."""
        return int(self.scores.argmax()) if self.target is None else self.target

    def _probabilities(self, model, pictures):
        import keras

        scores = model(pictures.astype(np.float32))
        if self.description["layers"][-1].get("activation", "linear") == "linear":
            scores = keras.ops.softmax(scores)
        return keras.ops.convert_to_numpy(scores)

    @property
    def saliency(self):
        """How much the target's score changes with each pixel, computed by TensorFlow: (height, width).

        The largest of the channels' absolute gradients of the score before softmax, per grey level of 0 to 255.
        Source: Simonyan et al., "Deep Inside Convolutional Networks" (2014), section 3.1.
        """
        import tensorflow as tf

        x, model = tf.constant(self.pictures[self.sample][None].astype(np.float32)), self._before_softmax()
        with tf.GradientTape() as tape:
            tape.watch(x)
            score = model(x)[0, self.shown_target]
        return np.abs(tape.gradient(score, x).numpy()[0]).max(axis=-1)

    @property
    def occlusion(self):
        """How much of the target's probability goes where a grey square hides a part, computed by Keras: (height, width).

        The square has the side `patch` and moves by half of it; a pixel's number is the mean over the squares that hide
        it. Source of the idea: Zeiler and Fergus, "Visualizing and Understanding Convolutional Networks" (2014).
        """
        picture, side, target, model = self.pictures[self.sample], int(self.patch), self.shown_target, self.model()
        height, width = picture.shape[:2]
        places = [(y, x) for y in _steps(height, side) for x in _steps(width, side)]
        hidden = np.repeat(picture[None], len(places), axis=0)
        for one, (y, x) in zip(hidden, places, strict=True):
            one[y : y + side, x : x + side] = GREY
        drops = self._probabilities(model, picture[None])[0, target] - self._probabilities(model, hidden)[:, target]
        total, count = np.zeros((2, height, width))
        for drop, (y, x) in zip(drops, places, strict=True):
            total[y : y + side, x : x + side] += drop
            count[y : y + side, x : x + side] += 1
        return total / count

    @property
    def activation(self):
        """Grad-CAM of the last layer that has maps, for the target's score, computed by TensorFlow: (rows, columns).

        Each map times the mean over it of the gradient of the score before softmax, summed, negative sums set to 0. Source: Selvaraju et al.,
        "Grad-CAM" (2017), section 3; before global average pooling and one dense layer it is the class activation map of
        Zhou et al. (2016), but for a factor and the negative part.
        """
        import keras
        import tensorflow as tf

        last = [entry["name"] for entry in self.description["layers"] if len(entry["shape"]) == 3][-1]
        model = self._before_softmax()
        both = keras.Model(model.inputs, [self._tensor(model, last), model.output])
        with tf.GradientTape() as tape:
            x = tf.constant(self.pictures[self.sample][None].astype(np.float32))
            tape.watch(x)
            maps, scores = both(x)
            score = scores[0, self.shown_target]
        weights = tape.gradient(score, maps).numpy()[0].mean(axis=(0, 1))
        return np.maximum(maps.numpy()[0] @ weights, 0)

    def fallback(self) -> str:
        """The net's table of layers, and what the calculator does."""
        words, layers = words_of(self.name)["paper"], self.description["layers"]
        rows = [
            f'<tr><th scope="row">{escape(e["name"])}</th><td>{e["type"]}</td><td>{" × ".join(map(str, e["shape"]))}</td></tr>'
            for e in layers
        ]
        head = "".join(f'<th scope="col">{word}</th>' for word in words["columns"])
        caption = words["caption"].format(name=escape(self.net if self.net != OWN else self.description["name"]))
        return f"<p>{words['does']}</p><table><caption>{caption}</caption><tr>{head}</tr>{''.join(rows)}</table>"


def _check_fit(name, value, what, count):
    """Raise ValueError where there are not so many."""
    if value >= count:
        raise ValueError(f"{name}={value} does not fit {what}: from 0 to {count - 1}")


def _steps(length, side):
    """Return where hidden squares begin: every half side, the last one at the end."""
    last = max(length - side, 0)
    return sorted({*range(0, last + 1, max(1, side // 2)), last})
