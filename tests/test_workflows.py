"""The public CI and the citation file: valid, and saying the same as the files that they repeat."""

import re
import tomllib
from pathlib import Path

import pytest
from check_jsonschema import main as check_jsonschema
from click.testing import CliRunner
from packaging.specifiers import SpecifierSet
from ruamel.yaml import YAML

from cnnlib.data import DataError, course_dataset

ROOT = Path(__file__).parent.parent
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
WRITES_PAGES = {"pages": "write", "id-token": "write"}


def read(path):
    """YAML 1.2, as GitHub reads it: `on` is a word there, and not True."""
    return YAML(typ="safe").load(path.read_text("utf-8"))


def workflow(name):
    return read(ROOT / ".github" / "workflows" / f"{name}.yml")


def schema_check(schema, *paths):
    return CliRunner().invoke(check_jsonschema, ["--builtin-schema", schema, *map(str, paths)])


def steps(loaded):
    return [step for job in loaded["jobs"].values() for step in job["steps"]]


def commands(loaded):
    return [step["run"].strip() for step in steps(loaded) if "run" in step]


def test_both_workflows_are_here():
    assert [path.stem for path in WORKFLOWS] == ["book", "test"]


@pytest.mark.parametrize("schema", ["vendor.github-workflows", "custom.github-workflows-require-timeout"])
def test_workflows_follow_the_schema(schema):
    result = schema_check(schema, *WORKFLOWS)
    assert result.exit_code == 0, result.output


def test_the_schema_check_would_notice(tmp_path):
    broken = tmp_path / "broken.yml"
    broken.write_text(WORKFLOWS[0].read_text("utf-8").replace("runs-on:", "run-on:"), "utf-8")
    result = schema_check("vendor.github-workflows", broken)
    assert result.exit_code == 1, result.output


def test_matrix_is_the_pythons_that_the_project_promises():
    tested = workflow("test")["jobs"]["test"]["strategy"]["matrix"]["python-version"]
    minors = [int(version.removeprefix("3.")) for version in tested]
    assert minors == list(range(minors[0], minors[-1] + 1)), "a version is left out"

    promised = SpecifierSet(PROJECT["requires-python"])
    assert all(version in promised for version in tested)
    assert f"3.{minors[0] - 1}" not in promised, "an older version is promised and not tested"

    guard = re.search(r"\((3, \d+)\) <= v <= \((3, \d+)\)", (ROOT / "Makefile").read_text("utf-8"))
    assert [bound.replace(", ", ".") for bound in guard.groups()] == [tested[0], tested[-1]]


def test_each_job_of_the_matrix_runs_on_its_own_python():
    job = workflow("test")["jobs"]["test"]
    assert job["container"]["image"].startswith("python:${{ matrix.python-version }}-")


def test_public_ci_runs_the_test_command_of_the_project():
    assert (ROOT / ".ci" / "run").is_file()
    assert "bash .ci/run" in commands(workflow("test"))


def test_ci_installs_the_programs_that_the_tests_look_for():
    script = (ROOT / ".ci" / "run").read_text("utf-8")
    installed = re.findall(r"^command -v (\S+) >/dev/null \|\| missing\+=\(\S+\)$", script, re.MULTILINE)
    tests = "".join(path.read_text("utf-8") for path in (ROOT / "tests").glob("*.py"))
    looked_for = re.findall(r'shutil\.which\("([^"]+)"\)', tests)
    assert set(installed) == {"chromium-headless-shell", "firefox-esr", "node"} <= set(looked_for)


def test_tests_run_on_every_push_to_main_and_every_pull_request():
    when = workflow("test")["on"]
    assert when["push"] == {"branches": ["main"]}
    assert "pull_request" in when


def test_what_make_builds_is_what_is_published():
    makefile = (ROOT / "Makefile").read_text("utf-8")
    published = [
        step["with"]["path"]
        for step in steps(workflow("book"))
        if step.get("uses", "").startswith("actions/upload-pages-artifact@")
    ]
    assert published == re.findall(r"^BOOK := (\S+)$", makefile, re.MULTILINE)
    assert commands(workflow("book")) == ["make book"]
    assert re.search(r"^book:", makefile, re.MULTILINE)


def test_the_published_book_runs_on_cifar10_or_not_at_all(monkeypatch):
    (build,) = [step for step in steps(workflow("book")) if step.get("run") == "make book"]
    monkeypatch.setenv("CNNLIB_DATASET", build["env"]["CNNLIB_DATASET"])
    monkeypatch.setenv("CNNLIB_DATA", "/nowhere")
    with pytest.raises(DataError):
        course_dataset()


def test_only_the_deployment_of_main_may_write():
    for path in WORKFLOWS:
        loaded = read(path)
        assert loaded["permissions"] == {"contents": "read"}
        for name, job in loaded["jobs"].items():
            assert job.get("permissions") == (WRITES_PAGES if name == "deploy" else None)
    deploy = workflow("book")["jobs"]["deploy"]
    assert deploy["if"] == "github.ref == 'refs/heads/main'"
    assert deploy["needs"] == "build"


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_actions_are_githubs_own_and_pinned(path):
    for step in steps(read(path)):
        if "uses" in step:
            assert re.fullmatch(r"actions/[a-z-]+@v\d+", step["uses"])


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_no_command_contains_an_expression(path):
    """A `${{ }}` in a command is pasted as text before the shell reads it: a branch's name could be a program."""
    assert not [command for command in commands(read(path)) if "${{" in command]


def test_citation_file_is_valid_and_in_step():
    path = ROOT / "CITATION.cff"
    result = schema_check("vendor.citation-file-format", path)
    assert result.exit_code == 0, result.output

    citation, book = read(path), read(ROOT / "_config.yml")
    assert citation["title"] == book["title"]
    name = book["author"]  # The pages go on with it after "By"; a citation begins with it.
    assert citation["authors"] == [{"name": name[0].upper() + name[1:]}]
    assert citation["version"] == PROJECT["version"]
    # The repository's address stands once, in _config.yml.
    assert not {"url", "repository", "repository-code", "repository-artifact"} & set(citation)


def test_licences_are_the_same_wherever_they_are_named():
    licence = (ROOT / "LICENSE").read_text("utf-8")
    assert read(ROOT / "CITATION.cff")["license"] == ["MIT", "CC-BY-4.0"]
    assert "SPDX-License-Identifier: MIT AND CC-BY-4.0" in licence
    assert PROJECT["license"]["text"] == "MIT"
    assert f"Copyright (c) {read(ROOT / '_config.yml')['copyright']} " in licence
