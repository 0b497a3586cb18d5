"""Sample answers of the chapter "The family compared"."""

import numpy as np

from exercise_samples import Later, Sample, stub


def keras_wider():
    import keras

    from cnnlib.summary import summarize

    maps = keras.Input((16, 16, 128))
    net = keras.Model(maps, keras.layers.Conv2D(128, 3, padding="same", use_bias=False)(maps))
    return net.count_params(), summarize(net).macs, int(np.prod(net.output_shape[1:]))


def keras_steps():
    from cnnlib import training

    rate = training.warm_up_and_decay(images=45_000, epochs=8, batch_size=128)
    settings = rate.get_config()
    return settings["warmup_steps"], settings["warmup_steps"] + settings["decay_steps"], float(rate(88))


def front_by_definition(costs, accuracies):
    def beaten(i):
        return any(
            costs[j] <= costs[i]
            and accuracies[j] >= accuracies[i]
            and (costs[j] < costs[i] or accuracies[j] > accuracies[i])
            for j in range(len(costs))
        )

    return sorted([i for i in range(len(costs)) if not beaten(i)], key=lambda i: costs[i])


def front_by_climbing(costs, accuracies):
    kept, best, last = [], -np.inf, None
    for i in sorted(range(len(costs)), key=lambda i: (costs[i], -accuracies[i])):
        if accuracies[i] > best or (costs[i], accuracies[i]) == last:
            kept.append(i)
            best, last = accuracies[i], (costs[i], accuracies[i])
    return np.array(kept)


def climb(costs, accuracies):
    kept, best = [], -np.inf
    for i in sorted(range(len(costs)), key=lambda i: costs[i]):
        if accuracies[i] > best:
            kept.append(i)
            best = accuracies[i]
    return kept


def both_strict(costs, accuracies):
    nets = range(len(costs))
    kept = [i for i in nets if not any(costs[j] < costs[i] and accuracies[j] > accuracies[i] for j in nets)]
    return sorted(kept, key=lambda i: costs[i])


def without_twins(costs, accuracies):
    seen, kept = set(), []
    for i in front_by_definition(costs, accuracies):
        if (costs[i], accuracies[i]) not in seen:
            kept.append(i)
            seen.add((costs[i], accuracies[i]))
    return kept


def rank(runs, score):
    scores = [score(records) for records in runs]
    return sorted(range(len(runs)), key=lambda i: scores[i], reverse=True)


def best(record, metric="val_accuracy"):
    return max(record["history"][metric])


SAMPLES = {
    "wider": Sample(
        Later(keras_wider),
        [4 * 36_864, 4.0 * 9_437_184, 2 * 16_384],
        (None, None, None),
        {
            "filters alone": (2 * 36_864, 37_748_736, 32_768),
            "work of filters alone": (147_456, 2 * 9_437_184, 32_768),
            "maps squared": (147_456, 37_748_736, 4 * 16_384),
            "larger maps": (147_456, 16 * 9_437_184, 32_768),
        },
    ),
    "steps": Sample(
        Later(keras_steps),
        [352, 2816, 0.00025],
        (None, None, None),
        {
            "last batch lost": (351, 2816, 0.00025),
            "over the whole training": (352, 2816, 0.001 * 88 / 2816),
            "top already": (352, 2816, 0.001),
            "counted in pictures": (352, 2816, 0.001 * 88 / 45_000),
        },
    ),
    "front": Sample(
        front_by_definition,
        front_by_climbing,
        stub,
        {
            "not sorted": lambda costs, accuracies: sorted(front_by_definition(costs, accuracies)),
            "strictly better twice": both_strict,
            "same ones dropped": without_twins,
            "ties by cost": climb,
            "best alone": lambda costs, accuracies: [int(np.argmax(accuracies))],
        },
        inputs={
            "nets of one cost": lambda cases: any(len(set(case[0])) < len(case[0]) for case in cases),
            "a net alone": lambda cases: any(len(case[0]) == 1 for case in cases),
        },
    ),
    "ranking": Sample(
        lambda runs: rank(runs, lambda records: np.mean([best(r) for r in records])),
        lambda runs: np.argsort([-sum(map(best, records)) / len(records) for records in runs], kind="stable"),
        stub,
        {
            "nothing mended": lambda runs: rank(runs, lambda records: max(best(r, "accuracy") for r in records)),
            "training still": lambda runs: rank(runs, lambda rs: np.mean([best(r, "accuracy") for r in rs])),
            "best seed": lambda runs: rank(runs, lambda records: max(map(best, records))),
            "test used": lambda runs: rank(runs, lambda rs: np.mean([r["test"]["accuracy"] for r in rs])),
            "test, best seed": lambda runs: rank(runs, lambda rs: max(r["test"]["accuracy"] for r in rs)),
            "last epoch": lambda runs: rank(runs, lambda rs: np.mean([r["history"]["val_accuracy"][-1] for r in rs])),
            "worst first": lambda runs: rank(runs, lambda records: -np.mean([best(r) for r in records])),
        },
        inputs={
            "nets with unequal numbers of seeds": lambda cases: all(
                len({len(r) for r in case[0]}) > 1 for case in cases
            )
        },
    ),
}
