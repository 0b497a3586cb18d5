"""Notebooks are made from book/: always in step, without outputs, and without solutions when they go to a class."""

import re
import shutil
import subprocess
import symtable
import sys
import zipfile
from pathlib import Path

import jupytext
import nbformat
import pytest
import yaml

import notebooks as pairs
from cnnlib import exercises
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


@pytest.mark.parametrize("name", CHAPTERS)
def test_links_between_chapters_lead_to_notebooks(name):
    path = ROOT / "notebooks" / f"{name}.ipynb"
    cells = nbformat.read(path, as_version=4).cells
    links = [
        link
        for cell in cells
        for link in re.findall(r"\]\((?!https?:|#)([^)#\s]+)", cell.source * (cell.cell_type == "markdown"))
    ]
    assert all((path.parent / link).exists() for link in links), links
    assert not [link for link in links if link.startswith("../") and Path(link).stem in CHAPTERS]
    assert links or name not in ("index", "16-compared")


def test_a_notebook_that_was_run_loses_its_outputs_and_keeps_its_ids(copy):
    path = copy / "notebooks" / f"{CHAPTERS[1]}.ipynb"
    before = path.read_bytes()
    notebook = nbformat.read(path, as_version=4)
    for number, cell in enumerate(cell for cell in notebook.cells if cell.cell_type == "code"):
        cell.outputs, cell.execution_count = [nbformat.v4.new_output("stream", text="an answer")], number
    nbformat.write(notebook, path)
    pairs.make_pairs(copy)
    assert path.read_bytes() == before


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


def names_of(source):
    """Return the global names that a cell binds, and those that it reads, in its functions too."""
    code = re.sub(r"^(\s*)[%!].*", r"\1pass", source, flags=re.MULTILINE)
    top = symtable.symtable(code, "cell", "exec")
    bound, read, tables = {s.get_name() for s in top.get_symbols() if s.is_assigned() or s.is_imported()}, set(), [top]
    while tables:
        table = tables.pop()
        read |= {s.get_name() for s in table.get_symbols() if s.is_referenced() and (table is top or s.is_global())}
        tables += table.get_children()
    return bound, read


def needs_the_hidden(cells):
    """Return what a reader without the hidden cells would miss: (place of the cell, names that only those bind)."""
    missing, seen, hidden = [], set(), set()
    for place, cell in enumerate(cells):
        if cell.cell_type != "code":
            continue
        bound, read = names_of(cell.source)
        if set(cell.metadata.get("tags", [])) & {"solution", "remove-cell"}:
            # An import again of what a visible cell imported changes nothing.
            hidden |= {name for name in bound if not (name in seen and f"import {name}" in cell.source)}
            continue
        if read & (hidden - bound):
            missing.append((place, sorted(read & (hidden - bound))))
        seen |= bound
        hidden -= bound
    return missing


# What goes to a class is not executed a second time: it is the same cells without the solutions, and this finds a cell
# that would have needed one.
@pytest.mark.parametrize("name", CHAPTERS)
def test_no_cell_that_a_learner_sees_needs_one_that_is_hidden(name):
    assert needs_the_hidden(nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", as_version=4).cells) == []


def test_a_cell_that_needs_a_hidden_one_is_found():
    def cell(source, *tags):
        return nbformat.v4.new_code_cell(source, metadata={"tags": list(tags)})

    stub = cell("def area(n):\n    raise NotImplementedError")
    solution = cell("def area(n):\n    return n * n", "solution")
    use = cell("print([area(n) for n in range(3)])")
    assert needs_the_hidden([stub, use, solution]) == []
    assert needs_the_hidden([stub, solution, use]) == [(2, ["area"])]
    assert needs_the_hidden([stub, solution, cell("area = max"), use]) == []
    assert needs_the_hidden([cell("import math"), cell("import math", "remove-cell"), cell("math.pi")]) == []
    assert needs_the_hidden([cell("for n in range(3):\n    m = n", "remove-cell"), cell("m")]) == [(1, ["m"])]


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
    assert needs_the_hidden([nbformat.v4.new_code_cell(setup_cell("https://github.com/owner/name"))]) == []
    pairs.make_pairs(copy)
    assert "](https://github.com/owner/name/blob/main/book/" in (copy / "notebooks" / "index.ipynb").read_text()
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


def test_the_package_that_a_class_gets_is_whole(tmp_path):
    """Everything that lies in cnnlib/ and nothing else: no chapter, no test."""
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(ROOT / "cnnlib", tmp_path / "cnnlib", ignore=shutil.ignore_patterns("__pycache__"))
    recipe = re.search(
        r"^\t\$\(BIN\)/pip wheel (.*) --wheel-dir student \.$", (ROOT / "Makefile").read_text(), re.MULTILINE
    )[1]
    command = [sys.executable, "-m", "pip", "wheel", *recipe.split(), "--wheel-dir", "student", "."]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    (wheel,) = (tmp_path / "student").iterdir()
    held = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    tracked = subprocess.run(["git", "ls-files", "cnnlib"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert held == set(tracked.stdout.split())


def test_each_exercise_is_checked_by_its_stub_and_by_its_solution():
    found = {True: [], False: []}
    for name in CHAPTERS:
        for cell in nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", as_version=4).cells:
            if cell.cell_type == "code":
                solution = "solution" in cell.metadata.get("tags", [])
                ids = re.findall(r'check\(\s*"([\w.-]+)"', cell.source)
                found[solution] += ids
                strictly = re.findall(r'check\(\s*"([\w.-]+)".*strict=True', cell.source)
                assert strictly == (ids if solution else []), cell.source
    assert sorted(found[True]) == sorted(found[False]) == sorted(exercises._exercises)


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
