"""The stamp names what really ran."""

import datetime
import re
import subprocess
import sys

import keras
import numpy as np
import tensorflow as tf

from cnnlib import data
from cnnlib.stamp import STAMP_MIME, sentence, stamp, versions


def test_the_versions_are_those_of_the_running_packages():
    assert versions() == {
        "Python": sys.version.split()[0],
        "TensorFlow": tf.__version__,
        "Keras": keras.__version__,
        "NumPy": np.__version__,
    }


def test_the_data_set_is_the_one_that_the_chapter_used(monkeypatch):
    monkeypatch.setenv("CNNLIB_DATASET", "shapes10")
    data.course_dataset()
    bundle = stamp()._repr_mimebundle_()
    assert bundle[STAMP_MIME]["dataset"] == "Shapes-10"
    assert "on Shapes-10, with Python" in bundle["text/plain"]


def test_a_notebook_without_data_says_so_and_loads_nothing_for_it():
    code = (
        "import sys; from cnnlib.stamp import stamp; print(stamp()); print({'tensorflow', 'numpy'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    said, loaded = done.stdout.splitlines()
    assert "without a data set" in said and loaded == "set()"


def test_the_sentence_has_a_date_and_seconds_only_when_they_are_known():
    facts = stamp().facts
    today = datetime.datetime.now(datetime.UTC).date()
    assert abs((today - datetime.date.fromisoformat(facts["date"])).days) <= 1
    assert sentence(facts, 12.4).endswith(" It took 12 s.")
    assert not re.search(r"took", sentence(facts))
