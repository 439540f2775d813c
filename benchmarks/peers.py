"""The engine's peers, measured in an interpreter of their own: a server that answers one JSON line for each it reads.

    python benchmarks/peers.py          (started by engine.py --peers PYTHON; needs numpy, and jax or scikit-learn)

It first says what is there: `{"versions": {"jax": "0.10.2", "scikit-learn": "1.9.1"}}`. Then, for each request such as
`{"tool": "jax", "hidden": 64, "layers": 3, "members": 20, "repeat": 2}`, it builds the case or takes the one it has,
runs it, and answers `{"seconds": 0.000093, "idle": 0.0}`: the least seconds a network and step of so many runs, and the
seconds of processor time that the server took since its last answer, which say whether it disturbed anybody.

The work is float32 regression on 20,480 random rows, three hidden ReLU layers, batches of 256, Adam. `jax` is
jit(scan(vmap(step))) over `members` networks with a learning rate each; `scikit-learn` is MLPRegressor.fit;
`jax images` is one classifier of 784-256-10 with plain SGD and cross-entropy on 60,000 rows, in jit(scan(step)) over
an epoch, and its answer is the seconds of an epoch.
"""

from __future__ import annotations

import json
import os
import sys
import time
import warnings
from collections.abc import Callable
from importlib.metadata import version
from importlib.util import find_spec
from itertools import pairwise
from typing import Any

import numpy as np

ROWS, BATCH = 20_480, 256
IMAGES, PIXELS, HIDDEN, CLASSES = 60_000, 784, 256, 10
MODULES = {"jax": "jax", "scikit-learn": "sklearn"}

Run = Callable[[], None]


def regression(features: int) -> tuple[np.ndarray, np.ndarray]:
    """Return random rows and targets."""
    rng = np.random.default_rng(0)
    return rng.standard_normal((ROWS, features), dtype=np.float32), rng.standard_normal(ROWS, dtype=np.float32)


def sklearn_fit(hidden: int, layers: int, features: int = 16, epochs: int = 3) -> tuple[Run, float]:
    """Return MLPRegressor.fit, and how many steps it takes."""
    from sklearn.neural_network import MLPRegressor  # noqa: PLC0415  may be absent

    x, y = regression(features)

    def run() -> None:
        MLPRegressor(hidden_layer_sizes=(hidden,) * layers, batch_size=BATCH, max_iter=epochs, alpha=0).fit(x, y)

    return run, epochs * ROWS / BATCH


def jax_scan(hidden: int, layers: int, members: int, features: int = 16, steps: int = 50) -> tuple[Run, float]:
    """Return a scan over steps of all members, and how many steps of one member it takes."""
    import jax  # noqa: PLC0415  may be absent
    import jax.numpy as jnp  # noqa: PLC0415

    rng, dims = np.random.default_rng(0), [features, *[hidden] * layers, 1]
    x, y = (jnp.asarray(part) for part in regression(features))
    weights = [
        (jnp.asarray(rng.standard_normal((members, i, o), dtype=np.float32) / i**0.5), jnp.zeros((members, o)))
        for i, o in pairwise(dims)
    ]
    rate = jnp.asarray(rng.random(members, dtype=np.float32) * 1e-3)
    tree = jax.tree_util.tree_map

    def loss(p: Any, values: Any, truth: Any) -> Any:
        for i, (w, b) in enumerate(p):
            values = values @ w + b
            values = jax.nn.relu(values) if i < layers else values
        return ((values[:, 0] - truth) ** 2).mean()

    def one(p: Any, m: Any, v: Any, lr: Any, rows: Any) -> tuple[Any, Any, Any]:
        g = jax.grad(loss)(p, x[rows], y[rows])
        m = tree(lambda m, g: 0.9 * m + 0.1 * g, m, g)
        v = tree(lambda v, g: 0.999 * v + 0.001 * g * g, v, g)
        return tree(lambda p, m, v: p - lr * m / (jnp.sqrt(v) + 1e-8), p, m, v), m, v

    def scan(p: Any, m: Any, v: Any, rows: Any) -> Any:
        return jax.lax.scan(lambda c, r: (jax.vmap(one)(*c, rate, r), 0), (p, m, v), rows)[0]

    compiled = jax.jit(scan)
    zero = tree(jnp.zeros_like, weights)
    rows = jnp.asarray(rng.integers(0, ROWS, (steps, members, BATCH)))
    return lambda: jax.block_until_ready(compiled(weights, zero, zero, rows)), steps * members


def jax_images() -> tuple[Run, float]:
    """Return a scan over an epoch's whole batches of one classifier, and how many epochs that is."""
    import jax  # noqa: PLC0415  may be absent
    import jax.numpy as jnp  # noqa: PLC0415

    rng, dims = np.random.default_rng(0), [PIXELS, HIDDEN, CLASSES]
    x = jnp.asarray(rng.random((IMAGES, PIXELS), dtype=np.float32))
    y = jnp.asarray(rng.integers(0, CLASSES, IMAGES))
    weights = [
        (jnp.asarray(rng.standard_normal((i, o), dtype=np.float32) / i**0.5), jnp.zeros(o)) for i, o in pairwise(dims)
    ]

    def loss(p: Any, rows: Any) -> Any:
        (w, b), (last, shift) = p
        log_p = jax.nn.log_softmax(jax.nn.relu(x[rows] @ w + b) @ last + shift)
        return -jnp.take_along_axis(log_p, y[rows][:, None], 1).mean()

    def step(p: Any, rows: Any) -> tuple[Any, int]:
        return jax.tree_util.tree_map(lambda p, g: p - 0.1 * g, p, jax.grad(loss)(p, rows)), 0

    compiled = jax.jit(lambda p, rows: jax.lax.scan(step, p, rows)[0])
    steps = IMAGES // BATCH
    rows = jnp.asarray(rng.permutation(IMAGES)[: steps * BATCH].reshape(steps, BATCH))
    return lambda: jax.block_until_ready(compiled(weights, rows)), steps * BATCH / IMAGES


CASES: dict[str, Callable[..., tuple[Run, float]]] = {
    "scikit-learn": sklearn_fit,
    "jax": jax_scan,
    "jax images": jax_images,
}


def answer(request: dict[str, Any], built: dict[str, tuple[Run, float]]) -> float:
    """Return the least seconds a unit of work of a request's case, which is built and run once where it is new."""
    repeat, tool, key = request.pop("repeat", 1), request.pop("tool"), json.dumps(request)
    key = f"{tool} {key}"
    if key not in built:
        built[key] = CASES[tool](**request)
        built[key][0]()
    run, units = built[key]
    seconds = []
    for _ in range(repeat):
        began = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - began)
    return min(seconds) / units


def main() -> None:
    """Answer requests until there are no more."""
    warnings.filterwarnings("ignore")
    # Libraries may print: answers alone go to what was the standard output.
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def reply(**what: Any) -> None:
        print(json.dumps(what), file=replies, flush=True)

    reply(versions={name: version(name) for name, module in MODULES.items() if find_spec(module)})
    built: dict[str, tuple[Run, float]] = {}
    last = time.process_time()
    for line in sys.stdin:
        idle = time.process_time() - last
        try:
            reply(seconds=answer(json.loads(line), built), idle=idle)
        except Exception as error:  # whatever it is, the other peers are still measured
            reply(error=f"{type(error).__name__}: {error}")
        last = time.process_time()


if __name__ == "__main__":
    main()
