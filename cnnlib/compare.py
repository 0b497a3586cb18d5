"""The nets of the course side by side, from their records: what they cost, what they reach, and your own run among them.

    from cnnlib import compare
    compare.family().show()              # table, curves, accuracy against cost
    compare.family(mine=run).show()      # the same, with a run of ``training.fit`` laid over it

Accuracies and curves come from ``cnnlib/results/*.json``. Layers, parameters, multiply-accumulates, memory and receptive
field are counted on the nets themselves. Seconds come from one sitting of ``benchmarks/training.py``, kept in
``cnnlib/results/speed/``. Importing this loads TensorFlow.
"""

import functools
import html
import json
import statistics
import sys
import textwrap
from typing import NamedTuple

import keras

from cnnlib import figures, models, training
from cnnlib.graph import graph_of, inner_graph, nodes
from cnnlib.summary import summarize
from cnnlib.titles import FAMILY, title
from cnnlib.training.budget import ALL_IMAGES
from cnnlib.training.record import RESULTS
from cnnlib.widgets import NetworkDesigner

__all__ = ["COSTS", "RECIPES", "Entry", "Family", "depth", "family"]

RECIPES = {"notes": "", "better": "-better"}  # what a record's name ends in
SPEED = RESULTS / "speed" / "notes_recipe.json"
MOST_RUNS = 4

# What accuracy can be drawn against: a field of Entry -> the words at the axis.
COSTS = {
    "macs": "multiply-accumulates for one picture",
    "params": "parameters",
    "memory": "bytes that training keeps for one picture",
    "seconds": "seconds for an epoch of training",
}


class Entry(NamedTuple):
    """A net of the course with its records, or a run of yours.

    layers: convolutions and dense layers on the longest way through. macs: forward, for one picture. memory: bytes of all
    layers' outputs for one picture in float32, which training keeps for the way back. receptive_field: cells of the picture
    that one cell of the last maps sees. seconds: the training steps of one epoch on all 45,000 pictures, in the notes'
    batches; of a run of yours, what its fastest epoch would take for as many. None: not known.
    records: one a seed; empty where nothing is recorded. twin: of a run of yours, the title of the course's net that it
    trained; None for another net, or one of the course's with other layers than it has here.
    """

    title: str
    net: str
    layers: int | None
    params: int
    macs: int | None
    memory: int | None
    receptive_field: int | tuple | None
    seconds: float | None
    records: list
    mine: bool = False
    twin: str | None = None

    @property
    def validation(self):
        """Best validation accuracy of each seed."""
        return [max(record["history"]["val_accuracy"]) for record in self.records]

    @property
    def test(self):
        """Test accuracy of each seed that was tested."""
        return [record["test"]["accuracy"] for record in self.records if record["test"]]

    @property
    def history(self):
        """History of the first seed, None without a record."""
        return self.records[0]["history"] if self.records else None


def depth(model):
    """Return how many convolutions and dense layers lie on the longest way through a net (the lecture notes' count).

    Blocks and nested models are entered. Raises ValueError for a net whose inside nobody can follow.
    """
    return _depth(graph_of(model))


_COUNTED = tuple(
    getattr(keras.layers, name)
    for name in (
        *("Conv1D", "Conv2D", "Conv3D", "Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose"),
        *("DepthwiseConv1D", "DepthwiseConv2D", "SeparableConv1D", "SeparableConv2D", "Dense"),
    )
)


def _depth(graph):
    longest = {id(x): 0 for x in graph[0]}
    for node in nodes(*graph):
        if all(id(x) in longest for x in node.output_tensors):  # where the graph begins
            continue
        before = max(longest[id(x)] for x in node.input_tensors)
        inside = inner_graph(node.operation, node)
        more = _depth(inside) if inside else isinstance(node.operation, _COUNTED)
        longest.update((id(x), before + more) for x in node.output_tensors)
    return max(longest[id(x)] for x in graph[1])


def family(recipe="notes", mine=None):
    """Return the six nets of the course, trained by one recipe, as a ``Family``.

    Args:
        recipe: "notes" (the lecture notes' five epochs) or "better" (the course's own).
        mine: a ``Run`` of ``training.fit``, or up to four in a list, to be laid over the course's.

    Raises:
        ValueError: an unknown recipe, or more than four runs.
        TypeError: ``mine`` holds something that is no run.

    """
    if recipe not in RECIPES:
        raise ValueError(f"recipe={recipe!r} is not one of {', '.join(RECIPES)}")
    runs = [] if mine is None else list(mine) if isinstance(mine, (list, tuple)) else [mine]
    for run in runs:
        if not isinstance(run, training.Run):
            raise TypeError(f"mine={run!r} is not a run of training.fit, nor a list of such runs")
    if len(runs) > MOST_RUNS:
        raise ValueError(f"mine holds {len(runs)} runs; {MOST_RUNS} are the most that can be told apart")
    speed = json.loads(SPEED.read_text())
    timed = {net["net"]: ALL_IMAGES / net["training"]["ours_per_second"] for net in speed["nets"]}
    entries = [
        Entry(title(net), net, *_costs_of(net), timed.get(net), _records(net + RECIPES[recipe])) for net in FAMILY
    ]
    entries += [_entry_of(run, f"yours {i}" if len(runs) > 1 else "yours") for i, run in enumerate(runs, 1)]
    return Family(entries, speed)


