"""Ten thousand random states of the calculators in Chromium: every number they show is what Python computes."""

import copy
import json
import random
from urllib.parse import quote

import test_batch_norm
import test_conv_explorer
import test_dropout_explorer
import test_network_designer
import test_pooling
import test_receptive_field
import test_size_calculator
import test_train_here

from cnnlib.widgets import (
    BatchNormExplorer,
    ConvExplorer,
    DropoutExplorer,
    NetworkDesigner,
    PoolingExplorer,
    ReceptiveField,
    SizeCalculator,
    TrainHere,
)

# Of the explorer, the size calculator and the receptive field a part goes up to the largest that they take.
STATES, LARGE, BATCH = (
    {
        "conv-explorer": 2000,
        "size-calculator": 2500,
        "receptive-field": 2500,
        "pooling": 1000,
        "batch-norm": 1000,
        "dropout": 1000,
    },
    {"conv-explorer": 60, "size-calculator": 1000, "receptive-field": 500},
    200,
)  # BATCH: a visit to the page

# Sets each state as a link does, lets the calculator draw, and reads its results. The address bar itself stays as it is
# (test_address moves it): for each new one the browser would do more work than the calculator. Nor is the page laid out
# anew to be scrolled to where it is already, and only in each tenth state to say what can be seen; else a part is hidden
# by the attribute alone.
DRIVE = """async ([hashes, read]) => {
  const results = [], reader = eval(read);
  const { checkVisibility } = Element.prototype, hasNoHidden = function () { return !this.closest("[hidden]"); };
  Element.prototype.scrollIntoView = () => {};
  for (const [i, hash] of hashes.entries()) {
    Element.prototype.checkVisibility = i % 10 ? hasNoHidden : checkVisibility;
    dispatchEvent(new HashChangeEvent("hashchange", { newURL: new URL(hash, location) }));
    await null; await null; await null; // what is drawn in microtasks
    results.push(reader());
  }
  return JSON.stringify(results); // as lists of lists of numbers, Playwright would take longer over them than the page
}"""


def address(widget):
    """The page's address that holds all settings of a widget."""
    settings = {key: value if isinstance(value, str) else json.dumps(value) for key, value in widget.settings().items()}
    return "#" + "&".join(f"{widget.name}.{key}={quote(value)}" for key, value in settings.items())


def results(page, states, read):
    """Yield (widget, what the page shows of it)."""
    for start in range(0, len(states), BATCH):
        batch = states[start : start + BATCH]
        shown = page.evaluate(DRIVE, [[address(widget) for widget in batch], read])
        yield from zip(batch, json.loads(shown), strict=True)


def numbers_in(part):
    """Yield (list, index) of every text with a digit, and every number, in lists of lists."""
    for i, value in enumerate(part):
        if isinstance(value, list):
            yield from numbers_in(value)
        elif isinstance(value, (int, float)) or any(c.isdigit() for c in value):
            yield part, i


def change(part, key):
    """Make one number of `part` a wrong one: the first digit of a text, two hundredths of a number."""
    text = part[key]
    if isinstance(text, str):
        at = next(i for i, c in enumerate(text) if c.isdigit())
        part[key] = f"{text[:at]}{(int(text[at]) + 5) % 10}{text[at + 1 :]}"
    else:
        part[key] += 0.02


def compared(pairs, same, numbers=None):
    """How many pairs there are, all of which must be the `same`.

    `numbers` yields the places of numbers in what a page shows. In every tenth pair one of them is made a wrong one,
    and the same comparison must see it.
    """
    count, rng = 0, random.Random(0)
    for widget, shown in pairs:
        assert same(widget, shown), (widget, shown)
        count += 1
        if numbers and count % 10 == 0:
            wrong = copy.deepcopy(shown)
            part, key = rng.choice(list(numbers(wrong)))
            change(part, key)
            try:
                unseen = same(widget, wrong)
            except AssertionError:
                unseen = False
            assert not unseen, (widget, part, key)
    return count


def test_every_number_of_the_explorer(open_widget):
    rng, count = random.Random(21), STATES["conv-explorer"]
    every = count // LARGE["conv-explorer"]
    states = [test_conv_explorer.random_settings(rng, most=9 if i % every else 32) for i in range(count)]
    assert sum(max(widget.picture.shape) > 20 for widget in states) >= LARGE["conv-explorer"] / 3
    pairs = results(open_widget(ConvExplorer()), states, f"() => ({test_conv_explorer.READ})()[0]")
    numbers = lambda shown: numbers_in([shown[key] for key in ("input", "weight", "output")])  # noqa: E731
    assert compared(pairs, test_conv_explorer.agrees, numbers) == count


