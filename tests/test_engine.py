"""widgets/engine.js computes what Keras computes, forward and backward, and page_model.py hands it Keras's nets.

Every expectation is computed by Keras and TensorFlow in the test itself. Node gets nets and numbers as JSON, with
float32 arrays as base64, runs a few lines of a test on each, and sends arrays back in the same way.
"""

import base64
import json
import random
import re
from itertools import pairwise

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from test_geometry_js import SCRIPT as GEOMETRY
from test_geometry_js import node

from cnnlib import geometry, models
from cnnlib.widgets.chance import chance
from cnnlib.widgets.page_model import describe, export_for_page, quantise

ENGINE = GEOMETRY.with_name("engine.js")
SIZE_LIMIT = 20_000  # bytes of the engine in a page

# Reads {url, jobs}, runs a test's function on each job, prints the list of what it returns, or {error}.
PRELUDE = """
import { readFileSync } from "node:fs";
const { url, jobs } = JSON.parse(readFileSync(0, "utf8"), (key, v) => v?.f32 === undefined ? v : floats(v.f32));
const { makeEngine } = await import(url);
const engine = makeEngine();
function floats(text) { return new Float32Array(Uint8Array.from(Buffer.from(text, "base64")).buffer); }
const bytes = (array) => Buffer.from(array.buffer, array.byteOffset, array.byteLength).toString("base64");
const byName = (net, of) => Object.fromEntries(net.layers.map((l) => [l.name, of(l)]));
const answers = jobs.map((job) => {
  try { return run(job); } catch (e) { return { error: `${e.name}: ${e.message}` }; }
});
console.log(JSON.stringify(answers, (key, v) => v instanceof Float32Array ? { f32: bytes(v) } : v));
"""


@pytest.fixture(autouse=True)
def same_weights_each_time():
    keras.utils.set_random_seed(1)


def run_engine(script, jobs):
    """Return what `function run(job)` in `script` returns for each job."""

    def encode(value):
        if isinstance(value, np.ndarray):
            return {"f32": base64.b64encode(value.astype("<f4").tobytes()).decode()}
        return value.item()

    def decode(value):
        return np.frombuffer(base64.b64decode(value["f32"]), "<f4") if "f32" in value else value

    request = json.dumps({"url": ENGINE.as_uri(), "jobs": jobs}, default=encode)
    return json.loads(node(PRELUDE + script, request), object_hook=decode)


def refused(script, jobs):
    """Return the error texts of jobs that all fail."""
    answers = run_engine(script, jobs)
    assert all(set(answer) == {"error"} for answer in answers), answers
    return [answer["error"] for answer in answers]


def difference(ours, theirs, least=1):
    """Return the largest difference of two arrays, in parts of the largest number, or of `least` where that is more."""
    theirs = np.asarray(theirs)
    assert ours.size == theirs.size, f"{ours.size} numbers, not {theirs.shape}"
    assert np.isfinite(ours).all() and np.isfinite(theirs).all()
    return float(np.abs(ours - theirs.ravel()).max() / max(least, np.abs(theirs).max()))


def weights_of(model):
    """Return [((name of the layer, of the weight), variable), ...]."""
    return [((layer.name, weight.name), weight) for layer in model.layers for weight in layer.weights]


def in_double(model):
    """Return the model in float64, with the same weights.

    In float32, TensorFlow's own gradients of several batch normalisations in a row were seen to be off by up to 4 %.
    """

    def twin(layer):
        return type(layer).from_config({**layer.get_config(), "dtype": "float64"})

    double = keras.models.clone_model(model, clone_function=twin)
    double.set_weights(model.get_weights())
    return double


def stir(model, rng):
    """Give a model weights that are not the initial ones anywhere, of a size that keeps its numbers in range."""
    for (_, name), weight in weights_of(model):
        shape = tuple(weight.shape)
        if name == "kernel":
            value = rng.normal(0, 1 / np.sqrt(np.prod(shape[:-1])), shape)
        elif name in ("gamma", "moving_variance"):
            value = rng.uniform(0.5, 1.5, shape)
        else:
            value = rng.normal(0, 0.3, shape)
        weight.assign(value)
    return model


# --- forward and gradients, layer by layer -------------------------------------------------------------------


# Of several pictures: the outputs of all layers, then the gradients for a given gradient of the last output.
BOTH_WAYS = """
function run({ net: description, x, dy, training }) {
  const net = engine.load(description);
  net.forward(x, { training });
  const outputs = byName(net, (l) => l.output.slice());
  const dx = net.backward(dy).slice();
  return { outputs, dx, gradients: byName(net, (l) => l.gradients), weights: byName(net, (l) => l.weights) };
}
"""


