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


def run(folder: Path, steps: int) -> tuple[np.ndarray, np.ndarray]:
    x, y = spreadsheet(folder / "sheet.xlsx")
    model = danlu.fit(folder / "sheet.xlsx", ("y1", "y2", "y3"), epochs=steps, **SETTINGS)
    assert model.run.parameters == 4 * 2 + (4 * 130 + 130) + 19 * (130 * 130 + 130) + 20 * 260 + 131 * 3
    return model.arrays["loss_EM"][:, 0], torch_curve(model, x, y, steps)


def test_curve_is_that_of_torch(tmp_path: Path) -> None:
    ours, torchs = run(tmp_path, 60)
    np.testing.assert_allclose(ours, torchs, rtol=1e-5)
    assert ours[-1] < ours[0] / 3


@pytest.mark.slow
def test_curve_of_2000_steps_is_that_of_torch(tmp_path: Path) -> None:
    ours, torchs = run(tmp_path, 2000)
    assert len(ours) == 2000
    # Rounding grows along 2,000 steps of Adam, whose biases before batch norm have gradient 0: the curves stay
    # within a few percent of each other at every step, smoothed over 20.
    smooth = [np.convolve(np.log(curve), np.ones(20) / 20, "valid") for curve in (ours, torchs)]
    np.testing.assert_allclose(smooth[0], smooth[1], atol=0.1)
    assert ours[-100:].mean() < 1e-3 * ours[0]
