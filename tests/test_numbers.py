"""Ten thousand random states of the calculators in Chromium: every result they show is what Python computes."""

import json
import random
from urllib.parse import quote

import numpy as np
import pytest
import test_batch_norm
import test_conv_explorer
import test_dropout_explorer
import test_pooling
import test_receptive_field
import test_size_calculator

from cnnlib.widgets import (
    BatchNormExplorer,
    ConvExplorer,
    DropoutExplorer,
    PoolingExplorer,
    ReceptiveField,
    SizeCalculator,
)

STATES, BATCH = (
    {"conv-explorer": 2000, "size-calculator": 4000, "receptive-field": 4000, "pooling": 2400, "batch-norm": 2400},
    200,
)  # BATCH: a visit to the page

# Sets each state as a link does, lets the calculator draw, and reads its results.
DRIVE = """async ([hashes, read]) => {
  const results = [], reader = eval(read);
  for (const hash of hashes) {
    history.replaceState(null, "", hash);
    dispatchEvent(new Event("hashchange"));
    await null; await null; await null; // what is drawn in microtasks
    results.push(reader());
  }
  return results;
}"""
OUTPUTS = """() => [...document.querySelectorAll(".cnnlib-conv-output table")].map(
  table => [...table.rows].map(row => [...row.cells].map(td => Number(td.textContent || NaN))))"""
SIZES = """() => [[...document.querySelectorAll(".cnnlib-stack-list button")].map(card => card.textContent.replaceAll("\\u00a0", " ")),
  Object.fromEntries(["params", "macs"].map(key => [key, document.querySelector(`[data-row=${key}] b`)?.textContent]))]"""
ROWS = """() => [...document.querySelectorAll("table")[0].querySelectorAll("tbody tr:not(.why)")].map(
  row => [...row.cells].map(cell => cell.textContent))"""


def address(widget):
    """The page's address that holds all settings of a widget."""
    settings = {key: value if isinstance(value, str) else json.dumps(value) for key, value in widget.settings().items()}
    return "#" + "&".join(f"{widget.name}.{key}={quote(value)}" for key, value in settings.items())


def results(page, states, read):
    """Yield (widget, what the page shows of it)."""
    for start in range(0, len(states), BATCH):
        batch = states[start : start + BATCH]
        yield from zip(batch, page.evaluate(DRIVE, [[address(widget) for widget in batch], read]), strict=True)


def compared(pairs, same):
    """How many pairs there are, all of which must be the `same`."""
    count = 0
    for widget, shown in pairs:
        assert same(widget, shown), (widget, shown)
        count += 1
    return count


def test_outputs_of_the_explorer(open_widget):
    rng = random.Random(21)
    states = [test_conv_explorer.random_settings(rng) for _ in range(STATES["conv-explorer"])]
    page = open_widget(ConvExplorer())

    def same(widget, shown):
        ours = np.moveaxis(np.atleast_3d(widget.output), 2, 0)
        theirs = np.array(shown)
        # A cell too small for its number is read out, and compared in test_conv_explorer.
        return ours.shape == theirs.shape and np.all(np.isnan(theirs) | (np.abs(ours - theirs) < 0.005001))

    assert compared(results(page, states, OUTPUTS), same) == len(states)


def test_shapes_parameters_and_macs_of_the_size_calculator(open_widget):
    states = [
        SizeCalculator(**settings)
        for settings in test_size_calculator.random_stacks(STATES["size-calculator"], seed=22)
    ]
    page = open_widget(SizeCalculator())

    def same(widget, shown):
        cards, chosen = shown
        row = widget.rows[widget.current]
        shapes = [" × ".join(map(str, r["output_shape"])) if r["output_shape"] else "no output" for r in widget.rows]
        counts = {key: f"{row[key]:,}" for key in ("params", "macs") if row[key] is not None}
        return all(card.endswith(shape) for card, shape in zip(cards, shapes, strict=True)) and all(
            chosen[key] == count for key, count in counts.items()
        )

    assert compared(results(page, states, SIZES), same) == len(states)


def test_rows_of_the_receptive_field(open_widget):
    states = [
        ReceptiveField(**settings)
        for settings in test_receptive_field.random_settings(STATES["receptive-field"], seed=23)
    ]
    page = open_widget(ReceptiveField())

    def same(widget, shown):
        return shown[:-1] == test_receptive_field.cells_of(widget, widget.layers, widget.rows)

    assert compared(results(page, states, ROWS), same) == len(states)


def test_results_of_the_dropout_explorer(open_widget):
    rng = random.Random(24)
    states = [test_dropout_explorer.random_settings(rng) for _ in range(2000)]
    pairs = results(open_widget(DropoutExplorer()), states, test_dropout_explorer.READ)
    assert compared(pairs, test_dropout_explorer.same_numbers) == len(states)


def test_everything_that_the_pooling_explorer_shows(open_widget):
    rng = random.Random(24)
    states = [test_pooling.random_settings(rng) for _ in range(STATES["pooling"])]
    page = open_widget(PoolingExplorer())
    assert compared(results(page, states, test_pooling.READ), test_pooling.agrees) == len(states)


def test_everything_that_the_batch_norm_explorer_shows(open_widget):
    every = test_batch_norm.random_settings(STATES["batch-norm"], seed=25, steps=(0, 1, 3, 8, 20, 60))
    states = [BatchNormExplorer(**settings) for settings in every]
    pairs = results(open_widget(BatchNormExplorer()), states, test_batch_norm.READ)
    assert compared(pairs, test_batch_norm.agrees) == len(states)


def test_a_wrong_number_would_be_seen(open_widget):
    page = open_widget(ConvExplorer())
    [(_, shown)] = results(page, [ConvExplorer(bias=1)], OUTPUTS)
    with pytest.raises(AssertionError):
        compared([(ConvExplorer(bias=2), shown)], lambda widget, shown: np.allclose(widget.output, shown[0]))