class Case:
    """One model, a batch for it, and what Keras makes of it: outputs of all layers, gradients, weights afterwards."""

    def __init__(self, model, rng, training=False, pictures=2, x=None):
        self.model, self.training = model, training
        shape = (pictures, *model.input_shape[1:])
        self.x = rng.normal(0, 1, shape).astype(np.float32) if x is None else x
        self.dy = rng.normal(0, 1, (len(self.x), *model.output_shape[1:])).astype(np.float32)
        self.job = {"net": export_for_page(model, "float32"), "x": self.x, "dy": self.dy, "training": training}

    def in_double(self):
        """Let Keras compute in float64 what is expected of the same weights; return the case."""
        self.model, self.x, self.dy = in_double(self.model), self.x.astype(np.float64), self.dy.astype(np.float64)
        return self

    def expect(self):
        """Return (outputs by layer, gradient of x, gradients by layer and weight)."""
        every = keras.Model(self.model.inputs, [layer.output for layer in self.model.layers])
        x = tf.constant(self.x)
        with tf.GradientTape() as tape:
            tape.watch(x)
            outputs = every(x, training=self.training)
            outputs = outputs if isinstance(outputs, list) else [outputs]
            named = dict(zip([layer.name for layer in self.model.layers], outputs, strict=True))
            loss = tf.reduce_sum(named[self.model.outputs[0]._keras_history.operation.name] * self.dy)
        variables = [v for _, v in weights_of(self.model) if v.trainable]
        dx, dw = tape.gradient(loss, [x, [v.value for v in variables]])
        gradients = dict(zip([name for name, v in weights_of(self.model) if v.trainable], dw, strict=True))
        return named, dx, gradients

    def errors(self, answer):
        """Return {what: difference} of everything that the engine answered."""
        assert "error" not in answer, (answer, describe(self.model)["layers"])
        outputs, dx, gradients = self.expect()
        found = {f"output of {name}": difference(answer["outputs"][name], y) for name, y in outputs.items()}
        found["dx"] = difference(answer["dx"], dx, least=1e-6)
        for (layer, name), value in gradients.items():
            found[f"d {layer}/{name}"] = difference(answer["gradients"][layer][name], value, least=0.5)
        for (layer, name), weight in weights_of(self.model):  # moving statistics, which Keras has changed by now
            found[f"then {layer}/{name}"] = difference(answer["weights"][layer][name], weight)
        return found


def check(cases, most=1e-4):
    answers = run_engine(BOTH_WAYS, [case.job for case in cases])
    worst = {}
    for case, answer in zip(cases, answers, strict=True):
        for what, error in case.errors(answer).items():
            assert error <= most, f"{what} differs by {error} in {describe(case.model)['layers']}"
            kind = what.split()[0]
            worst[kind] = max(worst.get(kind, 0), error)
    print(f"{len(cases)} nets, largest differences {worst}")


def one_layer(make, shape, seed, training=False):
    """Return the case of one layer behind another one, so that gradients have to pass through."""
    rng = np.random.default_rng(seed)
    inputs = keras.Input(shape)
    x = layers.Dense(shape[-1], activation="tanh", name="before")(inputs)
    return Case(stir(keras.Model(inputs, make(x)), rng), rng, training, pictures=int(rng.integers(1, 4)))


class Draw:
    """Random settings of layers."""

    def __init__(self, seed):
        self.rng = random.Random(seed)

    def side(self, most=4):
        return self.rng.choice((self.rng.randint(1, most), (self.rng.randint(1, most), self.rng.randint(1, most))))

    def shape(self, least=1):
        return tuple(self.rng.randint(*ends) for ends in ((least, 11), (least, 11), (1, 7)))

    def padding(self):
        return self.rng.choice(("same", "valid"))


@pytest.mark.parametrize("training", [False, True])
def test_convolutions(training):
    draw, cases = Draw(1), []
    for i in range(45):
        strides = draw.side(3)
        dilation = draw.side(3) if strides == 1 else 1
        layer = layers.Conv2D(
            draw.rng.randint(1, 9),
            draw.side(5 if dilation == 1 else 2),
            strides=strides,
            padding=draw.padding(),
            dilation_rate=dilation,
            use_bias=draw.rng.random() < 0.6,
            activation=draw.rng.choice((None, "relu", "sigmoid", "tanh", "softmax")),
        )
        cases.append(one_layer(layer, draw.shape(least=5), i, training))
    check(cases)


def test_pools():
    draw, cases = Draw(2), []
    for i in range(40):
        size, strides, padding = draw.side(4), draw.rng.choice((None, draw.side(3))), draw.padding()
        kind = (layers.MaxPooling2D, layers.AveragePooling2D)[i % 2]
        cases.append(one_layer(kind(size, strides, padding), draw.shape(least=4), i))
    cases += [one_layer(layers.GlobalAveragePooling2D(), draw.shape(), i) for i in range(4)]
    rng = np.random.default_rng(6)
    for padding in ("same", "valid"):  # equal cells: the first of a window gets the gradient
        inputs = keras.Input((9, 8, 3))
        model = keras.Model(inputs, layers.MaxPooling2D(3, 2, padding)(inputs))
        cases.append(Case(model, rng, x=rng.integers(0, 3, (2, 9, 8, 3)).astype(np.float32)))
    # every second cell, as ResNet's option A takes them
    cases += [one_layer(layers.MaxPooling2D(1, strides=2, padding="same"), draw.shape(), i) for i in range(4)]
    check(cases)


