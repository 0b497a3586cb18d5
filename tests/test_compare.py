"""The family compared: its numbers are those of the records and of the nets, and a reader's run lies among them."""

import json

import keras
import numpy as np
import pytest
from matplotlib.colors import to_hex
from test_training import toy_data, toy_net

from cnnlib import compare, figures, models, training
from cnnlib.data import Dataset, Split
from cnnlib.summary import summarize
from cnnlib.training.record import RESULTS

LAYERS = {
    "baseline": 3,
    "lenet5": 5,
    "alexnet8": 8,
    "vgg16": 16,
    "inception10": 10,
    "resnet18": 18,
}  # the notes' names say it


@pytest.fixture(scope="module")
def family():
    return compare.family()


@pytest.fixture(scope="module")
def run():
    """A run of a net of the course, so short that it learns nothing."""
    rng = np.random.default_rng(0)
    few = Split(rng.integers(0, 256, (40, 32, 32, 3), dtype=np.uint8), rng.integers(0, 10, (40, 1)))
    data = Dataset("few", tuple("0123456789"), few, few, few)
    return training.fit(training.build(models.lenet5), data, epochs=3, batch_size=20, progress=False)


def test_the_costs_are_those_of_the_nets(family):
    assert (
        [entry.net for entry in family] == list(LAYERS) == [name for name in models.__all__ if name != "cifar_resnet"]
    )
    for entry in family:
        net = getattr(models, entry.net)()
        assert entry.layers == LAYERS[entry.net]
        assert entry.params == net.count_params()
        assert entry.macs == summarize(net).macs
        # every layer's output, counted by Keras
        numbers = sum(np.prod(layer.output.shape[1:]) for layer in net.layers)
        assert entry.memory == 4 * numbers
    assert family["vgg16"].receptive_field == 212 and family["baseline"].receptive_field == 6
    assert family["resnet18"] is family[5]


def test_layers_are_counted_along_the_longest_way():
    x = keras.Input((8, 8, 3))
    long = keras.layers.Conv2D(3, 3, padding="same")(keras.layers.Conv2D(4, 1)(x))
    net = keras.Model(
        x, keras.layers.Dense(2)(keras.layers.Flatten()(keras.layers.Add()([long, keras.layers.Conv2D(3, 1)(x)])))
    )
    assert compare.depth(net) == 3
    assert compare.depth(models.cifar_resnet(depth=20)) == 20  # the paper's name
    assert compare.depth(keras.Sequential([keras.Input((4,)), keras.layers.Dense(2), keras.layers.Dense(1)])) == 2


def test_work_that_nobody_knows_is_not_called_little():
    image = keras.Input((4, 4, 8))
    rows = keras.layers.Reshape((16, 8))(image)
    rows = keras.layers.MultiHeadAttention(2, 4)(rows, rows)
    net = keras.Model(image, keras.layers.Dense(3)(keras.layers.Flatten()(rows)))
    assert compare._costs(net)[2] is None and compare._costs(models.lenet5())[2] > 0


def test_the_accuracies_are_those_of_the_records(family):
    found = 0
    for entry in family:
        files = sorted(RESULTS.glob(f"{entry.net}.json")) + sorted(RESULTS.glob(f"{entry.net}-seed*.json"))
        kept = [json.loads(file.read_text()) for file in files]
        assert entry.test == [record["test"]["accuracy"] for record in kept]
        assert entry.validation == [max(record["history"]["val_accuracy"]) for record in kept]
        assert entry.history == (kept[0]["history"] if kept else None)
        for record in kept:
            found += 1
            assert record["params"] == entry.params
            assert record["recipe"]["epochs"] == 5
            assert f"{record['recipe']['dataset']}; 45,000 to train" in family.conditions
    assert found == 3 + 3 + 1 + 1 + 3 + 1  # three seeds of the small nets


def test_the_seconds_come_from_the_benchmark(family):
    speed = json.loads(compare.SPEED.read_text())
    assert {net["net"] for net in speed["nets"]} == set(LAYERS)
    for net in speed["nets"]:
        assert family[net["net"]].seconds == pytest.approx(45_000 / net["training"]["ours_per_second"])
        assert net["training"]["batch_size"] == (1024 if net["net"] == "inception10" else 32)
        line = next(line for line in family.conditions.splitlines() if line.startswith("Seconds: "))
        assert family[net["net"]].title in line.split(f"; {net['precision']}: ")[1].split(";")[0]
    assert speed["cpu"] in line and "in the notes' batches" in line


