"""Exercises of the chapter "The family compared"."""

import numpy as np

from cnnlib import geometry
from cnnlib.exercises._compare import difference
from cnnlib.exercises._model import Mistake, function_exercise, value_exercise

# --- 1 · predict, then run: twice the channels everywhere ------------------------------------------------------

SIDE, KERNEL, CHANNELS, WIDER = 16, 3, 64, 2


def _layer(channels=WIDER * CHANNELS, filters=WIDER * CHANNELS, side=SIDE):
    """Return weights, multiply-accumulates and outputs of a convolution with "same" padding and no biases."""
    weights = geometry.conv_params(KERNEL, channels, filters, use_bias=False)
    return weights, geometry.conv_macs(side, KERNEL, channels, filters), side * side * filters


wider = value_exercise(
    "compared.wider",
    idea="Weights and work grow with the square of the width, the maps that are kept grow with the width itself.",
    hints=(
        "Which of the factors in the count of weights have changed? The layer before has become wider too.",
        "The work is the number of weights times the number of places of the window. Do the places change?",
        "For the last number, ask how many maps the layer puts out now, and how large each of them is.",
    ),
    truth=_layer,
    mistakes=(
        Mistake(
            "filters alone",
            "You doubled the filters of this layer only. It also reads the maps of the layer before.",
            lambda: (_layer(channels=CHANNELS)[0], None, None),
        ),
        Mistake(
            "work of filters alone",
            "Your work has grown like the number of maps. But each of the new filters is also deeper.",
            lambda: (None, _layer(channels=CHANNELS)[1], None),
        ),
        Mistake(
            "maps squared",
            "Your outputs grow like the weights. A layer puts out one map a filter, however deep the filter is.",
            lambda: (None, None, _layer(filters=WIDER * WIDER * CHANNELS)[2]),
        ),
        Mistake(
            "larger maps",
            "You made the maps larger as well: only the number of channels has changed.",
            lambda: (None, _layer(side=WIDER * SIDE)[1], None),
        ),
    ),
)

# --- 2 · by hand: steps and a rate that warms up ---------------------------------------------------------------

IMAGES, BATCH, EPOCHS, TOP, AFTER = 45_000, 128, 8, 0.001, 88