@pytest.mark.parametrize("training", [False, True])
def test_batch_normalisation(training):
    draw, cases = Draw(3), []
    for i in range(16):
        layer = layers.BatchNormalization(
            momentum=draw.rng.choice((0.99, 0.5)),
            epsilon=draw.rng.choice((1e-3, 0.1)),
            center=i % 3 > 0,
            scale=i % 4 > 0,
            trainable=i % 5 > 0,
        )
        cases.append(one_layer(layer, draw.shape(least=4), i, training))
    for i in range(3):
        rng = np.random.default_rng(i)
        inputs = keras.Input((5,))
        model = keras.Model(inputs, layers.BatchNormalization()(layers.Dense(6)(inputs)))
        cases.append(Case(stir(model, rng), rng, training, pictures=7))
    check(cases)


def test_cell_by_cell_layers():
    draw, cases = Draw(4), []
    makers = [
        *(layers.Activation(name) for name in ("relu", "sigmoid", "tanh", "softmax", "linear")),
        layers.ReLU(),
        layers.Softmax(),
        layers.Rescaling(1 / 255),
        layers.Rescaling(-2.5, offset=0.75),
        layers.Rescaling(0.0),
        layers.Dropout(0.3),
        layers.Flatten(),
        layers.Dense(5, activation="tanh"),
        layers.Dense(9, use_bias=False),
    ]
    for seed, maker in enumerate(makers):
        cases += [
            one_layer(maker if i == 0 else type(maker).from_config(maker.get_config()), draw.shape(), seed)
            for i in range(2)
        ]
    check(cases)


def test_joins():
    def branches(join, i):
        def make(x):
            one = layers.Dense(4, name="one")(x)
            two = layers.Dense(4 if join is layers.Add else 3, name="two")(x)
            last = one if i == 1 else x if join is layers.Concatenate else layers.Dense(4, name="three")(x)
            return layers.Activation("tanh")(join(name="join")([one, two, last][: 2 if i == 2 else 3]))

        return make

    draw = Draw(5)
    check([one_layer(branches(j, i), draw.shape(), i) for j in (layers.Add, layers.Concatenate) for i in range(4)])


# --- whole nets ------------------------------------------------------------------------------------------------


def pictures(rng, count):
    return rng.integers(0, 256, (count, 32, 32, 3)).astype(np.float32)


def page_net():
    """Return the net that trains in the page."""
    return keras.Sequential(
        [
            keras.Input((32, 32, 3)),
            layers.Rescaling(1 / 255),
            layers.Conv2D(16, 5, strides=2, padding="same"),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.MaxPooling2D(),
            layers.Conv2D(32, 3, padding="same"),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(10),
        ],
        name="page-net",
    )


@pytest.mark.parametrize("weights", ["fresh", "stirred"])
def test_the_nets_of_the_course(weights):
    rng = np.random.default_rng(11)
    cases = []
    for net in (models.baseline(), models.lenet5(), models.lenet5(activation="relu"), models.cifar_resnet()):
        if weights == "stirred":
            stir(net, rng)
        cases.append(Case(net, rng, x=pictures(rng, 2)).in_double())
    answers = run_engine(BOTH_WAYS, [case.job for case in cases])
    for case, answer in zip(cases, answers, strict=True):
        errors = case.errors(answer)
        assert max(errors.values()) <= 1e-4, (case.model.name, errors)
        logits = np.abs(answer["outputs"][case.model.layers[-1].name] - case.model(case.x).numpy().ravel()).max()
        assert logits <= 1e-4
        print(f"{case.model.name}: logits {logits:.1e}, outputs and gradients {max(errors.values()):.1e}")


def test_nets_in_training_mode():
    rng = np.random.default_rng(12)
    nets = (
        models.baseline(without="D"),
        page_net(),
        models.cifar_resnet(depth=8),
        models.inception10(filters=3, blocks=1),
    )
    check([Case(stir(net, rng), rng, training=True, x=pictures(rng, 6)).in_double() for net in nets])


# --- training ---------------------------------------------------------------------------------------------------


FIVE_STEPS = """
function run({ net: description, batches, optimizer: [kind, settings] }) {
  const net = engine.load(description), optimizer = engine[kind](net, settings);
  const results = batches.map(([x, y]) => net.trainBatch(x, y, optimizer));
  return { results, weights: byName(net, (l) => l.weights) };
}
"""


def test_steps_of_the_optimizers():
    rng = np.random.default_rng(13)
    rules = [
        ("sgd", {"learning_rate": 0.05}, keras.optimizers.SGD(0.05)),
        ("sgd", {"learning_rate": 0.02, "momentum": 0.9}, keras.optimizers.SGD(0.02, momentum=0.9)),
        ("sgd", {"momentum": 0.5, "nesterov": True}, keras.optimizers.SGD(momentum=0.5, nesterov=True)),
        ("adam", {}, keras.optimizers.Adam()),
        ("adam", {"learning_rate": 0.003, "beta_1": 0.8, "beta_2": 0.99, "epsilon": 1e-4}, keras.optimizers.Adam(0.003, 0.8, 0.99, 1e-4)),
    ]  # fmt: skip
    jobs, nets = [], []
    for kind, settings, optimizer in rules:
        description, net = export_for_page(net := page_net(), "float32"), in_double(net)
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        net.compile(optimizer, loss, metrics=["accuracy"], run_eagerly=True)
        batches = [(pictures(rng, 16), rng.integers(0, 10, 16)) for _ in range(5)]
        start = net.get_weights()
        jobs.append(
            {
                "net": description,
                "batches": [[x, y.tolist()] for x, y in batches],
                "optimizer": [kind, settings],
            }
        )
        nets.append((net, batches, start))
    for (net, batches, start), answer in zip(nets, run_engine(FIVE_STEPS, jobs), strict=True):
        assert "error" not in answer, answer
        for (x, y), result in zip(batches, answer["results"], strict=True):
            net.reset_metrics()
            loss, accuracy = net.train_on_batch(x, y)
            assert result["loss"] == pytest.approx(float(loss), abs=1e-4)
            assert result["correct"] == round(float(accuracy) * 16)
        for ((layer, name), weight), before in zip(weights_of(net), start, strict=True):
            ours = answer["weights"][layer][name]
            if layer.startswith("conv2d") and name == "bias":
                # Batch normalisation cancels it: its gradient is rounding noise, which Adam blows up to whole steps.
                assert np.abs(ours).max() <= 5 * 0.003 * 1.5
                continue
            assert difference(ours, weight) <= 1e-4, (layer, name)
            assert difference(ours, before) > 1e-3, f"{layer}/{name} has not moved"


