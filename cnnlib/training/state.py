"""What a run has reached, between its epochs: history, best weights, and their way to disk and back."""

import numpy as np

from cnnlib.training import checkpoint, hardware, recipe
from cnnlib.training.record import FORMAT, METRICS, Run, git_state


class State:
    """What a run has reached.

    Args:
        model: the net, built and compiled.
        described: its recipe.
        path: the checkpoint, read at once where it is there; None keeps none.
        epochs: how many the run shall have.

    Raises:
        ValueError, CheckpointError: the checkpoint belongs to another run, or cannot be read.

    """

    def __init__(self, model, described, path, epochs):  # noqa: D107 (the class says it)
        self.model, self.recipe, self.path = model, described, path
        self.history = {name: [] for name in METRICS}
        self.best = []
        self.best_epoch = 0
        self.resumed = False
        self.stopped = False  # a callback ended the run before its last epoch
        self.one_machine = True
        self.hardware = hardware.detect().describe()
        self.git = git_state()
        loaded = None if path is None else checkpoint.load(path)
        if loaded is not None:
            self._restore(*loaded, epochs)

    def _restore(self, state, groups, epochs):
        if state.get("format") != FORMAT:
            raise ValueError(
                f"run_dir={str(self.path.parent)!r} holds a run that another version of cnnlib began; "
                "choose another run_dir, or delete that one"
            )
        recipe.compare(state["recipe"], self.recipe, self.path.parent)
        done = len(state["history"]["loss"])
        if epochs < done:
            raise ValueError(f"epochs={epochs} is not an integer >= {done}, the epochs in {str(self.path.parent)!r}")
        _assign(self.model.variables, groups["model"], self.path)
        _assign(self.model.optimizer.variables, groups["optimizer"], self.path)
        self.best = groups["best"]
        self.history, self.best_epoch = state["history"], state["best_epoch"]
        self.stopped = state["stopped"] and epochs <= state["planned"]  # a larger number prolongs this run too
        # A finished run that is only read was not broken off.
        self.resumed = state["resumed"] or (done < state["planned"] and not state["stopped"])
        self.one_machine = state["one_machine"] and state["hardware"] == self.hardware
        if self.finished(epochs):
            self.hardware, self.git, self.one_machine = state["hardware"], state["git"], state["one_machine"]
        elif state["git"] != self.git and self.git is not None:
            self.git = {**self.git, "dirty": True}  # no single commit made these epochs

    def finished(self, epochs):
        """Say whether nothing is left to train: all epochs are there, or a callback has stopped the run."""
        return self.stopped or len(self.history["loss"]) == epochs

    def end_epoch(self, metrics, epochs, stopped):
        """Take in one epoch's metrics, keep the weights if it is the best so far, write the checkpoint."""
        self.stopped = stopped
        for name, value in metrics.items():
            self.history[name].append(float(value))
        accuracies = self.history["val_accuracy"]
        if accuracies[-1] > max(accuracies[:-1], default=-1):
            self.best_epoch = len(accuracies)
            self.best = [np.array(weight) for weight in self.model.weights]
        if self.path is not None:
            self._save(epochs)

    def _save(self, epochs):
        kept = ("recipe", "history", "best_epoch", "resumed", "stopped", "one_machine", "hardware", "git")
        checkpoint.save(
            self.path,
            {**{name: getattr(self, name) for name in kept}, "planned": epochs, "format": FORMAT},
            {
                "model": [np.array(v) for v in self.model.variables],  # with the states of the dropout masks
                "optimizer": [np.array(v) for v in self.model.optimizer.variables],
                "best": self.best,
            },
        )

    def farewell(self, epochs):
        """Return what to tell whoever stops the run now."""
        done = len(self.history["loss"])
        kept = "no epoch is kept"
        if self.path is not None and done:
            kept = f"the {done} before it are kept in {str(self.path.parent)!r}: call fit again to go on"
        return f"stopped in epoch {done + 1} of {epochs}; {kept}"

    def finish(self, progress):
        """Give the net its best weights and return the ``Run``."""
        for variable, value in zip(self.model.weights, self.best, strict=True):
            variable.assign(value)
        if progress:
            best = self.history["val_accuracy"][self.best_epoch - 1]
            print(f"best: epoch {self.best_epoch}, validation accuracy {best:.3f}; the net holds its weights now")
        return Run(
            self.model,
            self.recipe,
            self.history,
            self.best_epoch,
            self.resumed,
            self.one_machine,
            self.hardware,
            self.git,
        )


def _assign(variables, values, path):
    shapes = [tuple(v.shape) for v in variables], [v.shape for v in values]
    if shapes[0] != shapes[1]:
        raise ValueError(f"the checkpoint {str(path)!r} belongs to another net: its arrays have other shapes")
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
