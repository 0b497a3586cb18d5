"""Train one of the course's nets on all of CIFAR-10 and keep the record of it.

    python tools/record.py baseline --seed 0

writes cnnlib/results/baseline.json (seed 1: baseline-seed1.json). "baseline-asleep" is the same net with its
batch normalisation and dropout in inference mode, "baseline-without-b" the one without its B. `--recipe long`
trains for 30 epochs in batches of 128 and adds its name: baseline-long.json; so do the other recipes. The weights
of a few small nets are kept too, for the pages in which they live: cnnlib/results/weights/baseline-better.json. With
`--policy mixed_bfloat16 --beside` a net is recorded once more, in another number format: vgg16-better-mixed_bfloat16.json. The
checkpoint lies outside git, in runs/; after a kill the same command goes on, on a machine that chooses another number
format with `--policy` and the first one's. The test set is used once, at the end.
"""

import argparse
import json
import sys
from pathlib import Path

from cnnlib import data, models, training
from cnnlib.training.checkpoint import write_atomically
from cnnlib.training.record import RESULTS, git_state
from cnnlib.widgets.page_model import export_for_page

ROOT = Path(__file__).resolve().parents[1]

# Every net that can be recorded: its name -> builder, arguments.
NETS = {
    "baseline": (models.baseline, {}),
    "baseline-asleep": (models.baseline, {"asleep": True}),
    **{
        f"baseline-without-{letters.lower()}": (models.baseline, {"without": letters})
        for letters in ("C", "B", "A", "P", "D", "BD")
    },
    "lenet5": (models.lenet5, {}),
    "lenet5-tanh": (models.lenet5, {"activation": "tanh"}),
    "lenet5-relu": (models.lenet5, {"activation": "relu"}),
    "alexnet8": (models.alexnet8, {}),
    "alexnet8-tanh": (models.alexnet8, {"activation": "tanh"}),
    "alexnet8-without-d": (models.alexnet8, {"dropout": False}),
    "alexnet8-asleep": (models.alexnet8, {"asleep": True}),
    "vgg16": (models.vgg16, {}),
    "vgg16-without-b": (models.vgg16, {"batch_normalization": False}),
    "vgg16-asleep": (models.vgg16, {"asleep": True}),
    "inception10": (models.inception10, {}),
    "inception10-asleep": (models.inception10, {"asleep": True}),
    "resnet18": (models.resnet18, {}),
    "resnet18-plain": (models.resnet18, {"skips": False}),
    **{
        f"{kind}{depth}": (models.cifar_resnet, {"depth": depth, "skips": kind == "resnet"})
        for kind in ("plain", "resnet")
        for depth in (20, 56)
    },
}

# "notes" is the notes' recipe: Adam at its default rate, batches of 32 (of 1024 for Inception10), five epochs over all
# training images. "start" looks closely at how that begins: 200 steps make an epoch. "long" shows what becomes of a net
# after it: over-fitting. "better" is the course's own: images moved and mirrored, a rate that warms up and decays.
RECIPES = {
    "notes": {"epochs": 5, "batch_size": 32},
    "start": {"epochs": 6, "batch_size": 32, "images": 6_400},
    "long": {"epochs": 30, "batch_size": 128},
    "better": {"epochs": 8, "batch_size": 128},
}
# What "better" gives to nets whose epochs take seconds, and to those whose epochs take a quarter of an hour: to these
# as many epochs as the notes do, so that they differ in the recipe alone.
QUICK, SLOW = {"epochs": 20, "batch_size": 32}, {"epochs": 5, "batch_size": 64}
BETTER = {"baseline": QUICK, "lenet5": QUICK, "alexnet8": SLOW, "vgg16": SLOW, "resnet18": SLOW}

# The records whose weights a page holds, and the most bytes that these may take there.
IN_PAGES = ("baseline-better", "lenet5-better", "resnet20-better")
PAGE_BYTES = 400_000


def amounts(net, recipe):
    """Return the epochs and the batch size of a recipe for a net."""
    more = {}
    if recipe == "notes" and net.startswith("inception10"):
        more = {"batch_size": 1024}
    elif recipe == "better":
        more = BETTER.get(net.split("-")[0], {})
    return RECIPES[recipe] | more


def settings(net, recipe, images):
    """Return everything that a recipe passes to ``training.fit`` for a net and a number of training images."""
    amount = amounts(net, recipe)
    if recipe != "better":
        return amount
    return amount | {"augment": True, "learning_rate": training.warm_up_and_decay(images=images, **amount)}


def record_name(net, recipe, seed, policy=None):
    """Return the record's name: "baseline", "baseline-seed1", "baseline-better", "baseline-better-seed1".

    ``policy`` is that of a record which stands beside the net's own: "alexnet8-better-float32".
    """
    parts = [net, recipe if recipe != "notes" else None, policy, f"seed{seed}" if seed else None]
    return "-".join(filter(None, parts))


def parse(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("net", choices=NETS)
    parser.add_argument("--recipe", choices=RECIPES, default="notes")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--policy", help="number format, such as float32 (default: the one that suits net and machine)")
    parser.add_argument("--beside", action="store_true", help="the net has a record: this one's name gets its --policy")
    parser.add_argument("--run-dir", type=Path, help="folder of the checkpoint (default: runs/NAME)")
    parser.add_argument("--dirty", action="store_true", help="record although the code is not committed")
    parser.add_argument(
        "--trial", action="store_true", help="one epoch on 4,000 images: prints the record, saves nothing"
    )
    options = parser.parse_args(arguments)
    if options.beside and not options.policy:
        parser.error("--beside needs a --policy, such as float32, for the record's name")
    return options


def main(arguments=None):
    options = parse(arguments)
    name = record_name(options.net, options.recipe, options.seed, options.policy if options.beside else None)
    own = record_name(options.net, options.recipe, options.seed)
    if options.beside and not (RESULTS / f"{own}.json").exists():
        sys.exit(f"--beside: there is no record {own} for it to stand beside. Record that one first.")
    state = git_state()
    if not (options.trial or options.dirty) and (state is None or state["dirty"]):
        sys.exit("The code is not committed: a record of it could not be traced. Commit first, or add --dirty.")
    dataset = data.load_cifar10()
    builder, changes = NETS[options.net]
    # The paper's nets are compared with one another: all in one number format.
    policy = options.policy or ("float32" if builder is models.cifar_resnet else None)
    model = training.build(builder, seed=options.seed, policy=policy, **changes)
    amount = settings(options.net, options.recipe, len(dataset.train.x))
    if options.trial:
        amount = {"epochs": 1, "batch_size": 32, "images": 4_000}
    run_dir = None if options.trial else options.run_dir or ROOT / "runs" / name
    print(f"{name}: {model.count_params():,} parameters, {dataset.name}, {model.dtype_policy.name}")
    run = training.fit(model, dataset, seed=options.seed, run_dir=run_dir, **amount)
    print(f"test: {run.test(dataset)}")
    record = run.record(name)
    if options.trial:
        print(json.dumps(record, indent=1))
    else:
        print(f"wrote {training.save_record(record)}")
        if name in IN_PAGES:
            print(f"wrote {save_weights(model, name)}")


def save_weights(model, name):
    """Write a net's weights as the pages take them, to cnnlib/results/weights/NAME.json; return the path."""
    path = RESULTS / "weights" / f"{name}.json"
    text = json.dumps(export_for_page(model, most_bytes=PAGE_BYTES), separators=(",", ":")) + "\n"
    write_atomically(path, lambda file: file.write(text.encode()))
    return path


if __name__ == "__main__":
    main()