def test_it_learns():
    script = """
    function run(job) {
      const net = engine.load(job, 1), adam = engine.adam(net, { learning_rate: 0.01 }), next = engine.chance(2);
      // one bright quarter of four
      const picture = (label) => Array.from({ length: 64 }, (_, i) => next() + (label === 2 * (i >= 32) + (i % 8 >= 4)));
      const batch = (labels) => Float32Array.from(labels.flatMap(picture));
      let last;
      for (let step = 0; step < 60; step++) {
        const labels = Array.from({ length: 20 }, () => Math.floor(4 * next()));
        last = net.trainBatch(batch(labels), labels, adam);
      }
      const labels = Array.from({ length: 200 }, () => Math.floor(4 * next()));
      const scores = net.forward(batch(labels));
      return { last, right: engine.crossEntropy(scores, labels, new Float32Array(scores.length)).correct };
    }
    """
    net = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(4, 3, activation="relu"),
            layers.Dropout(0.1),
            layers.Flatten(),
            layers.Dense(4),
        ]
    )
    (answer,) = run_engine(script, [describe(net)])
    assert answer["last"]["loss"] < 0.5 and answer["right"] > 180, answer


# --- chance ------------------------------------------------------------------------------------------------------


def test_seeded_weights_are_glorots():
    net = page_net()
    script = "function run(job) { const net = engine.load(job, 7); return byName(net, (l) => l.weights); }"
    script_again = """
    function run(job) {
      const net = engine.load(job, 7), adam = engine.adam(net);
      net.trainBatch(new Float32Array(3072).fill(9), [3], adam);
      net.reset();
      const again = byName(net, (l) => Object.fromEntries(Object.entries(l.weights).map(([k, v]) => [k, v.slice()])));
      net.reset(8);
      return { again, other: byName(net, (l) => l.weights) };
    }
    """
    (first,), (second,) = run_engine(script, [describe(net)]), run_engine(script_again, [describe(net)])
    draw = chance(7)
    for (layer, name), weight in weights_of(net):
        values = first[layer][name]
        if name == "kernel":
            shape = tuple(weight.shape)
            area = int(np.prod(shape[:-2]))
            limit = np.sqrt(6 / (area * shape[-2] + area * shape[-1]))
            assert values == pytest.approx([limit * (2 * draw() - 1) for _ in range(values.size)], abs=1e-7)
            assert np.abs(np.asarray(weight)).max() == pytest.approx(limit, rel=0.05)  # Keras draws from the same range
            assert (second["other"][layer][name] != values).any()
        else:
            assert (values == np.asarray(weight)).all()
        assert (second["again"][layer][name] == values).all()


def test_dropout():
    script = """
    function run({ net: description, x, seeds }) {
      const net = engine.load(description);
      return seeds.map((seed) => {
        const y = net.forward(x, { training: true, seed }).slice();
        return { y, dx: net.backward(new Float32Array(x.length).fill(1)).slice(), idle: net.forward(x).slice() };
      });
    }
    """
    inputs = keras.Input((20, 20, 5))
    job = {
        "net": describe(keras.Model(inputs, layers.Dropout(0.3)(inputs))),
        "x": np.ones((3, 20, 20, 5)),
        "seeds": [4, 4, 5],
    }
    one, same, other = run_engine(script, [job])[0]
    assert set(np.unique(one["y"])) == {np.float32(0), np.float32(1 / 0.7)}
    assert np.mean(one["y"] == 0) == pytest.approx(0.3, abs=0.03)
    assert (one["dx"] == one["y"]).all() and (one["idle"] == 1).all()  # the input is 1 everywhere
    assert (one["y"] == same["y"]).all() and (one["y"] != other["y"]).any()


# --- what a page asks of a net --------------------------------------------------------------------------------------


def test_saliency_of_one_class():
    rng = np.random.default_rng(14)
    net = stir(models.baseline(), rng)
    x = pictures(rng, 3)
    script = "function run({ net, x }) { const own = engine.load(net); own.forward(x); return own.inputGradient(6); }"
    (ours,) = run_engine(script, [{"net": export_for_page(net, "float32"), "x": x}])
    tensor = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(tensor)
        score = net(tensor)[:, 6]
    theirs = tape.gradient(score, tensor).numpy()
    assert np.abs(ours - theirs.ravel()).max() <= 1e-4 * np.abs(theirs).max()


