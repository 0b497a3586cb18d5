"""What the recorded nets lose in the page: every test picture of CIFAR-10 through the page's engine in Node, int8 weights.

`python benchmarks/page_nets.py [NAME ...]` prints, for each net of `cnnlib/results/weights/`, the test accuracy of its
record (Keras, the weights as they were trained), that of the page, and the milliseconds of one picture. It needs Node
and the data set that the records name; ResNet-20 takes some minutes.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from cnnlib.data import load_cifar10
from cnnlib.training import load_record
from cnnlib.widgets import base
from cnnlib.widgets.look_inside import WEIGHTS, recorded_nets

# Reads {engine, net, pixels, count}; prints {guesses, milliseconds}: the most probable class of each picture, the median.
SCRIPT = """
import { readFileSync } from "node:fs";
const { engine, net, pixels, count } = JSON.parse(readFileSync(0, "utf8"));
const { makeEngine } = await import(engine);
const model = makeEngine().load(JSON.parse(readFileSync(net, "utf8"))), bytes = readFileSync(pixels), size = bytes.length / count;
const guesses = [], times = [];
for (let i = 0; i < count; i++) {
  const start = performance.now(), scores = model.forward(Float32Array.from(bytes.subarray(i * size, (i + 1) * size)));
  times.push(performance.now() - start);
  guesses.push(scores.indexOf(Math.max(...scores)));
}
console.log(JSON.stringify({ guesses, milliseconds: times.sort((a, b) => a - b)[count >> 1] }));
"""


def guesses_in_node(name, pictures):
    """Return what the page's engine takes each picture for, and the median milliseconds of one.

    Args:
        name: a recorded net.
        pictures: uint8, (count, 32, 32, 3).

    """
    with tempfile.NamedTemporaryFile(suffix=".bin") as file:
        file.write(np.ascontiguousarray(pictures).tobytes())
        file.flush()
        request = {
            "engine": Path(base.__file__).with_name("engine.js").as_uri(),
            "net": str(WEIGHTS / f"{name}.json"),
            "pixels": file.name,
            "count": len(pictures),
        }
        command = ["node", "--input-type=module", "--eval", SCRIPT]
        done = subprocess.run(command, input=json.dumps(request), capture_output=True, text=True, check=True)
    answer = json.loads(done.stdout)
    return np.array(answer["guesses"]), answer["milliseconds"]


def main(names):
    """Print a line for each net."""
    data = load_cifar10()
    for name in names or recorded_nets():
        record = load_record(name)
        if record["recipe"]["dataset"] != data.name:
            print(
                f"{name} was recorded on {record['recipe']['dataset']}: here is {data.name}, so its accuracy is another"
            )
        guesses, milliseconds = guesses_in_node(name, data.test.x)
        page, trained = np.mean(guesses == data.test.y.ravel()), record["test"]["accuracy"]
        print(
            f"{name}: {len(guesses):,} test pictures, trained weights {trained:.2%}, in the page {page:.2%} "
            f"({100 * (page - trained):+.2f} points), {milliseconds:.1f} ms a picture"
        )


if __name__ == "__main__":
    main(sys.argv[1:])
