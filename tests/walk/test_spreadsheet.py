"""SEEDS.md D: a deep network from a spreadsheet, in one call, with the loss curve that PyTorch gives."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import openpyxl
import pytest
import torch

import danlu
from danlu.core.seeds import stream

SETTINGS = {
    "hidden": "130x20",
    "activation": "tanh",
    "batch_norm": "input,hidden",
    "batch_norm_momentum": 0.5,
    "init": "normal:0.1",
    "init_bias": -0.2,
    "optimizer": "adam",
    "lr": 0.001,
    "batch_size": "all",
    "holdout": 0,
    "scale": "none",
    "scale_target": "none",
    "dtype": "float64",
}
"""As its author built it; every setting that the front door takes is named."""


def formula(rows: int = 500) -> tuple[np.ndarray, np.ndarray]:
    """Return 4 inputs and 3 targets."""
    rng = np.random.default_rng(7)
    x = rng.uniform(-1, 1, (rows, 4)).round(6)
    y = np.stack([x[:, 0] * x[:, 1] + x[:, 2], np.sin(3 * x[:, 0]) - x[:, 3] ** 2, x.sum(1) / 2], 1).round(6)
    return x, y


def spreadsheet(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Write the formula's rows to an .xlsx."""
    x, y = formula()
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(["x1", "x2", "x3", "x4", "y1", "y2", "y3"])
    for row in np.concatenate([x, y], 1).tolist():
        sheet.append(row)
    book.save(path)
    return x, y


def torch_curve(model: danlu.Model, x: np.ndarray, y: np.ndarray, steps: int) -> np.ndarray:
    """Train the same network in plain PyTorch from the same first weights; return the loss of each step."""
    from danlu.networks import Network

    network = Network(model.run.network)
    weights_MP, _ = network.initial([stream(0, "member", 0, 0)], torch.float64)
    first = {name: value[0] for name, value in network.named(weights_MP).items()}
    layers: list[torch.nn.Module] = [torch.nn.BatchNorm1d(4, momentum=0.5)]
    for i, inputs in enumerate([4] + [130] * 19):
        linear = torch.nn.Linear(inputs, 130)
        linear.weight.data, linear.bias.data = first[f"hidden.{i}.weight"].T.clone(), first[f"hidden.{i}.bias"].clone()
        layers += [linear, torch.nn.BatchNorm1d(130, momentum=0.5), torch.nn.Tanh()]
    last = torch.nn.Linear(130, 3)
    last.weight.data, last.bias.data = first["output.weight"].T.clone(), first["output.bias"].clone()
    net = torch.nn.Sequential(*layers, last).double()
    optimizer = torch.optim.Adam(net.parameters(), lr=0.001)
    inputs, truth, losses = torch.from_numpy(x), torch.from_numpy(y), []
    for _ in range(steps):
        loss = torch.nn.functional.mse_loss(net(inputs), truth)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return np.array(losses)


def fitted(folder: Path, steps: int) -> tuple[danlu.Model, np.ndarray, np.ndarray]:
    """Fit through the front door; return the model and the rows."""
    x, y = spreadsheet(folder / "sheet.xlsx")
    model = danlu.fit(folder / "sheet.xlsx", ("y1", "y2", "y3"), epochs=steps, **SETTINGS)
    assert model.run.parameters == 4 * 2 + (4 * 130 + 130) + 19 * (130 * 130 + 130) + 20 * 260 + 131 * 3
    return model, x, y


def test_curve_is_that_of_torch(tmp_path: Path) -> None:
    model, x, y = fitted(tmp_path, 60)
    ours, torchs = model.arrays["loss_EM"][:, 0], torch_curve(model, x, y, 60)
    np.testing.assert_allclose(ours, torchs, rtol=1e-5)
    assert ours[-1] < ours[0] / 3


@pytest.mark.slow
def test_curve_of_2000_steps_is_that_of_torch(tmp_path: Path) -> None:
    steps = 2000
    model, x, y = fitted(tmp_path, steps)
    ours, torchs = model.arrays["loss_EM"][:, 0], torch_curve(model, x, y, steps)
    assert len(ours) == steps
    # Rounding grows along the way, for PyTorch as well: with the rows in another order its own curve leaves itself
    # by 1% near step 630, where the loss has fallen 100,000-fold and Adam begins to spike. Ours must follow as long.
    other = np.random.default_rng(0).permutation(len(x))
    itself = parting(torch_curve(model, x[other], y[other], steps), torchs)
    assert itself > 500
    assert parting(ours, torchs) > 0.85 * itself
    # Beyond that the curves keep one level: their geometric means over the later half.
    assert abs(np.log10(ours[1000:]).mean() - np.log10(torchs[1000:]).mean()) < 1


def parting(first: np.ndarray, second: np.ndarray) -> int:
    """Return the first step where two curves differ by more than 1%."""
    apart = np.abs(np.log(first / second)) > 0.01
    return int(apart.argmax()) if apart.any() else len(first)