def test_the_table_says_it_all_as_text_and_as_html(family):
    text, page = repr(family), family._repr_html_()
    for entry in family:
        assert entry.title in text and entry.title in page
        assert f"{entry.params:,}" in text and f"<td>{entry.params:,}</td>" in page
        for accuracy in [np.mean(entry.test)] if entry.test else []:
            assert f"{accuracy:.1%}" in text and f"{accuracy:.1%}" in page
        if not entry.records:
            assert entry.title in text.split("No record yet: ")[1].splitlines()[0]
    lenet = next(line for line in text.splitlines() if line.startswith("LeNet5"))
    assert lenet.split()[1:4] == ["5", "62,006", "0.652"]


def test_a_run_of_mine_is_laid_over(run):
    both = compare.family(mine=run)
    assert len(both) == len(LAYERS) + 1
    entry = both[-1]
    assert entry.mine and entry.title == "yours: LeNet5" and both["lenet5"].title == "LeNet5"
    assert (entry.params, entry.layers) == (62_006, 5) and not entry.test
    assert entry.validation == [max(run.history["val_accuracy"])]
    assert "yours: LeNet5 (seed 0): few; 40 to train" in both.conditions and "3 epochs" in both.conditions
    fig = both.curves()
    panel = next(ax for ax in fig.axes if ax.get_title(loc="left") == "LeNet5")
    orange = [line for line in panel.lines if to_hex(line.get_color()) == figures.ORANGE]
    assert [line.get_ydata().tolist() for line in orange] == [run.history["accuracy"], run.history["val_accuracy"]]
    assert "yours: LeNet5" in both.curves_alt()
    names = [text.get_text() for text in both.against("macs").axes[0].texts]
    assert "yours: LeNet5" in names and "First CNN" in names
    run.test_metrics = {"loss": 1.0, "accuracy": 0.25}
    assert compare.family(mine=run)[-1].test == [0.25]
    assert [entry.title for entry in compare.family(mine=[run, run])[-2:]] == ["yours 1: LeNet5", "yours 2: LeNet5"]


def test_a_net_that_the_course_has_not_gets_a_panel_of_its_own():
    run = training.fit(toy_net(), toy_data(), epochs=2, batch_size=20, progress=False)
    both = compare.family(mine=run)
    titles = [ax.get_title(loc="left") for ax in both.curves().axes]
    assert titles[-1] == both[-1].title == f"yours: {run.model.name}"


def test_a_changed_net_of_the_course_is_not_laid_over_it():
    rng = np.random.default_rng(0)
    few = Split(rng.integers(0, 256, (20, 32, 32, 3), dtype=np.uint8), rng.integers(0, 10, (20, 1)))
    net = training.build(models.inception10, filters=4, blocks=1)
    assert net.name == "inception10"
    both = compare.family(
        mine=training.fit(net, Dataset("few", (), few, few, few), epochs=1, batch_size=20, progress=False)
    )
    assert (
        both[-1].title == "yours: Inception10, changed" == [ax.get_title(loc="left") for ax in both.curves().axes][-1]
    )


def test_show_prints_the_table_and_says_the_figures(family, capsys):
    family.show()
    said = capsys.readouterr().out
    data = "CIFAR-10 (JPEG copy)"
    assert family.dataset == data and "First CNN" in said
    assert f"[Figure: Accuracy by epoch on {data}, " in said and f"[Figure: Test accuracy, {data}, against" in said


@pytest.mark.parametrize("cost", compare.COSTS)
def test_accuracy_is_drawn_against_each_cost(family, cost):
    ax = family.against(cost).axes[0]
    drawn = {line.get_xdata()[0] for line in ax.lines}
    assert drawn == {getattr(entry, cost) for entry in family.recorded}
    assert " ".join(ax.get_ylabel().split()) == "test accuracy, CIFAR-10 (JPEG copy), %"
    assert all(entry.title in family.against_alt(cost) for entry in family.recorded)


def test_bad_arguments_are_named(run, family):
    with pytest.raises(ValueError, match="recipe='best' is not one of notes, better"):
        compare.family("best")
    with pytest.raises(TypeError, match="is not a run of training.fit"):
        compare.family(mine={"accuracy": [1]})
    with pytest.raises(ValueError, match="mine holds 5 runs"):
        compare.family(mine=[run] * 5)
    with pytest.raises(ValueError, match="cost='money' is not one of macs, params, memory, seconds"):
        family.against("money")
    with pytest.raises(KeyError, match="lenet.*is not one of baseline"):
        family["lenet"]


def test_the_better_recipe_has_a_family_too():
    better = compare.family("better")
    assert [entry.net for entry in better.recorded] == list(LAYERS)
    for entry in better.recorded:
        assert all("augment" in record["recipe"] for record in entry.records)
