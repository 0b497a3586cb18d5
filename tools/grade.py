"""Run notebooks that a class has handed in, and list what became of their exercises. Run by `make grade FILES="..."`.

    .venv/bin/python tools/grade.py alice/06-pooling.ipynb bob/06-pooling.ipynb

Each is run from top to bottom in a kernel of its own, whatever fails in between, in an empty folder that is thrown away.
The file itself stays as it is. This runs other people's code with your rights.
"""

import argparse
import sys
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import DeadKernelError

REPORT = "from cnnlib import exercises\nexercises.report()"


def grade(path: Path, seconds: int = 120) -> list[str]:
    """Return the lines of ``exercises.report()`` at the end of a notebook; a cell is stopped after so many seconds.

    Raises ValueError for a file that is no notebook, RuntimeError where the kernel died.
    """
    try:
        notebook = nbformat.read(path, as_version=4)
    except Exception as error:  # nbformat has many, and no common one
        raise ValueError(f"cannot be read as a notebook ({type(error).__name__}: {error})") from error
    notebook.cells.append(nbformat.v4.new_code_cell(REPORT))
    with tempfile.TemporaryDirectory() as folder:
        client = NotebookClient(
            notebook,
            kernel_name="python3",
            timeout=seconds,
            interrupt_on_timeout=True,
            allow_errors=True,
            resources={"metadata": {"path": folder}},
        )
        try:
            client.execute()
        except DeadKernelError as error:
            raise RuntimeError("its kernel died while it ran") from error
    return "".join(output.get("text", "") for output in notebook.cells[-1].outputs).splitlines()


def main(arguments=None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE.ipynb")
    parser.add_argument("--seconds", type=int, default=120, help="a cell may take (default: 120)")
    options = parser.parse_args(arguments)
    failed = 0
    for path in options.files:
        try:
            lines = grade(path, options.seconds)
        except (ValueError, RuntimeError) as error:
            failed += 1
            print(f"{path}: {error}", flush=True)
            continue
        right = sum(line.endswith(": correct") for line in lines)
        print(f"{path}: {right} correct", *lines, sep="\n  ", flush=True)
    return min(failed, 1)


if __name__ == "__main__":
    sys.exit(main())
