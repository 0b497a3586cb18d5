"""A calculator in a real JupyterLab: the reader's hand reaches Python, and Python reaches the page."""

import importlib.util
import json
import os
import socket
import subprocess
import sys
import time
import urllib.request

import nbformat
import pytest
from conftest import require

CELLS = [
    """from ipywidgets import HBox
from cnnlib.widgets import BatchNormExplorer, ConvExplorer, DropoutExplorer, LookInside, NetworkDesigner, PoolingExplorer, ReceptiveField, SizeCalculator, TrainHere
w, explorer, field = SizeCalculator(), ConvExplorer(), ReceptiveField(layers="two 3x3", n=9)
dropout = DropoutExplorer()
pooling = PoolingExplorer()
designer = NetworkDesigner(layers="LeNet5", n=20)
norm = BatchNormExplorer(batch_size=7)
look = LookInside()
train = TrainHere(batch_size=4, pictures=60, checks=1)
seen = []
explorer.observe(lambda change: seen.append(change["new"]), names="position")
w""",
    'print("read", w.kernel_size, w.output_size, "seen", seen, "field", field.n, field.rows[-1]["output_size"], "dropout", dropout.rate, "pooling", pooling.pool_size, *pooling.output_shape, "norm", norm.batch_size, len(norm.output), "designer", designer.n, designer.rows[1]["output_shape"], "train", train.learning_rate, "look", look.sample)',
    'w.padding = "same"\nprint("set")',
    "HBox([explorer, field, dropout, pooling, norm, designer, train, look])",
]
# No question about news; and cells that are out of sight stay in the page.
SETTINGS = {
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
    "notebook-extension/tracker": {"windowingMode": "none"},
}


@pytest.fixture
def lab(tmp_path):
    """The address of a JupyterLab that serves one notebook; settings and runtime files stay in tmp_path."""
    require(importlib.util.find_spec("jupyterlab"), "JupyterLab")
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(source) for source in CELLS],
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
    )
    nbformat.write(notebook, tmp_path / "calculator.ipynb")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    folders = {f"JUPYTER_{kind}_DIR": str(tmp_path / f".{kind.lower()}") for kind in ("CONFIG", "RUNTIME", "DATA")}
    folders |= {
        "JUPYTERLAB_SETTINGS_DIR": str(tmp_path / ".settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(tmp_path / ".workspaces"),
    }
    for name, settings in SETTINGS.items():
        path = tmp_path / ".settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(settings))
    options = f"--no-browser --allow-root --port={port} --ServerApp.port_retries=0 --IdentityProvider.token=".split()
    with open(tmp_path / "lab.log", "wb") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "jupyterlab", *options, f"--ServerApp.root_dir={tmp_path}"],
            env={**os.environ, **folders},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(720):  # three minutes: other tests run beside it
            try:
                urllib.request.urlopen(f"{address}/api/status", timeout=5).close()
                break
            except OSError:  # URLError is one
                assert server.poll() is None, (tmp_path / "lab.log").read_text()
                time.sleep(0.25)
        else:
            pytest.fail(f"JupyterLab did not start:\n{(tmp_path / 'lab.log').read_text()}")
        yield address
    finally:
        # The kernel is the server's child: a polite end lets the server end it too.
        server.terminate()
        try:
            server.wait(15)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def test_values_travel_both_ways(lab, browser):
    from playwright.sync_api import TimeoutError as TooLate

    context = browser.new_context(viewport={"width": 1280, "height": 1000})
    try:
        page = context.new_page()
        page.set_default_timeout(120_000)
        errors = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(f"{lab}/lab/tree/calculator.ipynb?reset")
        page.locator(".jp-Notebook .jp-CodeCell").nth(3).wait_for()
        page.get_by_text("Python 3 (ipykernel) | Idle").wait_for()  # cells that run earlier are lost
        page.get_by_role("menuitem", name="Run", exact=True).click()
        page.get_by_role("menuitem", name="Run All Cells", exact=True).click()

        widget = page.locator("[data-cnnlib-widget='size-calculator']")
        cells = page.locator(".jp-Notebook .jp-CodeCell")
        cells.nth(1).get_by_text("read 3 26 seen [] field 9 5").wait_for()
        cells.nth(2).get_by_text("set", exact=True).wait_for()
        head = widget.locator(".cnnlib-size-head")
        # Python reached the page: the last cell chose "same", so the size stays.
        page.wait_for_function("document.querySelector('.cnnlib-size-head')?.textContent.includes('→ 28')")
        assert widget.get_by_label("same", exact=True).is_checked()

        # The page reaches Python, by the arrow keys that JupyterLab would like to have for itself.
        widget.get_by_label("valid", exact=True).check()
        kernel = widget.get_by_label("Kernel size k", exact=True)
        kernel.focus()
        page.keyboard.press("ArrowRight")
        page.keyboard.press("ArrowRight")
        assert kernel.input_value() == "5"
        assert "→ 24\xa0×\xa024" in head.text_content()

        # The two others stand side by side in an HBox; an observer hears each step of the reader.
        box = page.locator(".jupyter-widgets.widget-hbox")
        for name, steps in (
            ("conv-explorer", 2),
            ("receptive-field", 1),
            ("dropout", 1),
            ("pooling", 1),
            ("batch-norm", 1),
            ("network-designer", 1),
            ("train-here", 1),
            ("look-inside", 2),
        ):
            box.locator(f"[data-cnnlib-widget='{name}'] input[type=range]").first.focus()
            for _ in range(steps):
                page.keyboard.press("ArrowRight")

        # While the kernel is busy a widget keeps its newest step back: the cell runs until the last of them has come.
        for _ in range(10):
            cells.nth(1).locator(".cm-content").click()
            page.keyboard.press("Control+Enter")
            try:
                cells.nth(1).get_by_text("look 2").wait_for(timeout=4_000)
                break
            except TooLate:
                continue
        for text in (
            "read 5 24 seen [1, 2] field 10 6",
            "pooling 3 2 2",
            "dropout 0.55",
            "norm 8 8",
            "designer 21 (17, 17, 6)",
            "train 0.01",
            "look 2",
        ):
            cells.nth(1).get_by_text(text).wait_for()
        # A worker starts in a notebook too, and trains to the end.
        training = box.locator("[data-cnnlib-widget='train-here']")
        training.get_by_role("button", name="Train", exact=True).click()
        training.get_by_text("Finished: that was the limit of 20 batches").first.wait_for()
        assert len(page.workers) >= 1
        box.locator("[data-cnnlib-widget='look-inside'] [aria-busy='false']").wait_for()  # the kernel gave the net
        assert not errors
    finally:
        context.close()