def test_a_filter_switched_off():
    rng = np.random.default_rng(15)
    net = stir(models.cifar_resnet(depth=8), rng)
    x, name = pictures(rng, 2), "stage2_block1_2_bn"  # no ReLU follows, which would stop the gradient at 0 anyway
    script = """
    function run({ net: description, x, name }) {
      const net = engine.load(description), before = net.forward(x).slice();
      const layer = net.layer(name), early = net.layers[1].output.slice();
      layer.off = [3, 5];
      const off = net.rerun(name).slice(), dx = net.inputGradient(0).slice();
      const steps = [...net.slices(x)].map((l) => l.name), again = net.forward(x).slice();
      layer.off = [];
      return { before, off, dx, again, back: net.rerun(name), steps };
    }
    """
    (answer,) = run_engine(script, [{"net": export_for_page(net, "float32"), "x": x, "name": name}])

    # the same in Keras: two channels of the layer's output multiplied by 0
    mask = np.ones(net.get_layer(name).output.shape[-1], np.float32)
    mask[[3, 5]] = 0

    def masked(layer, *args, **kwargs):
        y = layer(*args, **kwargs)
        return y * mask if layer.name == name else y

    rebuilt = keras.models.clone_model(net, call_function=masked, clone_function=lambda layer: layer)
    tensor = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(tensor)
        scores = rebuilt(tensor)
    assert difference(answer["off"], scores) <= 1e-4
    with tf.GradientTape() as tape:
        tape.watch(tensor)
        first = rebuilt(tensor)[:, 0]
    assert difference(answer["dx"], tape.gradient(first, tensor), least=1e-6) <= 1e-4
    assert np.abs(answer["off"] - answer["before"]).max() > 1e-3
    assert (answer["again"] == answer["off"]).all() and (answer["back"] == answer["before"]).all()
    assert answer["steps"] == [layer["name"] for layer in describe(net)["layers"]]


FIELDS = """
function run({ net: description, asks }) {
  const net = engine.load(description);
  return asks.map(([name, ...at]) => ({ window: net.readWindow(name, ...at), field: net.fieldOf(name, ...at) }));
}
"""


def test_windows_and_fields():
    rng, draw, jobs, stacks = random.Random(16), Draw(16), [], []
    for _ in range(12):
        n, stack, sizes = rng.randint(32, 40), [], []
        inputs = x = keras.Input((n, n, 2))
        for i in range(3):
            k, s, padding = rng.randint(1, 4), rng.randint(1, 2), draw.padding()
            d = rng.randint(1, 2) if s == 1 and i != 1 else 1
            pool, conv = layers.MaxPooling2D(k, s, padding), layers.Conv2D(3, k, s, padding, dilation_rate=d)
            sizes.append(x.shape[1])
            x = (pool if i == 1 else conv)(x)
            stack.append((k, s, d, padding))
        net = describe(keras.Model(inputs, x))
        asks = [(net["layers"][-1]["name"], rng.randrange(x.shape[1]), rng.randrange(x.shape[1])) for _ in range(4)]
        jobs.append({"net": net, "asks": asks})
        stacks.append((stack, sizes))
    for job, (stack, sizes), answers in zip(jobs, stacks, run_engine(FIELDS, jobs), strict=True):
        for (_, *place), answer in zip(job["asks"], answers, strict=True):
            k, s, d, padding = stack[-1]
            for key, index in zip(("rows", "columns"), place, strict=True):
                assert answer["window"][key] == list(geometry.window(sizes[-1], index, k, s, padding, d))
                seen = geometry.trace(stack, sizes[0], index)[0]
                assert answer["field"][key] == [cell for cell in seen if 0 <= cell < sizes[0]]


def test_fields_through_branches_and_dense_layers():
    net = models.inception10(filters=2, blocks=1)
    asks = [
        ("block1_unit1_concat", 4, 4),
        ("block1_unit1_1x1_conv", 4, 4),
        ("image", 1, 2),
        ("global_pool", 0, 0),
        ("dense", 0, 0),
    ]
    concat, one, image, pooled, dense = run_engine(FIELDS, [{"net": describe(net), "asks": asks}])[0]
    # 1x1 with strides 2 behind the stem's 3x3; then 5x5 (of every second cell) in the widest branch
    assert one["field"] == {"rows": [7, 8, 9], "columns": [7, 8, 9]}
    assert concat["field"] == {"rows": list(range(3, 14)), "columns": list(range(3, 14))}
    assert image == {"window": {"rows": [1], "columns": [2]}, "field": {"rows": [1], "columns": [2]}}
    assert pooled == dense == {"window": None, "field": {"rows": list(range(32)), "columns": list(range(32))}}


