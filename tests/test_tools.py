"""The small scripts behind the make targets."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import jupytext
import nbformat
import pytest
from exercise_samples import collect

import notebooks as pairs
from grade import main as grade
from new_chapter import new_chapter
from set_repo import address, setup_cell

ROOT = Path(__file__).parent.parent


@pytest.fixture
def empty(tmp_path):
    """A course without chapters."""
    (tmp_path / "book").mkdir()
    (tmp_path / "notebooks").mkdir()
    for name in ("_config.yml", "jupytext.toml"):
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


def test_a_new_chapter_is_a_chapter_at_once(empty):
    page = new_chapter("11-lenet", "LeNet", empty)
    pairs.make_pairs(empty)
    text = jupytext.read(empty / "notebooks" / "11-lenet.ipynb")
    code = [cell for cell in text.cells if cell.cell_type == "code"]
    assert code[0].source + "\n" == setup_cell(address())
    assert "stamp()" in code[-1].source
    headings = re.findall(r"^## (.+)$", page.read_text(), re.MULTILINE)
    assert headings[-4:] == ["Exercises", "Quiz", "Summary", "Sources"]


@pytest.mark.parametrize("name, title", [("lenet", "LeNet"), ("11_lenet", "LeNet"), ("../11-x", "x"), ("11-lenet", "")])
def test_a_bad_name_leaves_nothing_behind(name, title, empty):
    with pytest.raises(ValueError, match="NAME|TITLE"):
        new_chapter(name, title, empty)
    assert not list((empty / "book").iterdir())


def test_a_chapter_is_never_written_over(empty):
    new_chapter("11-lenet", "LeNet", empty)
    for name in ("11-lenet", "11-mobilenet"):
        with pytest.raises(FileExistsError, match="number 11 is taken by 11-lenet.md"):
            new_chapter(name, "Another", empty)
    assert [page.name for page in (empty / "book").iterdir()] == ["11-lenet.md"]


def test_what_comes_back_is_graded(tmp_path, capsys):
    """A right answer, a wrong one, one that cannot be read, one that never ends; and files that are no notebooks."""
    exercise = 'from cnnlib import exercises\nexercises.check("{}", {})'
    cells = [
        exercise.format("cifar10.memory", collect()["cifar10.memory"].ready().solution),
        exercise.format("first-cnn.valid", None),
        "answer = (1,\n" + exercise.format("first-cnn.accuracy", "answer"),
        'open("left", "w").write("behind")\n' + exercise.format("cifar10.chance", 3),
    ]
    path, broken, endless = (tmp_path / f"{name}.ipynb" for name in ("ann", "bob", "eve"))
    for file, sources in ((path, cells), (endless, ["while True:\n    pass"])):
        nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(one) for one in sources]), file)
    broken.write_text("no notebook")
    before = path.read_bytes()
    assert grade([str(broken), str(path)]) == 1
    first, second, *lines = capsys.readouterr().out.splitlines()
    assert first.startswith(f"{broken}: cannot be read as a notebook") and second == f"{path}: 1 correct"
    said = dict(line.strip().split(": ") for line in lines)
    assert said["cifar10.memory"] == "correct" and said["first-cnn.valid"] == "not attempted"
    assert (
        said["first-cnn.accuracy"] == said["first-cnn.rows"] == "not checked" and said["cifar10.chance"] == "incorrect"
    )
    assert len(said) == 8 and path.read_bytes() == before
    assert grade([str(endless), "--seconds", "3"]) == 0 and f"{endless}: 0 correct" in capsys.readouterr().out
    assert sorted(file.name for file in tmp_path.iterdir()) == ["ann.ipynb", "bob.ipynb", "eve.ipynb"]


def test_make_alone_lists_every_target():
    listed = subprocess.run(
        ["make", "--no-print-directory"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    phony = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)[1].split()
    assert [line.split()[0] for line in listed.splitlines()] == phony


def test_make_works_in_a_folder_with_spaces_in_its_name(tmp_path):
    course = tmp_path / "My Courses"
    (course / ".venv" / "bin").mkdir(parents=True)
    for name in ("Makefile", "requirements.txt", "pyproject.toml"):
        shutil.copy(ROOT / name, course)
    (course / ".venv" / ".ready").touch()
    python = course / ".venv" / "bin" / "python"
    python.write_text('#!/bin/sh\necho "called: $*"\n')
    python.chmod(0o755)
    made = subprocess.run(["make", "-s", "notebooks"], cwd=course, capture_output=True, text=True)
    assert (made.returncode, made.stdout) == (0, "called: tools/notebooks.py\n"), made.stderr


def test_the_setup_cell_puts_no_second_tensorflow_over_the_first(monkeypatch):
    monkeypatch.setitem(sys.modules, "cnnlib", None)  # as where it is missing
    with pytest.raises(
        ModuleNotFoundError, match=r"-m pip install -e \. .*cpu.* TensorFlow is missing.*restart the kernel"
    ):
        exec(setup_cell(""))


def test_an_old_python_is_told_what_would_do(tmp_path):
    """The guard of the Makefile, asked of a Python that says it is 3.10."""
    guard = re.search(r'@\$\(PYTHON\) -c "(.*)"', (ROOT / "Makefile").read_text())[1].replace("$(PYTHON)", "python3.10")
    old = guard.replace("sys.version_info[:2]", "(3, 10)")
    done = subprocess.run(["python3", "-c", old], capture_output=True, text=True)
    assert done.returncode == 1
    assert "3.11 to 3.13" in done.stderr and "make PYTHON=" in done.stderr


def test_chapters_have_one_anatomy():
    for page in pairs.chapters():
        if page.stem[0].isdigit():
            headings = re.findall(r"^## (.+)$", page.read_text(), re.MULTILINE)
            assert headings[-4:] == ["Exercises", "Quiz", "Summary", "Sources"], page.name
            assert "**What you will learn**" in page.read_text(), page.name
            assert len(re.findall(r"^### Exercise \d", page.read_text(), re.MULTILINE)) == 4, page.name
            assert len(re.findall(r"\bQuestion\(", page.read_text())) == 5, page.name