@functools.cache
def _costs_of(net):
    return _costs(getattr(models, net)())


def _costs(model):
    """Return layers, parameters, MACs, memory and receptive field of a net; None for what nobody can follow."""
    try:
        table, memory, layers = summarize(model), NetworkDesigner.from_model(model, batch_size=1).memory, depth(model)
    except ValueError:
        return None, model.count_params(), None, None, None
    fields = [row.receptive_field for row in table if row.receptive_field is not None]
    macs = None if any(row.params and row.macs is None for row in table) else table.macs
    return layers, table.params, macs, memory and memory["training"], fields[-1] if fields else None


def _records(name):
    return training.load_records(name) if (RESULTS / f"{name}.json").exists() else []


def _entry_of(run, word):
    # The fastest epoch, for the first one traces the net; a validated picture takes a forward pass, a third of a step.
    pictures = run.recipe["images"] + run.recipe["validation_images"] / 3
    seconds = min(run.history["seconds"]) * ALL_IMAGES / pictures
    net, costs = run.model.name, _costs(run.model)
    recipe = {**run.recipe, "epochs": len(run.history["loss"])}
    # Another width, other layers or other pictures make another net, whatever its name.
    same = net in FAMILY and costs == _costs_of(net)
    record = {"recipe": recipe, "history": run.history, "test": run.test_metrics, "seed": recipe["seed"]}
    return Entry(
        f"{word}: {title(net)}{', changed' if net in FAMILY and not same else ''}",
        net,
        *costs,
        seconds,
        [record],
        mine=True,
        twin=title(net) if same else None,
    )


_HEADINGS = ("net", "layers", "parameters", "million MACs", "memory, kB", "field", "s an epoch", "validation", "test")


