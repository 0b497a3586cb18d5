"""What the package costs without a page: import times in fresh interpreters, and the summary of a deep network.

Run by `make bench`, on a machine that does nothing else. It prints; it judges nothing.
"""

import os
import platform
import statistics
import subprocess
import sys
import time

MODULES = ("cnnlib", "cnnlib.geometry")
IMPORTS, SUMMARIES = 15, 5


def import_seconds(module):
    """Return how long a fresh interpreter takes to import the module, Python's own start not counted."""
    script = f"import time; start = time.perf_counter(); import {module}; print(time.perf_counter() - start)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return float(done.stdout)


def summary_seconds():
    """Return the seconds of each summary of one ResNet152."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    import keras

    from cnnlib.summary import summarize

    model = keras.applications.ResNet152(weights=None, input_shape=(224, 224, 3))
    spent = []
    for _ in range(SUMMARIES):
        start = time.perf_counter()
        summarize(model)
        spent.append(time.perf_counter() - start)
    return spent


def main():
    print(f"machine: {platform.processor() or platform.machine()}, Python {platform.python_version()}")
    for module in MODULES:
        spent = [1000 * import_seconds(module) for _ in range(IMPORTS)]
        print(f"import {module}: {statistics.median(spent):.1f} ms (median of {IMPORTS}; worst {max(spent):.1f} ms)")
    spent = summary_seconds()
    print(f"summarize(ResNet152): {statistics.median(spent):.2f} s (median of {SUMMARIES}; worst {max(spent):.2f} s)")


if __name__ == "__main__":
    main()
