"""Train here: a small CNN that learns drawn pictures in the page, and the same net and run in Keras."""

import math
from html import escape
from typing import ClassVar

from cnnlib.widgets.base import CourseWidget, data_of, words_of
from cnnlib.widgets.traits import Flag, Number, OneOf, Whole, as_code

_DATA = data_of("train_here.js")
PLAN, MOST = _DATA["plan"], _DATA["most"]
OPTIMIZERS = ("adam", "sgd")


class TrainHere(CourseWidget):
    """A small CNN learns Shapes-10 in the page: curves, first filters, mistakes, and the Keras code of the same run.

    The net: conv 5 x 5 stride 2 (16 filters), BN, ReLU, max pool, conv 3 x 3 (32), BN, ReLU, max pool, dense 10. The
    page draws its pictures itself; the 500 that are held out are the same for every seed.

    Settings, all of them traits that follow the reader's hand; another value of any takes the run back to its start:

    optimizer: "adam", or "sgd", with momentum 0.9.
    learning_rate: 0.0001 to 1. decay: True lets it fall to 0 at the last batch, as Keras's CosineDecay does.
    batch_size: pictures a step, 1 to 256. checks: the run's limit, 1 to 60 times 20 batches. After every 20 batches the
    held-out pictures are looked at, and after six looks without a new best the run ends too.
    batch_normalization: False leaves both layers out. dropout: the rate before the dense layer, 0 (no layer) to 0.9.
    pictures: how many training pictures, 10 to 10,000, each class as often as another.
    seed: of the start weights, the training pictures, their order and dropout.

    Raises ValueError for a value out of range and TypeError for a wrong type.
    """

    name: ClassVar[str] = "train-here"
    script: ClassVar[str] = "train_here.js"
    needs: ClassVar[tuple[str, ...]] = ("engine.js", "shapes10.js", "worker.js", "train_job.js")

    learning_rate = Number(0.005, 0.0001, 1).tag(sync=True)
    batch_size = Whole(32, 1, MOST["batch_size"]).tag(sync=True)
    optimizer = OneOf("adam", *OPTIMIZERS).tag(sync=True)
    batch_normalization = Flag(True).tag(sync=True)
    dropout = Number(0.0, 0, MOST["dropout"]).tag(sync=True)
    pictures = Whole(4000, 10, MOST["pictures"]).tag(sync=True)
    decay = Flag(True).tag(sync=True)
    checks = Whole(16, 1, MOST["checks"]).tag(sync=True)
    seed = Whole(0, 0, 2**31 - 1).tag(sync=True)

    @property
    def steps(self) -> int:
        """The run's limit, in batches."""
        return PLAN["every"] * self.checks

    @property
    def rows(self) -> list[dict]:
        """The layers in order: name, output shape for one picture, parameters."""
        norm, dropout = self.batch_normalization, self.dropout > 0
        found = [("Input", (32, 32, 3), 0), ("Rescaling", (32, 32, 3), 0)]
        shape = (32, 32, 3)
        for kernel, strides, filters in ((5, 2, 16), (3, 1, 32)):
            side, channels = math.ceil(shape[0] / strides), shape[2]
            convolved, pooled = (side, side, filters), (side // 2, side // 2, filters)
            found.append(("Conv2D", convolved, (kernel * kernel * channels + 1) * filters))
            found += [("BatchNormalization", convolved, 4 * filters)] if norm else []
            found += [("ReLU", convolved, 0), ("MaxPooling2D", pooled, 0)]
            shape = pooled
        flat = math.prod(shape)
        found.append(("Flatten", (flat,), 0))
        found += [("Dropout", (flat,), 0)] if dropout else []
        found.append(("Dense", (10,), (flat + 1) * 10))
        return [dict(zip(("layer", "output_shape", "params"), row, strict=True)) for row in found]

    @property
    def params(self) -> int:
        """How many parameters the net has, those of batch normalisation that are only kept, not learnt, among them."""
        return sum(row["params"] for row in self.rows)

    @property
    def trainable_params(self) -> int:
        """How many parameters are learnt."""
        kept = sum(row["params"] // 2 for row in self.rows if row["layer"] == "BatchNormalization")
        return self.params - kept

    @property
    def code(self) -> str:
        """Python code that builds and trains the same net with Keras, on Shapes-10 as the course's package draws it."""
        parts = {
            "norm": self.batch_normalization,
            "dropout": self.dropout > 0,
            "decay": self.decay,
            "constant": not self.decay,
            self.optimizer: True,
        }
        values = {name: as_code(value) for name, value in (self.settings() | PLAN | {"steps": self.steps}).items()}
        lines = []
        for line in _DATA["code"]:
            part, _, rest = line[1:].partition("|") if line.startswith("?") else ("", "", line)
            if not part or parts.get(part):
                lines.append(rest.format(**values))
        return "\n".join(lines) + "\n"

    def model(self):
        """Build the net, compiled as `code` compiles it. Returns a keras.Sequential with weights of the seed."""
        import keras
        from keras import layers

        keras.utils.set_random_seed(self.seed)
        net = keras.Sequential([keras.Input((32, 32, 3)), layers.Rescaling(1 / 127.5, offset=-1)])
        for filters, kernel, strides in ((16, 5, 2), (32, 3, 1)):
            net.add(layers.Conv2D(filters, kernel_size=kernel, strides=strides, padding="same"))
            if self.batch_normalization:
                net.add(layers.BatchNormalization(momentum=0.9))  # short runs cannot wait for 0.99
            net.add(layers.ReLU())
            net.add(layers.MaxPooling2D())
        net.add(layers.Flatten())
        if self.dropout > 0:
            net.add(layers.Dropout(self.dropout))
        net.add(layers.Dense(10))
        rate = self.learning_rate
        if self.decay:
            rate = keras.optimizers.schedules.CosineDecay(rate, decay_steps=self.steps)
        adam = self.optimizer == "adam"
        net.compile(
            optimizer=keras.optimizers.Adam(rate) if adam else keras.optimizers.SGD(rate, momentum=0.9),
            loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            metrics=["accuracy"],
        )
        return net

    def fallback(self) -> str:
        """A table of the net, and the code that trains it."""
        words = words_of(self.name)["paper"]
        heads = "".join(f'<th scope="col">{name}</th>' for name in words["columns"])
        body = "".join(
            f'<tr><th scope="row">{row["layer"]}</th><td>{" × ".join(map(str, row["output_shape"]))}</td><td>{row["params"]:,}</td></tr>'
            for row in self.rows
        )
        caption = words["caption"].format(params=f"{self.params:,}", learnt=f"{self.trainable_params:,}")
        return (
            f"<table><caption>{caption}</caption><tr>{heads}</tr>{body}</table>"
            f"<p>{words['run']}</p><pre>{escape(self.code)}</pre>"
        )
