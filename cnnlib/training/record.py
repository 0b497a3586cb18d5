"""What is kept of a training run: the ``Run`` that ``fit`` returns, and its record as JSON."""

import dataclasses
import datetime
import importlib.metadata
import json
import math
import re
import subprocess
from pathlib import Path

from cnnlib.stamp import versions
from cnnlib.training import distribute
from cnnlib.training.checkpoint import write_atomically

RESULTS = Path(__file__).resolve().parents[1] / "results"
METRICS = ("loss", "accuracy", "val_loss", "val_accuracy", "seconds")

# Raised when a field, or what the digest `layers` is made of, changes: older records and checkpoints are refused.
FORMAT = 2

_NUMBER = (int, float)
_FIELDS = {
    "format": int,
    "name": str,
    "net": str,
    "params": int,
    "trainable_params": int,
    "seed": int,
    "recipe": dict,
    "versions": dict,
    "hardware": dict,
    "git": (dict, type(None)),
    "finished": str,
    "history": dict,
    "best_epoch": int,
    "wall_seconds": (*_NUMBER, type(None)),
    "resumed": bool,
    "test": (dict, type(None)),
}
_RECIPE_FIELDS = {
    "dataset": str,
    "data_crc32": str,
    "images": int,
    "validation_images": int,
    "layers": str,
    "optimizer": dict,
    "loss": dict,
    "batch_size": int,
    "epochs": int,
    "precision": str,
    "seed": int,
}
# Only runs that change their images have the first, only those that several devices train otherwise than one the second.
_RARE_FIELDS = {"augment": dict, "devices": int}


@dataclasses.dataclass
class Run:
    """A finished training run.

    Attributes:
        model: the net, holding the weights of its best epoch.
        recipe: what was trained on what, and how: the dict that a resumed run must match.
        history: dict of "loss", "accuracy" (means over each epoch, while the weights move), "val_loss",
            "val_accuracy" (after each epoch) and "seconds" (training and validation), one number an epoch.
        best_epoch: the epoch, counted from 1, with the highest validation accuracy (the first of equals).
        resumed: part of the epochs came from a checkpoint of a run that had been broken off.
        test_metrics: {"loss", "accuracy"} once ``test`` was called, else None.

    """

    model: object = dataclasses.field(repr=False)
    recipe: dict = dataclasses.field(repr=False)
    history: dict
    best_epoch: int
    resumed: bool
    one_machine: bool = dataclasses.field(repr=False)  # every epoch ran on the hardware of the last
    hardware: dict = dataclasses.field(repr=False)
    git: dict | None = dataclasses.field(repr=False)
    test_metrics: dict | None = None

    def test(self, dataset):
        """Measure the net on the test set, once.

        Returns:
            {"loss": float, "accuracy": float}.

        Raises:
            ValueError: the net was trained on another data set.
            RuntimeError: the test set has been used already. A second look invites choosing by it; the first
                answer stands in ``test_metrics``.

        """
        if self.test_metrics is not None:
            raise RuntimeError(
                f"the test set has been used: {self.test_metrics}. It is for one last measurement; "
                "compare settings on the validation split."
            )
        if dataset.name != self.recipe["dataset"]:
            raise ValueError(f"dataset must be the one trained on, {self.recipe['dataset']!r}, got {dataset.name!r}")
        x, y, batch_size = distribute.to_evaluate(self.model, dataset.test.x, dataset.test.y, "dataset.test")
        metrics = self.model.evaluate(x, y, batch_size=batch_size, verbose=0, return_dict=True)
        self.test_metrics = {name: float(metrics[key]) for name, key in metric_names(metrics).items()}
        return self.test_metrics

    def record(self, name=None):
        """Return the run as a JSON-able dict, checked by ``check_record``.

        ``wall_seconds`` is the sum of the epochs' seconds by the clock (pauses, and other work on the machine, are in
        it), None where they ran on different hardware. ``git``
        is None where the code lies in no repository; ``dirty`` means that the code differed from the commit.
        """
        record = {
            "format": FORMAT,
            "name": name or self.model.name,
            "net": self.model.name,
            "params": self.model.count_params(),
            "trainable_params": sum(math.prod(w.shape) for w in self.model.trainable_weights),
            "seed": self.recipe["seed"],
            "recipe": {**self.recipe, "epochs": len(self.history["loss"])},
            "versions": {**versions(), "cnnlib": importlib.metadata.version("cnnlib")},
            "hardware": self.hardware,
            "git": self.git,
            "finished": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "history": self.history,
            "best_epoch": self.best_epoch,
            "wall_seconds": round(sum(self.history["seconds"]), 2) if self.one_machine else None,
            "resumed": self.resumed,
            "test": self.test_metrics,
        }
        check_record(record)
        return json.loads(json.dumps(record))  # a copy: later changes of the run do not reach it


