"""The line at the foot of every chapter: when it ran, with what, on which data."""

import importlib.metadata
import platform
import sys
from datetime import UTC, datetime

STAMP_MIME = "application/vnd.cnnlib.stamp+json"
# tensorflow-cpu is the same TensorFlow without its GPU libraries.
PACKAGES = {"TensorFlow": ("tensorflow", "tensorflow-cpu"), "Keras": ("keras",), "NumPy": ("numpy",)}


def versions() -> dict[str, str]:
    """Versions of what decides a chapter's numbers, by name; packages that are not installed are left out."""
    found = {"Python": platform.python_version()}
    for name, distributions in PACKAGES.items():
        for distribution in distributions:
            try:
                found[name] = importlib.metadata.version(distribution)
                break
            except importlib.metadata.PackageNotFoundError:
                continue
    return found


def sentence(facts: dict, seconds: float | None = None) -> str:
    """The facts in words; `seconds` is how long the whole page took, known only to the book build."""
    used = ", ".join(f"{name} {version}" for name, version in facts["versions"].items())
    data = f"on {facts['dataset']}" if facts["dataset"] else "without a data set"
    took = "" if seconds is None else f" It took {seconds:.0f} s."
    return f"This page was run on {facts['date']} {data}, with {used}.{took}"


class Stamp:
    """Where and when this notebook ran: plain text in a notebook, the page's last line in the book."""

    def __init__(self):
        # Asked of the module only if the chapter loaded it: the stamp itself needs no data.
        data = sys.modules.get("cnnlib.data")
        self.facts = {
            "date": datetime.now(UTC).date().isoformat(),
            "versions": versions(),
            "dataset": data.last_used() if data else None,
        }

    def __repr__(self) -> str:
        return sentence(self.facts)

    def _repr_mimebundle_(self, **kwargs):
        return {"text/plain": repr(self), STAMP_MIME: self.facts}


def stamp() -> Stamp:
    """Last cell of every chapter."""
    return Stamp()