def test_buffers_are_used_again():
    script = """
    function run({ net: description, x }) {
      const net = engine.load(description), size = net.input.size, adam = engine.adam(net);
      const alone = net.forward(x.subarray(0, size)).slice();
      const all = net.forward(x).slice(), places = () => net.layers.map((l) => l.output.buffer);
      const before = places(), few = net.forward(x.subarray(0, 2 * size)).slice();
      net.forward(x);
      for (let i = 0; i < 3; i++) net.trainBatch(x, [1, 2, 3, 4, 5], adam);
      return { alone, all, few, same: places().every((buffer, i) => buffer === before[i]) };
    }
    """
    rng = np.random.default_rng(17)
    net = stir(page_net(), rng)
    (answer,) = run_engine(script, [{"net": export_for_page(net, "float32"), "x": pictures(rng, 5)}])
    assert answer["same"]
    assert (answer["all"][:10] == answer["alone"]).all() and (answer["all"][:20] == answer["few"]).all()


WORKER = """
import { readFileSync } from "node:fs";
import { Worker } from "node:worker_threads";
const { net, shipped } = JSON.parse(readFileSync(0, "utf8")), x = new Float32Array(3072).fill(7);
new Function(shipped)();
const makeEngine = globalThis.start;
const text = `const { parentPort } = require("node:worker_threads"), engine = (${makeEngine})();
  parentPort.once("message", ([net, x]) => parentPort.postMessage(engine.load(net, 3).forward(x)));`;
const worker = new Worker(text, { eval: true, execArgv: [] });
worker.postMessage([net, x]);
const there = await new Promise((resolve) => worker.once("message", resolve));
console.log(JSON.stringify([[...there], [...makeEngine().load(net, 3).forward(x)]]));
process.exit();
"""


def test_small_in_a_page_and_a_worker_made_of_its_text():
    text = ENGINE.read_text(encoding="utf-8")
    code = re.sub(r"^ *//.*", "", text, flags=re.MULTILINE)
    assert not re.search(r"^\s*import\b|\bdocument\b|\bwindow\b|\bMath\.fround\b", code, re.MULTILINE)
    assert re.findall(r"^(\S.*)", code, re.MULTILINE) == ["export function makeEngine() {", "}"]  # one name in the page
    minify = pytest.importorskip("minify")
    plain = re.sub("^export ", "", text, flags=re.MULTILINE)
    shipped = minify.string("text/javascript", f"(() => {{ {plain} globalThis.start = makeEngine; }})()")
    assert len(shipped.encode()) < SIZE_LIMIT
    there, here = json.loads(node(WORKER, json.dumps({"net": describe(page_net()), "shipped": shipped})))
    assert there == here and len(here) == 10 and len(set(here)) > 1
    print(f"{len(shipped.encode())} bytes")


# --- what the engine refuses ------------------------------------------------------------------------------------


def chain(*rows):
    """Return a description whose layers follow one another."""
    named = [{"name": row.get("name", f"l{i}"), **row} for i, row in enumerate(rows)]
    return {
        "name": "t",
        "layers": [
            row if "inputs" in row or not i else {**row, "inputs": [named[i - 1]["name"]]}
            for i, row in enumerate(named)
        ],
    }


IMAGE = {"type": "InputLayer", "shape": [6, 5, 2]}
DENSE = {"type": "Dense", "units": 3}


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([IMAGE, {"type": "LSTM"}], "layer 'l1' is a LSTM: this engine has InputLayer, Rescaling, Conv2D"),
        ([IMAGE, {"type": "Activation", "activation": "gelu"}], "layer 'l1' has activation 'gelu': this engine has linear"),
        ([IMAGE, DENSE | {"inputs": ["l2"]}, DENSE], "layer 'l1' takes 'l2', which no layer before it is named"),
        ([IMAGE, DENSE | {"inputs": ["l0", "l0"]}], "layer 'l1', a Dense, has 2 inputs"),
        ([IMAGE, DENSE | {"name": "l0"}], "layer name 'l0' is there twice"),
        ([DENSE], "layer 'l0', a Dense, has 0 inputs"),
        ([IMAGE, IMAGE | {"inputs": []}], "a net has one InputLayer, its first layer"),
        ([IMAGE, {"type": "MaxPooling2D", "pool_size": 6}], "layer 'l1' has windows of 6 cells and gets only 5"),
        ([IMAGE, {"type": "MaxPooling2D", "padding": "causal"}], "layer 'l1' has padding 'causal': use 'valid' or 'same'"),
        ([IMAGE, {"type": "Flatten"}, {"type": "MaxPooling2D"}], "layer 'l2' takes pictures, and gets the shape 60"),
        ([IMAGE, DENSE, {"type": "Add", "inputs": ["l0", "l1"]}], "layer 'l2' adds shapes that differ: 6,5,2 and 6,5,3"),
        ([IMAGE, {"type": "Flatten"}, {"type": "Concatenate", "inputs": ["l0", "l1"]}], "layer 'l2' puts together shapes"),
        ([IMAGE, DENSE | {"shape": [6, 5, 4]}], "layer 'l1' gives 6,5,3, not 6,5,4"),
        ([IMAGE, {"type": "Dense"}], "layer 'l1' has the shape 6,5,"),
        ([IMAGE, DENSE | {"weights": {"kernel": [1] * 6}}], "layer 'l1' has no weights 'bias'"),
        ([IMAGE, DENSE | {"weights": {"kernel": {"int8": "AQID", "scales": ""}}}], "3 whole numbers do not fit 0 scales"),
        ([IMAGE, DENSE | {"weights": {"kernel": [1] * 5, "bias": [0] * 3}}], "layer 'l1' has 5 numbers in 'kernel': the shape 2,3 takes 6"),
    ],
)  # fmt: skip
def test_bad_descriptions(rows, words):
    (error,) = refused("function run(job) { return engine.load(job); }", [chain(*rows)])
    assert error.startswith("RangeError: ") and words in error


