"""What a stock Colab runtime already has stays at its version when the setup cell installs cnnlib there."""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent
CONSTRAINTS = ROOT / "tests" / "colab-constraints.txt"
FREEZES = sorted((ROOT.parent / "shared" / "colab").glob("pip-freeze-*.txt"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def pins(path):
    """name -> version of every exact pin in a freeze or constraints file."""
    return {
        name.lower().replace("_", "-"): version
        for name, version in re.findall(r"^([\w.-]+)==(\S+)", path.read_text(), re.MULTILINE)
    }


def requirements():
    return [Requirement(text) for text in PROJECT["dependencies"]]


def test_only_lower_bounds():
    for need in requirements():
        assert {s.operator for s in need.specifier} == {">="}, f"{need}: an upper bound could move a package on Colab"


@pytest.mark.parametrize("path", [CONSTRAINTS, *FREEZES], ids=lambda p: p.name)
def test_every_need_is_met_by_what_colab_has(path):
    have = pins(path)
    for need in requirements():
        assert need.name in have, f"{need.name} is not on Colab: it would be installed there"
        assert need.specifier.contains(have[need.name]), f"{need} does not admit Colab's {have[need.name]}"


@pytest.mark.parametrize("freeze", FREEZES, ids=lambda p: p.name)
def test_the_committed_pins_are_colabs_own(freeze):
    have = pins(freeze)
    for name, version in pins(CONSTRAINTS).items():
        known = have.get(name, have.get(name.removesuffix("-cpu")))
        assert known and known.split("+")[0] == version, (
            f"{name}: Colab has {known}, tests/colab-constraints.txt says {version}"
        )


def test_installing_moves_nothing(tmp_path):
    """Resolve the package as Colab's pip would, against every pin at once: nothing may be asked to change."""
    if not FREEZES:
        pytest.skip("Colab's full list of versions is not beside the checkout")
    freeze = next(p for p in FREEZES if "cpu" in p.name)
    constraints = tmp_path / "constraints.txt"
    constraints.write_text("\n".join(f"{n}=={v}" for n, v in pins(freeze).items() if "+" not in v))
    needs = [str(need) for need in requirements()]
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--quiet", "--ignore-installed", "--report", "-"]
    command += [
        "--python-version",
        "3.13",
        "--only-binary=:all:",
        "--target",
        str(tmp_path),
        "-c",
        str(constraints),
        *needs,
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    chosen = {
        i["metadata"]["name"].lower().replace("_", "-"): i["metadata"]["version"]
        for i in json.loads(done.stdout)["install"]
    }
    have = pins(freeze)
    # Colab's pip adds what is missing (IPython 7's jedi); it must not touch what is there.
    moved = {n: (have[n], version) for n, version in chosen.items() if n in have and have[n].split("+")[0] != version}
    assert not moved, moved