def _steps(steps=-(-IMAGES // BATCH)):
    """Return (steps an epoch, steps in all, the rate after some of the first epoch's steps)."""
    return steps, EPOCHS * steps, TOP * AFTER / steps


steps = value_exercise(
    "compared.steps",
    idea="Batch size and epochs make the number of steps; a schedule counts in steps, not in epochs.",
    hints=(
        "A step takes one batch. How many batches do the pictures fill, the last and smaller one counted in?",
        "The second number follows from the first one and the number of epochs.",
        "The rate grows by the same amount in each step of the first epoch. Which part of that epoch has passed?",
    ),
    truth=_steps,
    mistakes=(
        Mistake(
            "last batch lost",
            "You left the last batch out: it is smaller, but it is a step.",
            lambda: (IMAGES // BATCH, None, None),
        ),
        Mistake(
            "over the whole training",
            "Your rate climbs through all epochs: it reaches its top at the end of the first one.",
            lambda: (None, None, TOP * AFTER / (EPOCHS * _steps()[0])),
        ),
        Mistake(
            "top already",
            "Your rate is the top one: it is reached after the whole first epoch.",
            lambda: (None, None, TOP),
        ),
        Mistake(
            "counted in pictures",
            "You divided by the number of pictures: the rate moves once a step.",
            lambda: (None, None, TOP * AFTER / IMAGES),
        ),
    ),
)

# --- 3 · write the function: the front ----------------------------------------------------------------------


def _front(costs, accuracies):
    nets = list(zip(costs, accuracies, strict=True))

    def beaten(net):
        return any(c <= net[0] and a >= net[1] and (c, a) != net for c, a in nets)

    return tuple(sorted((i for i, net in enumerate(nets) if not beaten(net)), key=lambda i: costs[i]))


def _front_cases(rng):
    pairs = [
        [(3, 0.5), (1, 0.4), (9, 0.6), (5, 0.45)],
        [(10, 0.7), (2, 0.7), (1, 0.3)],  # as good as a cheaper one
        [(4, 0.5), (4, 0.6), (2, 0.4)],  # as cheap as a better one
        [(2, 0.5), (1, 0.2), (2, 0.5), (3, 0.5)],  # two alike
        [(7, 0.1)],
        list(zip(rng.integers(1, 30, 12).tolist(), (rng.integers(1, 30, 12) / 30).tolist(), strict=True)),
    ]
    return [{"costs": [c for c, _ in case], "accuracies": [a for _, a in case]} for case in pairs]


def _climb(costs, accuracies, keeps=lambda accuracy, best: accuracy > best):
    """Go from the cheapest net to the dearest and keep those that are better than all before."""
    kept, best = [], -1
    for i in sorted(range(len(costs)), key=lambda i: costs[i]):
        if keeps(accuracies[i], best):
            kept.append(i)
            best = max(best, accuracies[i])
    return tuple(kept)


front = function_exercise(
    "compared.front",
    idea="A net is worth its price if no other is both cheaper and better; which prices count is up to you.",
    hints=(
        "Write a small function first: is net i beaten by net j? Two comparisons with 'no worse', and one of them strict.",
        "A net is on the front if no j beats it. A net never beats itself, nor one with the same two numbers.",
        "Sort what is left by cost. `sorted` with a key keeps the order of those that cost the same.",
    ),
    truth=_front,
    cases=_front_cases,
    mistakes=(
        Mistake(
            "not sorted",
            "Those are the right nets, in the order in which they came: put the cheapest first.",
            lambda costs, accuracies: tuple(sorted(_front(costs, accuracies))),
        ),
        Mistake(
            "strictly better twice",
            "Some nets of yours are beaten: another costs as much and is better, or is as good and costs less.",
            lambda costs, accuracies: tuple(
                sorted(
                    (
                        i
                        for i in range(len(costs))
                        if not any(c < costs[i] and a > accuracies[i] for c, a in zip(costs, accuracies, strict=True))
                    ),
                    key=lambda i: costs[i],
                )
            ),
        ),
        Mistake(
            "same ones dropped",
            "Two nets with the same cost and accuracy do not beat each other: keep both.",
            lambda costs, accuracies: tuple(
                i
                for place, i in enumerate(_front(costs, accuracies))
                if (costs[i], accuracies[i])
                not in [(costs[j], accuracies[j]) for j in _front(costs, accuracies)[:place]]
            ),
        ),
        Mistake(
            "ties by cost",
            "Where two nets cost the same, you meet the worse one first and keep it: look at the accuracy too.",
            _climb,
        ),
        Mistake(
            "best alone",
            "You return the most accurate net only: cheaper ones may be worth their price too.",
            lambda costs, accuracies: (max(range(len(costs)), key=lambda i: accuracies[i]),),
        ),
    ),
)

# --- 4 · find the bug: how nets are ranked --------------------------------------------------------------------


def _record(training, validation, test):
    return {"history": {"accuracy": training, "val_accuracy": validation}, "test": {"loss": 1.0, "accuracy": test}}


def _score(records, metric, over_seeds=np.mean, over_epochs=max):
    if metric == "test":
        return over_seeds([record["test"]["accuracy"] for record in records])
    return over_seeds([over_epochs(record["history"][metric]) for record in records])


def _ranking(runs, *how):
    score = [_score(records, *(how or ("val_accuracy",))) for records in runs]
    return tuple(sorted(range(len(runs)), key=lambda i: -score[i]))


def _order_problem(order, truth, rtol):
    """Say what differs in an order of places, where too large and too small mean nothing."""
    problem = difference(order, truth, rtol)
    if problem and "number is too" in problem:
        first = next(i for i, (place, right) in enumerate(zip(order, truth, strict=True), 1) if place != right)
        return f"number {first} of your order is another one."
    return problem


def _ranking_cases(rng):
    learns_by_heart = [_record([0.6, 0.95], [0.5, 0.45], 0.52)]
    steady = [_record([0.5, 0.6], [0.52, 0.58], 0.5)]
    lucky = [_record([0.5, 0.55], [0.5, v], t) for v, t in ((0.4, 0.4), (0.62, 0.66), (0.41, 0.4))]
    late = [_record([0.3, 0.5, 0.6], [0.3, 0.57, 0.2], 0.61), _record([0.3, 0.5, 0.6], [0.3, 0.55, 0.3], 0.6)]
    drawn = [
        [_record(rng.random(3).tolist(), rng.random(3).tolist(), float(rng.random())) for _ in range(seeds)]
        for seeds in (1, 3, 2, 4)
    ]
    return [{"runs": runs} for runs in ([learns_by_heart, steady, lucky, late], [lucky, steady], drawn)]


ranking = function_exercise(
    "compared.ranking",
    idea="Choose by validation, and compare means over the seeds: a maximum grows with the number of tries.",
    hints=(
        "A record has two curves and a test. Which of the three tells how a net does on new pictures, and may be looked at "
        "again and again?",
        "Throw one die once and another one five times, and keep the best of each. Is the second die better?",
        "In each run the best epoch counts: that maximum may stay. The other one has to become something else.",
    ),
    truth=_ranking,
    cases=_ranking_cases,
    differ=_order_problem,
    mistakes=(
        Mistake(
            "nothing mended",
            "Nothing has changed yet: this still ranks by the pictures that the nets have learnt.",
            lambda runs: _ranking(runs, "accuracy", max),
        ),
        Mistake(
            "training still",
            "The seeds are treated fairly now. But your curve still shows pictures that the net has learnt from.",
            lambda runs: _ranking(runs, "accuracy"),
        ),
        Mistake(
            "best seed",
            "Your curve is the right one. But a net with many seeds still has more throws of the die.",
            lambda runs: _ranking(runs, "val_accuracy", max),
        ),
        Mistake(
            "test used",
            "You choose by the test pictures: then no pictures are left that could judge your choice.",
            lambda runs: _ranking(runs, "test"),
        ),
        Mistake(
            "test, best seed",
            "You choose by the test pictures, and by the luckiest seed.",
            lambda runs: _ranking(runs, "test", max),
        ),
        Mistake(
            "last epoch",
            "You take the last epoch of each run: `training.fit` keeps the weights of the best one.",
            lambda runs: _ranking(runs, "val_accuracy", np.mean, lambda values: values[-1]),
        ),
        Mistake(
            "worst first",
            "Your order is turned round: the best net comes first.",
            lambda runs: _ranking(runs)[::-1],
        ),
    ),
)

EXERCISES = (wider, steps, front, ranking)
