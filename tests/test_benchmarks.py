"""The benchmarks: are the nets that are timed the same, do they run through, and what do int8 weights cost."""

import importlib.util
import json
import os
import re
import shutil
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from conftest import require
from test_models import NOTES_PARAMS, ORDER, place

from cnnlib import compare, models, training
from cnnlib.data import load_cifar10
from cnnlib.training.recipe import inner_layers
from cnnlib.training.record import git_state
from cnnlib.widgets.look_inside import WEIGHTS, recorded_nets
from cnnlib.widgets.page_model import model_of

FOLDER = Path(__file__).parents[1] / "benchmarks"
SPEEDS = "ours_per_second", "notes_per_second", "ratio", "lowest_ratio", "highest_ratio"


def benchmark(name):
    """A script of `benchmarks/` as a module, found as a script is: with its neighbours."""
    spec = importlib.util.spec_from_file_location(f"benchmark_{name}", FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(FOLDER))
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(FOLDER))
    return module


@pytest.fixture(scope="module")
def bench():
    return benchmark("training")


def leaves(net):
    """The layers with weights, in the order in which a class makes them."""
    return [layer for layer in inner_layers(net) if layer.weights and not list(inner_layers(layer))]


def silent(net):
    """The net without dropout's chance: both would draw other masks."""
    for layer in inner_layers(net):
        if isinstance(layer, keras.layers.Dropout):
            layer.rate = 0.0
    return net


def test_all_six_nets_are_timed(bench):
    assert set(bench.NETS) == set(NOTES_PARAMS)


@pytest.mark.parametrize("name", NOTES_PARAMS)
def test_the_nets_of_the_notes_compute_what_ours_compute(bench, name):
    keras.utils.set_random_seed(0)
    ours, theirs = silent(getattr(models, name)()), bench.NETS[name]()
    images = bench.random_images(4).x
    floats = images / np.float32(255)
    theirs(floats[:1])
    silent(theirs)
    mine = sorted(leaves(ours), key=lambda layer: place(layer.name)) if name in ORDER else leaves(ours)
    for layer, wanted in zip(leaves(theirs), mine, strict=True):
        assert type(layer) is type(wanted)
        assert [w.shape for w in layer.weights] == [w.shape for w in wanted.weights]
        layer.set_weights(wanted.get_weights())
    trained = sum(int(np.prod(w.shape)) for w in theirs.trainable_weights)
    assert (theirs.count_params(), trained) == NOTES_PARAMS[name]
    kinds = [sorted(type(x).__name__ for x in inner_layers(net) if not list(inner_layers(x))) for net in (ours, theirs)]
    plain = {"InputLayer", "Rescaling", "Concatenate", "Add"}  # a class computes with these, it does not hold them
    assert [k for k in kinds[0] if k not in plain] == kinds[1]
    assert compare.depth(theirs) == compare.depth(ours)  # whose layers do not stand in blocks
    # In training mode too: batch normalisation must be awake in both, or the notes' net would have less to do.
    for learning in (False, True):
        logits = ours(images, training=learning)
        probabilities = theirs(floats, training=learning)
        np.testing.assert_allclose(keras.ops.softmax(logits), probabilities, rtol=2e-3, atol=1e-5)


def test_it_runs_through(bench, tmp_path, capsys):
    path = tmp_path / "speed.json"
    bench.main(["lenet5", "baseline", "--blocks", "2", "--seconds", "0.02", "--json", str(path)])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("machine: ") and lines[1].startswith("versions: ") and "Keras" in lines[1]
    assert [line.split()[:3] for line in lines[4:]] == [
        [net, "float32", part] for net in ("lenet5", "baseline") for part in ("training", "inference")
    ]
    report = json.loads(path.read_text())
    assert {"cpu", "cores", "cpu_bfloat16", "versions"} < set(report)
    assert [found["net"] for found in report["nets"]] == ["lenet5", "baseline"]
    for found in report["nets"]:
        for part in (found["training"], found["inference"]):
            assert part["batch_size"] == 32 and part["images"] % 32 == 0 and part["images"] >= bench.STEPS * 32
            assert part["ours_per_second"] > 0 < part["notes_per_second"]
            assert len(part["ratios"]) == 2
            assert part["lowest_ratio"] == min(part["ratios"]) <= part["ratio"] <= max(part["ratios"])
            assert part["highest_ratio"] == max(part["ratios"])