def test_every_number_of_the_size_calculator(open_widget):
    usual, large = STATES["size-calculator"] - LARGE["size-calculator"], LARGE["size-calculator"]
    stacks = [
        *test_size_calculator.random_stacks(usual, seed=22),
        *test_size_calculator.large_stacks(large, seed=26),
    ]
    states = [SizeCalculator(**settings) for settings in stacks]
    assert max(widget.params for widget in states) > 10_000_000
    pairs = results(open_widget(SizeCalculator()), states, test_size_calculator.READ)

    def numbers(shown):  # without an output there may be numbers of a formula that Python refuses to fill in
        output = shown["rows"].get("output", {"value": "none"})["value"]
        rows = shown["rows"] if output != "none" else {"params": shown["rows"]["params"]}
        for name, row in rows.items():
            if name != "sums" and any(c.isdigit() for c in row["value"]):  # sums are counted in test_size_calculator
                yield row, "value"

    assert compared(pairs, test_size_calculator.agrees, numbers) == len(states) == STATES["size-calculator"]


def test_every_number_of_the_receptive_field(open_widget):
    usual, large = STATES["receptive-field"] - LARGE["receptive-field"], LARGE["receptive-field"]
    every = [
        *test_receptive_field.random_settings(usual, seed=23),
        *test_receptive_field.random_settings(large, seed=27, n=256, in_channels=1024, filters=1024),
    ]
    rng = random.Random(28)
    others = [test_receptive_field.random_layers(rng) if rng.random() < 0.2 else [] for _ in every]
    states = [ReceptiveField(**settings, other=other) for settings, other in zip(every, others, strict=True)]
    pairs = results(open_widget(ReceptiveField()), states, test_receptive_field.READ)

    def numbers(shown):
        yield from numbers_in([shown["a"], shown["b"] or []])
        yield from ((row, i) for row in (shown["compared"] or [])[1:3] for i in (1, 2) if row[i] != "–")

    assert compared(pairs, test_receptive_field.agrees, numbers) == len(states) == STATES["receptive-field"]


def test_every_number_of_the_dropout_explorer(open_widget):
    rng = random.Random(24)
    states = [test_dropout_explorer.random_settings(rng) for _ in range(STATES["dropout"])]
    pairs = results(open_widget(DropoutExplorer()), states, test_dropout_explorer.READ)
    numbers = lambda shown: numbers_in([shown[key] for key in ("x", "y", "counts")])  # noqa: E731
    assert compared(pairs, test_dropout_explorer.same_numbers, numbers) == len(states)


def test_every_number_of_the_pooling_explorer(open_widget):
    rng, cells, blank = random.Random(24), 0, 0
    states = [test_pooling.random_settings(rng) for _ in range(STATES["pooling"])]

    def agrees(widget, shown):
        nonlocal cells, blank
        texts = [text for row in shown["output"] for text in row]
        cells, blank = cells + len(texts), blank + texts.count("")
        return test_pooling.agrees(widget, shown)

    pairs = results(open_widget(PoolingExplorer()), states, test_pooling.READ)

    def numbers(shown):
        yield from numbers_in([shown["input"], shown["output"]])
        yield shown, "formula"

    assert compared(pairs, agrees, numbers) == len(states)
    assert blank < 0.1 * cells, (blank, cells)  # too small for their numbers, so not compared


def test_every_number_of_the_batch_norm_explorer(open_widget):
    every = test_batch_norm.random_settings(STATES["batch-norm"], seed=25, steps=(0, 1, 3, 8, 20, 60))
    states = [BatchNormExplorer(**settings) for settings in every]
    pairs = results(open_widget(BatchNormExplorer()), states, test_batch_norm.READ)
    assert compared(pairs, test_batch_norm.agrees, lambda shown: numbers_in(shown["table"])) == len(states)


def test_every_number_of_the_network_designer(open_widget):
    states = test_network_designer.random_states(2000, seed=29)
    assert 200 < sum(bool(widget.problem) for widget in states) < 1200
    pairs = results(open_widget(NetworkDesigner()), states, test_network_designer.READ)
    numbers = lambda shown: numbers_in([shown["rows"], shown["totals"]])  # noqa: E731
    assert compared(pairs, test_network_designer.agrees, numbers) == len(states)


def test_every_number_of_the_training_net(open_widget):
    rng = random.Random(30)
    states = [test_train_here.random_settings(rng) for _ in range(2000)]
    pairs = results(open_widget(TrainHere()), states, test_train_here.READ)

    def numbers(shown):
        yield from numbers_in([shown["net"]])
        yield from ((shown, key) for key in ("total", "code"))

    assert compared(pairs, test_train_here.agrees, numbers) == len(states)
