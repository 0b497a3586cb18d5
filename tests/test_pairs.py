"""Notebooks are made from book/: always in step, without outputs, and without solutions when they go to a class."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import jupytext
import nbformat
import pytest
import yaml

import notebooks as pairs
from set_repo import ADDRESS, address, set_repo, setup_cell

ROOT = Path(__file__).parent.parent
CHAPTERS = [page.stem for page in pairs.chapters()]


@pytest.fixture
def copy(tmp_path):
    """What the pairing needs, in a folder that a test may spoil."""
    for name in ("book", "notebooks"):
        shutil.copytree(ROOT / name, tmp_path / name)
    for name in ("jupytext.toml", "_config.yml"):
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


def test_every_chapter_has_a_notebook_and_every_notebook_a_chapter():
    assert sorted(path.stem for path in (ROOT / "notebooks").glob("*.ipynb")) == CHAPTERS


def test_made_again_the_notebooks_are_the_same_bytes(copy):
    pairs.make_pairs(copy)
    for name in CHAPTERS:
        again = (copy / "notebooks" / f"{name}.ipynb").read_bytes()
        assert again == (ROOT / "notebooks" / f"{name}.ipynb").read_bytes(), f"run `make notebooks`: {name}"


def test_an_edited_chapter_is_noticed_and_a_stale_notebook_goes(copy):
    page = copy / "book" / f"{CHAPTERS[0]}.md"
    page.write_text(page.read_text() + "\nA new last line.\n")
    (copy / "notebooks" / "99-gone.ipynb").write_text("{}")
    pairs.make_pairs(copy)
    assert "A new last line." in (copy / "notebooks" / f"{CHAPTERS[0]}.ipynb").read_text()
    assert not (copy / "notebooks" / "99-gone.ipynb").exists()


@pytest.mark.parametrize("name", CHAPTERS)
def test_a_notebook_holds_no_output_and_every_cell_has_an_id(name):
    notebook = nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", as_version=4)
    nbformat.validate(notebook)
    assert all(not cell.get("outputs") and cell.get("execution_count") is None for cell in notebook.cells)
    assert len({cell.id for cell in notebook.cells}) == len(notebook.cells)


@pytest.mark.parametrize("name", CHAPTERS)
def test_the_setup_cell_is_the_generated_one(name):
    cells = jupytext.read(ROOT / "book" / f"{name}.md").cells
    code = [cell for cell in cells if cell.cell_type == "code"]
    assert "setup" in code[0].metadata["tags"], "the first code cell must be the setup cell"
    assert code[0].source + "\n" == setup_cell(address())


def test_the_address_reaches_every_setup_cell_and_can_be_taken_away(copy):
    before = {path: path.read_text() for path in [copy / "_config.yml", *(copy / "book").glob("*.md")]}
    set_repo("https://github.com/owner/name", copy)
    assert address(copy) == "https://github.com/owner/name"
    for name in CHAPTERS:
        assert "git+https://github.com/owner/name" in (copy / "book" / f"{name}.md").read_text()
    set_repo("", copy)
    assert {path: path.read_text() for path in before} == before


@pytest.mark.parametrize(
    "url", ["github.com/a/b", "https://gitlab.com/a/b", "https://github.com/a", "https://github.com/a/b.git"]
)
def test_an_address_that_colab_cannot_open_is_refused(url, copy):
    with pytest.raises(ValueError, match="OWNER/NAME"):
        set_repo(url, copy)
    assert address(copy) == address()


def test_the_address_stands_once():
    url = address()
    assert not url or ADDRESS.fullmatch(url)
    if url:
        generated = ("book/", "notebooks/", "_config.yml")
        holders = subprocess.run(["git", "grep", "-l", url], cwd=ROOT, capture_output=True, text=True).stdout.split()
        assert all(holder.startswith(generated) for holder in holders), holders


@pytest.fixture(scope="module")
def student(tmp_path_factory):
    """The release that goes to a class, made by the recipe of `make student`."""
    folder = tmp_path_factory.mktemp("student")
    recipe = subprocess.run(
        ["make", "--no-print-directory", "-n", "-B", "student"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    command = (
        recipe.replace("\\\n", " ")
        .split("jupyter nbconvert", 1)[1]
        .replace("--output-dir student", f"--output-dir {folder}")
    )
    subprocess.run(f"{sys.executable} -m nbconvert {command}", shell=True, cwd=ROOT, check=True, capture_output=True)
    return folder


@pytest.mark.parametrize("name", CHAPTERS)
def test_the_students_notebook_holds_the_exercises_and_no_solution(name, student):
    full = nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", as_version=4)
    handed_out = nbformat.read(student / f"{name}.ipynb", as_version=4)
    tags = [set(cell.metadata.get("tags", [])) for cell in full.cells]
    solutions = [cell.source for cell, its in zip(full.cells, tags, strict=True) if "solution" in its]
    text = "\n".join(cell.source for cell in handed_out.cells)
    assert len(handed_out.cells) == sum(not its & {"solution", "remove-cell"} for its in tags)
    quizzes = [cell for cell in handed_out.cells if "correct=True" in cell.source]
    assert all(cell.metadata["jupyter"]["source_hidden"] for cell in quizzes), "quiz answers start folded"
    assert not re.search(r"check\(.*strict=True", text), "only solutions are checked strictly"
    for solution in solutions:
        # A mended bug shares most lines with the bug; the lines that make it right must not be there.
        lines = [line.strip() for line in solution.splitlines() if line.strip()]
        assert [line for line in lines if line not in text], f"handed out:\n{solution}"
    if name[0].isdigit():
        assert len(solutions) >= 4, "a chapter has four exercises, each with its solution"


def test_the_table_of_contents_names_every_page():
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text())
    listed = {toc["root"], *(c["file"] for part in toc["parts"] for c in part["chapters"])}
    assert listed == {f"book/{page.stem}" for page in (ROOT / "book").glob("*.md")}