def test_a_net_measured_anew_replaces_its_own_numbers_only(bench, tmp_path, monkeypatch):
    monkeypatch.setattr(bench, "compare", lambda *_: dict.fromkeys(("batch_size", *SPEEDS), 1.0))
    path = tmp_path / "speed.json"
    bench.main(["lenet5", "baseline", "--json", str(path)])
    before = json.loads(path.read_text())
    assert before["nets"][0]["git"] == git_state() and re.fullmatch(r"\d{4}-\d\d-\d\d", before["nets"][0]["date"])

    before["nets"][0] |= {"inference": "measured before"}
    del before["nets"][0]["git"], before["nets"][0]["date"]  # as in a file of this script's first form
    path.write_text(json.dumps(before))
    monkeypatch.setattr(bench, "compare", lambda *_: dict.fromkeys(("batch_size", *SPEEDS), 2.0))
    bench.main(["baseline", "--json", str(path)])
    after = json.loads(path.read_text())
    assert after["nets"][0] == before["nets"][0] and after["nets"][1]["training"]["ratio"] == 2.0
    assert list(tmp_path.iterdir()) == [path]

    kept = path.read_text()
    with pytest.raises(SystemExit, match="speed.json was measured otherwise .blocks 5, here 2.*name another file"):
        bench.main(["baseline", "--blocks", "2", "--json", str(path)])
    assert path.read_text() == kept
    for bad in "", "[]", '{"nets": 3}':
        path.write_text(bad)
        with pytest.raises(SystemExit, match="speed.json holds no report"):
            bench.main(["baseline", "--json", str(path)])
        assert path.read_text() == bad


def test_times_are_compared_block_by_block(bench, capsys):
    """A machine that grows slower by and by does not tell, and a net of half the speed does."""
    order, spent = [], []

    def run(name, factor):
        def timed(images, batch_size):
            order.append(name)
            spent.append(1)
            return factor * len(images.x) * (1 + 0.01 * len(spent))

        return timed

    found = bench.compare(run("ours", 0.001), run("notes", 0.002), 8, seconds=0.5, blocks=3)
    assert order[-12:] == ["ours", "notes", "notes", "ours"] + ["notes", "ours", "ours", "notes"] + order[-12:-8]
    assert found["ratios"] == [2, 2, 2] and found["ratio"] == 2
    assert found["images"] % 8 == 0 and 200 <= found["images"] <= 250  # half a second of the slower one


def test_the_clock_stops_before_validation(bench):
    """Else nets that validate would look slow."""
    clock = bench.Clock()
    clock.on_epoch_begin(0)
    clock.on_test_begin()
    seconds = clock.seconds
    clock.on_epoch_end(0)
    assert 0 < seconds == clock.seconds
    clock.on_predict_begin()
    assert clock.seconds is None
    clock.on_predict_batch_end(0, {"outputs": np.zeros(3)})
    clock.on_predict_end()
    assert clock.seconds > 0
    assert bench.training_batch("inception10") == 1024 and bench.training_batch("vgg16") == 32


def test_what_is_kept_of_it_shows_the_course_no_slower_than_the_notes_code():
    report = json.loads(compare.SPEED.read_text())
    assert {found["net"] for found in report["nets"]} == set(NOTES_PARAMS)
    for found in report["nets"]:
        for part in (found["training"], found["inference"]):
            assert part["highest_ratio"] >= 1, found["net"]  # within the spread
        if found["precision"] == "mixed_bfloat16":
            assert found["training"]["ratio"] >= 1.35, found["net"]


@pytest.mark.parametrize("bad", [["vgg"], ["--blocks", "0"], ["--seconds", "0"], ["--seconds", "nan"]])
def test_what_it_refuses(bench, bad, capsys):
    with pytest.raises(SystemExit):
        bench.parse(bad)
    assert bad[-1] in capsys.readouterr().err


@pytest.mark.skipif(not os.environ.get("CNNLIB_DATA"), reason="CNNLIB_DATA is not set: no CIFAR-10 here")
@pytest.mark.parametrize("name", recorded_nets())
def test_int8_weights_cost_less_than_a_third_of_a_point(name):
    """All test pictures by Keras with the numbers that the page has; some of them by the page's engine in Node.

    `benchmarks/page_nets.py` sends all of them through Node, which takes minutes for ResNet-20.
    """
    require(shutil.which("node"), "Node")
    test, record = load_cifar10().test, training.load_record(name)
    model = model_of(json.loads((WEIGHTS / f"{name}.json").read_text(encoding="utf-8")))
    mine = model.predict(test.x, batch_size=250, verbose=0).argmax(1)
    guesses, _ = benchmark("page_nets").guesses_in_node(name, test.x[:300])
    assert np.mean(guesses != mine[:300]) <= 0.005  # a tie may fall either way
    labels = test.y.ravel()
    assert len(labels) == 10_000
    if load_cifar10().name == record["recipe"]["dataset"]:
        assert abs(np.mean(mine == labels) - record["test"]["accuracy"]) < 0.003