class Family(list):
    """Entries, in a list that prints as a table, and in a notebook is one. ``family["vgg16"]`` is the entry of a net."""

    def __init__(self, entries, speed):
        """Keep the entries, and the report of the sitting that timed them."""
        super().__init__(entries)
        self.speed = speed

    def __getitem__(self, key):
        """Return an entry by its place, or by its net's name; KeyError lists the names."""
        if not isinstance(key, str):
            return super().__getitem__(key)
        found = [entry for entry in self if entry.net == key and not entry.mine]
        if not found:
            raise KeyError(f"net={key!r} is not one of {', '.join(FAMILY)}")
        return found[0]

    @property
    def recorded(self):
        """The entries with a training run."""
        return [entry for entry in self if entry.records]

    @property
    def dataset(self):
        """The data set of the training runs; their data sets, if yours took another one."""
        return ", ".join(dict.fromkeys(r["recipe"]["dataset"] for entry in self for r in entry.records))

    @property
    def conditions(self):
        """What a reader must know of the numbers, as lines of text."""
        kinds = {}
        for entry in self.recorded:
            what = "; ".join(training.recipe_in_words(entry.records[0]["recipe"]).values())
            seeds = ", ".join(str(record["seed"]) for record in entry.records)
            kinds.setdefault(what, []).append(f"{entry.title} (seed {seeds})")
        lines = [f"{'; '.join(titles)}: {what}" for what, titles in kinds.items()]
        missing = [entry.title for entry in self if not entry.records]
        if missing:
            lines.append(f"No record yet: {', '.join(missing)}")
        lines.append(
            f"Seconds: training steps on {ALL_IMAGES:,} pictures in the notes' batches, "
            f"{self.speed['gpu'] or self.speed['cpu']}, {self.speed['cores']} cores; {self._formats()}"
            + ("; of yours: this machine" if any(entry.mine for entry in self) else "")
        )
        return "\n".join(lines)

    def _formats(self):
        formats = {}
        for net in self.speed["nets"]:
            formats.setdefault(net["precision"], []).append(title(net["net"]))
        return "; ".join(f"{precision}: {', '.join(nets)}" for precision, nets in formats.items())

    def show(self):
        """Display the table, the curves, and accuracy against multiply-accumulates."""
        ipython = sys.modules.get("IPython")
        if ipython is not None and ipython.get_ipython() is not None:
            from IPython.display import display

            display(self)
        else:
            print(self)
        figures.show(self.curves(), alt=self.curves_alt())
        figures.show(self.against("macs"), alt=self.against_alt("macs"))

    def curves(self, metric="accuracy"):
        """Draw a panel a net: its training and validation, the others' validation behind, your runs in front."""
        panels = {entry.title: entry.history for entry in self.recorded if not entry.mine}
        titles = {entry.title for entry in self.recorded if not entry.mine}
        over = {}
        for entry in self:
            if entry.mine:
                panel = entry.twin if entry.twin in titles else entry.title
                panels.setdefault(panel, {})
                over.setdefault(panel, []).append(entry.history)
        return figures.small_multiples(panels, over, metric)

    def curves_alt(self, metric="accuracy"):
        """Return the figure of ``curves`` in words."""
        parts = []
        for entry in self.recorded:
            values, after = entry.history[metric], entry.history[f"val_{metric}"]
            parts.append(
                f"{entry.title}: training {_level(values[0], metric)} to {_level(values[-1], metric)} in {len(values)} epochs, "
                f"validation {_level(after[0], metric)} to {_level(after[-1], metric)}"
            )
        return f"{metric.capitalize()} by epoch on {self.dataset}, a panel a net. " + ". ".join(parts) + "."

    def against(self, cost):
        """Draw accuracy against a cost: "macs", "params", "memory" or "seconds", on a scale where each line is ten times more."""
        points = self._points(cost)
        return figures.scatter(
            {entry.title: (getattr(entry, cost), [100 * value for value in values]) for entry, values in points},
            xlabel=COSTS[cost],
            ylabel=textwrap.fill(f"{_accuracy(points)}, {self.dataset}, %", 30),
            marked=[entry.title for entry, _ in points if entry.mine],
        )

    def against_alt(self, cost):
        """Return the figure of ``against`` in words."""
        points = self._points(cost)
        parts = [
            f"{entry.title} {_range(values)} at {getattr(entry, cost):,.3g} {'s' if cost == 'seconds' else ''}".strip()
            for entry, values in sorted(points, key=lambda point: getattr(point[0], cost))
        ]
        what = f"{_accuracy(points).capitalize()}, {self.dataset}, against {COSTS[cost]}"
        return f"{what}, cheapest net first: " + "; ".join(parts) + "."

    def _points(self, cost):
        if cost not in COSTS:
            raise ValueError(f"cost={cost!r} is not one of {', '.join(COSTS)}")
        return [(entry, entry.test or entry.validation) for entry in self.recorded if getattr(entry, cost) is not None]

    def _rows(self):
        for entry in self:
            yield (
                entry.title,
                _number(entry.layers, ",d"),
                f"{entry.params:,}",
                _number(entry.macs and entry.macs / 1e6, ",.3g" if (entry.macs or 0) < 1e9 else ",.0f"),
                _number(entry.memory and entry.memory / 1000, ",.0f"),
                "–" if entry.receptive_field is None else str(entry.receptive_field),
                _number(entry.seconds, ",.0f"),
                _range(entry.validation),
                _range(entry.test),
            )

    def __repr__(self):
        """Return the table and its conditions as plain text."""
        lines = [_HEADINGS, *self._rows()]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        text = [
            "  ".join(
                cell.ljust(width) if i == 0 else cell.rjust(width)
                for i, (cell, width) in enumerate(zip(line, widths, strict=True))
            ).rstrip()
            for line in lines
        ]
        return "\n".join([text[0], "-" * max(map(len, text)), *text[1:], self.conditions])

    def _repr_html_(self):
        head = "".join(f'<th scope="col">{heading}</th>' for heading in _HEADINGS)
        body = "".join(
            f'<tr><th scope="row">{html.escape(first)}</th>{"".join(f"<td>{html.escape(cell)}</td>" for cell in cells)}</tr>'
            for first, *cells in self._rows()
        )
        notes = "<br>".join(html.escape(line) for line in self.conditions.splitlines())
        return (
            '<div class="cnnlib-summary cnnlib-compared" role="region" aria-label="The nets compared" tabindex="0" style="overflow-x: auto">'
            f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div><p><small>{notes}</small></p>"
        )


def _accuracy(points):
    """Say which accuracies these are: of nets that were not tested, validation's."""
    return "test accuracy" if all(entry.test for entry, _ in points) else "accuracy on test or validation pictures"


def _number(value, form):
    return "–" if value is None else format(value, form)


def _level(value, metric):
    return f"{value:.1%}" if metric == "accuracy" else f"{value:.3g}"


def _range(values):
    """Return accuracies as text: the mean, and how far apart the seeds lie."""
    if not values:
        return "–"
    mean = f"{statistics.mean(values):.1%}"
    return mean if len(values) == 1 else f"{mean} ({100 * min(values):.1f} to {100 * max(values):.1f})"