def test_bad_calls():
    net = chain(IMAGE, {"type": "Flatten"}, DENSE)
    soft = chain(IMAGE, {"type": "Flatten"}, DENSE | {"activation": "softmax"})
    calls = {
        "net.forward(new Float32Array(61))": "61 numbers are no pictures of 6 x 5 x 2",
        "net.forward([])": "0 numbers are no pictures",
        "net.backward([1, 2, 3])": "no picture has been computed yet: call forward first",
        "net.inputGradient(0)": "no picture has been computed yet",
        "net.rerun('l2')": "no picture has been computed yet",
        "net.forward(new Float32Array(60)); net.backward([1])": "the gradient has 1 numbers, the output 3",
        "net.forward(new Float32Array(60)); net.inputGradient(3)": "class 3 is none of 0 to 2",
        "net.rerun('l9')": "'l9' is no layer: l0, l1, l2",
        "net.trainBatch(new Float32Array(60), [3], engine.sgd(net))": "label 3 is none of 0 to 2",
        "net.trainBatch(new Float32Array(60), [1, 2], engine.sgd(net))": "3 logits for 2 labels",
        "soft.trainBatch(new Float32Array(60), [1], engine.sgd(soft))": "layer 'l2' gives probabilities: training takes logits",
    }
    script = "function run({ call, pair }) { const [net, soft] = pair.map((d) => engine.load(d)); return eval(call); }"
    errors = refused(script, [{"call": call, "pair": [net, soft]} for call in calls])
    for error, words in zip(errors, calls.values(), strict=True):
        assert error.startswith("RangeError: ") and words in error


# --- from Keras to the page -----------------------------------------------------------------------------------------


def test_int8_weights():
    rng = np.random.default_rng(18)
    kernel = (rng.normal(0, 1, (5, 5, 3, 8)) * rng.uniform(0.01, 10, 8)).astype(np.float32)
    kernel[..., 2] = 0
    whole, scales = quantise(kernel)
    assert whole.dtype == np.int8 and scales.shape == (8,) and scales.dtype == np.float32
    error = np.abs(whole * scales - kernel).max(axis=(0, 1, 2))
    assert (error <= scales / 2 * (1 + 1e-5)).all() and error[0] > scales[0] / 4
    assert (np.abs(whole).max(axis=(0, 1, 2)) == np.where(scales > 0, 127, 0)).all()

    inputs = keras.Input((9, 9, 3))
    net = stir(keras.Model(inputs, layers.Conv2D(8, 5, name="conv")(inputs)), rng)
    net.get_layer("conv").kernel.assign(kernel)
    script = "function run(job) { return engine.load(job).layer('conv').weights; }"
    (weights,) = run_engine(script, [export_for_page(net)])
    assert (weights["kernel"] == (whole * scales).ravel()).all()
    assert (weights["bias"] == np.asarray(net.get_layer("conv").bias)).all()


def test_int8_nets_answer_nearly_the_same():
    rng = np.random.default_rng(19)
    nets = [stir(net, rng) for net in (models.baseline(), models.lenet5(activation="relu"), models.cifar_resnet())]
    x = pictures(rng, 8)
    jobs = [{"net": export_for_page(net), "x": x} for net in nets]
    for net, job, ours in zip(
        nets, jobs, run_engine("function run({ net, x }) { return engine.load(net).forward(x); }", jobs), strict=True
    ):
        theirs = net(x).numpy()
        assert 0 < np.abs(ours - theirs.ravel()).max() < 0.06 * np.ptp(theirs), net.name
        assert len(json.dumps(job["net"])) < 400_000, net.name


def test_sequential_nested_and_shared():
    block = keras.Sequential(
        [keras.Input((8, 8, 4)), layers.Conv2D(4, 3, padding="same", name="conv"), layers.ReLU(name="relu")],
        name="block",
    )
    inputs = keras.Input((8, 8, 4), name="image")
    x = block(inputs)
    x = keras.ops.add(x, inputs)
    act = layers.Activation("tanh", name="act")
    x = act(layers.Dense(4, name="dense")(act(x))) + inputs
    net = stir(keras.Model(inputs, layers.Flatten(name="flatten")(x), name="nested"), np.random.default_rng(20))
    for layer in block.layers:
        for weight in layer.weights:
            weight.assign(np.random.default_rng(21).normal(0, 0.5, weight.shape))
    description = export_for_page(net, "float32")
    names = [layer["name"] for layer in description["layers"]]
    assert names[:3] == ["image", "block/conv", "block/relu"] and names[3].startswith("add")
    assert [layer["type"] for layer in description["layers"]].count("Add") == 2
    assert "act (use 2)" in names and len(set(names)) == len(names)
    x = np.random.default_rng(22).normal(0, 1, (3, 8, 8, 4)).astype(np.float32)
    (ours,) = run_engine(
        "function run({ net, x }) { return engine.load(net).forward(x); }", [{"net": description, "x": x}]
    )
    assert difference(ours, net(x)) <= 1e-4


