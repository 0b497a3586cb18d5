"""Curves of a training run, and bars."""

import math

import numpy as np
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator

from .check import numbers, texts
from .style import BLUE, DASHED, MARKERS, MUTED, SERIES, SMALL, TEXT, styled, subplots

PANEL_HEIGHT = 2.3  # inches


@styled
def curves(history, metrics=("loss", "accuracy")):
    """Draw training (solid) and validation (dashed) per epoch, one panel a metric, each line named at its end.

    history: a Keras history, {"loss": [...], "val_loss": [...], ...} or the object that `fit` returns; or up to five of them as {run name: history};
    then each run has its colour and marker, and its name stands at its validation curve. `metrics` is one name or
    several, without "val_". A run without validation has a solid line only; NaN and infinity are gaps.
    """
    runs = _runs(history)
    metrics = [metrics] if isinstance(metrics, str) else list(metrics)
    if not metrics:
        raise ValueError("metrics must name at least one metric")
    fig, axes = subplots(len(metrics), height=PANEL_HEIGHT * len(metrics) + 0.35, sharex=True, squeeze=False)
    alone = len(runs) == 1
    for ax, metric in zip(axes[:, 0], metrics, strict=True):
        ends = []
        for i, (name, run) in enumerate(runs.items()):
            training, validation = _values(name, run, metric), _values(name, run, f"val_{metric}", needed=False)
            _line(ax, training, i, "-")
            if alone or validation is None:
                ends.append((training, "training" if alone else name, i))
            if validation is not None:
                _line(ax, validation, 1 if alone else i, DASHED)
                ends.append((validation, "validation" if alone else name, 1 if alone else i))
        ax.set_ylabel(metric)
        ax.grid(axis="y", linewidth=0.8)
        ax.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10], min_n_ticks=1))
        _name_ends(ax, ends)
    axes[-1, 0].set_xlabel("epoch")
    if not alone:
        axes[0, 0].set_title("solid: training, dashed: validation", size=SMALL, loc="left")
    return fig


@styled
def bars(values, labels, log=False, xlabel=None):
    """Draw one horizontal bar a value, its label on the left and its number at the end.

    values: numbers from 0 up, or above 0 with `log`: then bars start at a power of ten, and every grid line is ten
    times the one before. `xlabel` says what is counted.
    """
    values = numbers("values", values, {1}, "a list of numbers")
    if values.min() < 0 or (log and values.min() == 0):
        raise ValueError(f"values must be {'above 0 with log=True' if log else 'at least 0'}, got {values.min()}")
    labels = texts("labels", labels, len(values))
    note = ", ".join(part for part in (xlabel, "log scale: ×10 a line" if log else None) if part)
    fig, ax = subplots(height=0.34 * len(values) + (0.5 if note else 0.2))
    ax.barh(range(len(values)), values, height=0.62, color=BLUE, linewidth=0)
    ax.set_yticks(range(len(values)), labels)
    ax.set_ylim(len(values) - 0.5, -0.5)
    ax.tick_params(axis="y", length=0)
    ax.spines["bottom"].set_visible(False)
    if log:
        ax.set_xscale("log")
        ax.set_xlim(left=10.0 ** (math.ceil(math.log10(values.min())) - 1))  # the smallest bar is seen too
        ax.xaxis.set_major_locator(LogLocator(base=10, numticks=20))
        ax.xaxis.set_minor_locator(NullLocator())
        ax.grid(axis="x", linewidth=0.8)
    else:
        ax.xaxis.set_major_locator(NullLocator())
    ax.tick_params(axis="x", length=0, labelbottom=False)
    for place, value in enumerate(values.tolist()):
        ax.annotate(_thousands(value), (value, place), (4, 0), textcoords="offset points", va="center", size=SMALL)
    ax.set_xlabel(note, size=TEXT)
    return fig


def _runs(history):
    history = getattr(history, "history", history)
    if isinstance(history, dict):
        history = {name: getattr(run, "history", run) for name, run in history.items()}
    if not isinstance(history, dict) or not history:
        raise TypeError(f"history must be a dict of lists, or a dict of such dicts, got {history!r:.60}")
    runs = history if all(isinstance(run, dict) for run in history.values()) else {"history": history}
    if len(runs) > len(SERIES):
        raise ValueError(f"history must hold at most {len(SERIES)} runs to be told apart, got {len(runs)}")
    return runs


def _values(name, run, metric, needed=True):
    if metric in run:
        return numbers(f"{name}[{metric!r}]", run[metric], {1}, "one number an epoch", gaps=True)
    if needed:
        raise ValueError(f"metrics: {name} has no {metric!r}, only {sorted(run)}")
    return None


def _line(ax, values, index, dashes):
    every = max(1, len(values) // 8)  # markers tell lines apart; one an epoch would hide them
    epochs = range(1, len(values) + 1)
    style = {"color": SERIES[index], "marker": MARKERS[index], "linestyle": dashes, "markevery": every}
    ax.plot(epochs, values, **style)


def _name_ends(ax, ends):
    """Write each line's name right of its last number, moved apart where two would overlap, with a thin leader.

    A line of gaps alone has its name at the bottom, without a leader.
    """
    last = max(len(values) for values, _, _ in ends)
    pad = max(0.03 * last, 0.1)
    ax.set_xlim(1 - pad, last + pad)
    low, high = ax.get_ylim()
    gap = 1.25 * SMALL / 72 / (PANEL_HEIGHT * 0.75)  # one line of text, as a part of the panel's height
    ends = sorted(((*_end(values, low), name, index) for values, name, index in ends), key=lambda end: end[1])
    places = [(value - low) / (high - low) for _, value, _, _ in ends]
    for i in range(1, len(places)):
        places[i] = max(places[i], places[i - 1] + gap)
    too_high = max(0.0, places[-1] - 0.98)
    places = [place - too_high for place in places]
    for i in range(len(places) - 2, -1, -1):  # what was pushed out at the top comes back, the rest makes room
        places[i] = min(places[i] + too_high, places[i + 1] - gap)
    for (epoch, value, name, index), place in zip(ends, places, strict=True):
        leader = {"arrowstyle": "-", "color": MUTED, "linewidth": 0.8, "shrinkA": 0, "shrinkB": 4}
        leader["relpos"] = (0, 0.5)  # to the left end of the name
        end, at = (epoch or 1, value), (1.07, place)
        text = {"color": SERIES[index], "size": SMALL, "va": "center", "annotation_clip": False}
        ax.annotate(name, end, at, textcoords=ax.transAxes, arrowprops=leader if epoch else None, **text)


def _end(values, bottom):
    """Return (epoch, value) of a line's last number; (None, bottom) of a line without any."""
    drawn = np.flatnonzero(np.isfinite(values))
    return (drawn[-1] + 1, values[drawn[-1]]) if drawn.size else (None, bottom)


def _thousands(value):
    return f"{value:,}" if isinstance(value, int) else f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.0f}"