def metric_names(metrics):
    """Map "loss" and "accuracy" to the names that this net was compiled with.

    Raises:
        ValueError: no metric, or more than one, is an accuracy.

    """
    accuracies = [name for name in metrics if name.endswith(("accuracy", "acc")) and not name.startswith("val_")]
    if len(accuracies) != 1:
        raise ValueError(f'compile the net with metrics=["accuracy"]; it reports {", ".join(sorted(metrics))}')
    return {"loss": "loss", "accuracy": accuracies[0]}


def check_record(record):
    """Raise ValueError, naming the field, unless ``record`` is a well-formed record."""
    if not isinstance(record, dict):
        raise ValueError(f"a record must be a dict, got {type(record).__name__}")
    if record.get("format", FORMAT) != FORMAT:
        raise ValueError(f"format={record['format']!r} is not {FORMAT}: record the run again with tools/record.py")
    _check_fields("", record, _FIELDS)
    rare = {field: kind for field, kind in _RARE_FIELDS.items() if field in record["recipe"]}
    _check_fields("recipe.", record["recipe"], _RECIPE_FIELDS | rare)
    history, epochs = record["history"], record["recipe"]["epochs"]
    if set(history) != set(METRICS):
        raise ValueError(f"history must hold {', '.join(METRICS)}, got {', '.join(sorted(history))}")
    for metric, values in history.items():
        _check_numbers(f"history.{metric}", values, epochs, metric)
    if not 1 <= record["best_epoch"] <= epochs:
        raise ValueError(f"best_epoch must lie in 1 to {epochs}, got {record['best_epoch']}")
    if record["test"] is not None:
        if set(record["test"]) != {"loss", "accuracy"}:
            raise ValueError(f"test must hold loss and accuracy, got {', '.join(sorted(record['test']))}")
        for metric, value in record["test"].items():
            _check_numbers(f"test.{metric}", [value], 1, metric)


def _check_fields(prefix, found, wanted):
    if set(found) != set(wanted):
        odd = ", ".join(prefix + key for key in sorted(set(found) ^ set(wanted)))
        raise ValueError(f"a record must hold exactly the known fields; missing or unknown: {odd}")
    for key, kind in wanted.items():
        value = found[key]
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise ValueError(f"{prefix}{key} has the wrong type: {value!r}")


def _check_numbers(field, values, count, metric):
    if not isinstance(values, list) or len(values) != count:
        raise ValueError(f"{field} must be a list of {count} numbers, got {values!r}")
    top = 1 if metric.endswith("accuracy") else math.inf
    for epoch, value in enumerate(values, 1):
        fits = isinstance(value, _NUMBER) and not isinstance(value, bool) and math.isfinite(value)
        if not fits or not 0 <= value <= top:
            where = f" in epoch {epoch}" if field.startswith("history.") else ""
            raise ValueError(f"{field} must hold finite numbers from 0 to {top}, got {value!r}{where}")


def save_record(record, folder=RESULTS):
    """Check a record and write it to ``folder/NAME.json`` in one step; return the path."""
    check_record(record)
    path = _path(record["name"], folder)
    text = json.dumps(record, indent=1, allow_nan=False) + "\n"
    write_atomically(path, lambda file: file.write(text.encode()))
    return path


def load_record(name, folder=RESULTS):
    """Read the record ``folder/NAME.json``.

    Raises:
        ValueError: there is no such record (the message lists those there are), or it is malformed.
        TypeError: ``name`` is no string.

    """
    path = _path(name, folder)
    if not path.exists():
        there = ", ".join(sorted(file.stem for file in Path(folder).glob("*.json"))) or "none"
        raise ValueError(f"name must be a recorded run ({there}), got {name!r}")
    try:
        record = json.loads(path.read_text())
        check_record(record)
    except ValueError as error:  # json's own error is a ValueError too
        raise ValueError(f"the record {path.name} is malformed: {error}") from error
    return record