def test_description_is_short_and_plain():
    description = describe(page_net())
    assert json.loads(json.dumps(description)) == description
    conv = description["layers"][2]
    assert {key: conv[key] for key in ("type", "filters", "kernel_size", "strides", "padding", "shape")} == {
        "type": "Conv2D", "filters": 16, "kernel_size": 5, "strides": 2, "padding": "same", "shape": [16, 16, 16],
    }  # fmt: skip
    assert "use_bias" not in conv and "weights" not in conv  # the default, and no weights
    for before, after in pairwise(description["layers"]):
        assert after["inputs"] == [before["name"]]


def keras_net(*stack, shape=(8, 8, 4)):
    return keras.Sequential([keras.Input(shape), *stack])


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: keras_net(layers.LeakyReLU(name="leak")), "layer 'leak' is a LeakyReLU, which the page's engine has not: it has Conv2D, Dense"),
        (lambda: keras_net(layers.Lambda(lambda x: x, name="own")), "layer 'own' is a Lambda"),
        (lambda: keras_net(layers.Conv2D(4, 3, groups=2, name="c")), "layer 'c' has groups=2: the page's engine has 1"),
        (lambda: keras_net(layers.Conv2D(4, 3, activation="gelu", name="c")), "layer 'c' has activation='gelu': the page's engine has 'linear' or"),
        (lambda: keras_net(layers.ReLU(max_value=6, name="r")), "layer 'r' has max_value=6"),
        (lambda: keras_net(layers.ReLU(negative_slope=0.1, name="r")), "layer 'r' has negative_slope=0.1"),
        (lambda: keras_net(layers.BatchNormalization(axis=1, name="b")), "layer 'b' has axis=1: the page's engine has -1"),
        (lambda: keras_net(layers.GlobalAveragePooling2D(keepdims=True, name="g")), "layer 'g' has keepdims=True"),
        (lambda: keras_net(layers.Dropout(0.5, noise_shape=(None, 1, 1, 4), name="d")), "layer 'd' has noise_shape="),
        (lambda: keras_net(layers.Rescaling([1.0, 2.0, 3.0, 4.0], name="s")), "layer 's' has scale=[1.0, 2.0, 3.0, 4.0]: the page's engine has one"),
        (lambda: keras_net(layers.Dense(3), shape=(None, 8, 4)), "give its Input a whole shape"),
        (lambda: keras.Sequential([layers.Dense(3)]), "is not built"),
    ],
)  # fmt: skip
def test_models_that_no_page_runs(make, words):
    for function in (describe, export_for_page):
        with pytest.raises(ValueError) as caught:
            function(make())
        assert words in str(caught.value)


def test_more_models_that_no_page_runs():
    one, two = keras.Input((4,), name="one"), keras.Input((4,), name="two")
    with pytest.raises(ValueError, match="has 2 inputs and 1 outputs: a page runs nets with one of each"):
        describe(keras.Model([one, two], layers.Add()([one, two])))
    with pytest.raises(ValueError, match="has 1 inputs and 2 outputs"):
        describe(keras.Model(one, [layers.Dense(1)(one), layers.Dense(1)(one)]))
    twice = layers.Dense(4, name="twice")
    with pytest.raises(ValueError, match="layer 'twice' is used twice"):
        describe(keras.Model(one, twice(twice(one))))
    with pytest.raises(ValueError, match="layer 'broad' adds shapes that differ"):
        describe(keras.Model(one, layers.Add(name="broad")([one, layers.Dense(1)(one)])))
    with pytest.raises(TypeError, match="is not a Keras model"):
        describe("baseline")

    def relu(x):  # another function than Keras's, whatever its name
        return keras.ops.clip(x, 0, 6)

    with pytest.raises(ValueError, match="layer 'six' has an activation of its own"):
        describe(keras.Model(one, layers.Dense(1, activation=relu, name="six")(one)))


def test_bad_exports():
    net = models.baseline()
    with pytest.raises(
        ValueError,
        match=r"has 198,506 weights, which take 266,\d\d\d bytes in a page, more than most_bytes=200,000: use a smaller",
    ):
        export_for_page(net, most_bytes=200_000)
    with pytest.raises(ValueError, match="use weights='int8', or a smaller net"):
        export_for_page(net, "float32", most_bytes=600_000)
    with pytest.raises(ValueError, match="a page, more than most_bytes=2,000,000"):
        export_for_page(models.alexnet8())
    with pytest.raises(ValueError, match="weights='int4' is not one of 'int8', 'float32'"):
        export_for_page(net, "int4")
    with pytest.raises(TypeError, match="most_bytes='2 MB' is not an integer"):
        export_for_page(net, most_bytes="2 MB")
    kernel = np.asarray(net.get_layer("dense2").kernel).copy()
    kernel[3, 4] = np.nan
    net.get_layer("dense2").kernel.assign(kernel)
    with pytest.raises(ValueError, match=r"dense2\.kernel holds numbers that are not finite"):
        export_for_page(net)
    with pytest.raises(ValueError, match="not finite"):
        quantise([[1.0, np.inf]])