def load_records(name, folder=RESULTS):
    """Read all records of one net and recipe, one a seed: ``NAME.json``, ``NAME-seed1.json``, ... in a list by seed.

    Raises as ``load_record`` does.
    """
    first = load_record(name, folder)
    others = [load_record(path.stem, folder) for path in Path(folder).glob(f"{name}-seed*.json")]
    return sorted([first, *others], key=lambda record: record["seed"])


def conditions(records):
    """Return, as lines of text, what a reader must know of recorded runs: data, recipe, seeds, machine, code, date.

    Args:
        records: a record, or a list of records that differ in their seeds, as ``load_records`` returns it.

    Raises:
        ValueError: no record, or records of different nets or recipes.

    """
    records = [records] if isinstance(records, dict) else list(records)
    if not records:
        raise ValueError(f"records must hold a record at least, got {records!r}")
    # Which images a run takes, where it takes not all of them, follows from its seed.
    kinds = [(r["net"], {**r["recipe"], "seed": None, "data_crc32": None}) for r in records]
    if any(kind != kinds[0] for kind in kinds):
        raise ValueError(f"records must be of one net and recipe, got {[r['name'] for r in records]}")
    net, recipe = kinds[0]
    parts = recipe_in_words(recipe) | {
        "seeds": ", ".join(str(r["seed"]) for r in records),
        "machine": _each(
            f"{r['hardware']['gpu'] or r['hardware']['cpu']}, cores: {r['hardware']['cores']}" for r in records
        ),
        "code": _each((r["git"] or {"commit": "not known"})["commit"][:12] for r in records),
        "finished": _each(r["finished"][:10] for r in records),
    }
    if any(r["resumed"] for r in records):
        parts["resumed"] = "seed " + ", ".join(str(r["seed"]) for r in records if r["resumed"])
    return "\n".join([net, *(f"  {part:<9} {text}" for part, text in parts.items())])


def recipe_in_words(recipe):
    """Return what a recipe says, seed and net left out, as {"data set", "pictures", "training", "numbers": text}."""
    parts = {
        "data set": recipe["dataset"],
        "pictures": f"{recipe['images']:,} to train, {recipe['validation_images']:,} to validate",
        "training": f"{recipe['epochs']} epochs, batches of {recipe['batch_size']}, {_optimizer(recipe['optimizer'])}",
        "numbers": recipe["precision"],
    }
    if "augment" in recipe:
        moves = recipe["augment"]
        parts["pictures"] += f"; moved by up to {moves['shift']} pixels" + (", mirrored" if moves["mirror"] else "")
    if "devices" in recipe:
        parts["training"] += f"; {recipe['devices']} devices share each batch"
    return parts


def _optimizer(settings):
    rate = settings["learning_rate"]
    if isinstance(rate, dict):  # a schedule, as Keras writes it down
        kind, config = rate["class_name"], rate["config"]
        if kind == "CosineDecay" and "warmup_target" in config:
            rate = f"up to {config['warmup_target']:g}, then down along a cosine"
        else:
            rate = f"{kind}({', '.join(f'{name}={value}' for name, value in config.items())})"
    return f"{settings['name']}, rate {rate}"


def _each(values):
    return "; ".join(dict.fromkeys(values))


def _path(name, folder):
    if not isinstance(name, str):
        raise TypeError(f"name={name!r} is not a string")
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", name):
        raise ValueError(f"name must consist of letters, digits, - and _, got {name!r}")
    return Path(folder) / f"{name}.json"


def git_state():
    """Return {"commit": 40 hex digits, "dirty": bool} of the code that runs, None outside its repository.

    Dirty means that the package or the tools differ from the commit; the records themselves do not count, or
    the second record of a series would always look dirty.
    """
    package = RESULTS.parent
    # An installed package may lie inside some other repository: its commit would say nothing.
    if _git(package, "ls-files", "--error-unmatch", "training/record.py") is None:
        return None
    commit = _git(package, "rev-parse", "HEAD")
    changes = _git(package.parent, "status", "--porcelain", "--", "cnnlib", "tools", ":!cnnlib/results")
    if commit is None or changes is None:
        return None
    return {"commit": commit, "dirty": bool(changes)}


def _git(folder, *arguments):
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=True, timeout=30
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
