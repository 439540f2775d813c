"""Small tables made from formulas, for whole jobs."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np


def houses(rows: int = 150, seed: int = 0) -> dict[str, Any]:
    """Return a table of houses: numbers with gaps, a category, a yes/no, a date, an id; price has noise of 10,000."""
    rng = np.random.default_rng(seed)
    area = rng.uniform(40, 200, rows).round(1)
    rooms = rng.integers(1, 7, rows)
    district = rng.choice(["north", "south", "east", "old town"], rows)
    garden = rng.choice(["yes", "no"], rows)
    day = np.datetime64("2020-01-01") + rng.integers(0, 1000, rows)
    worth = {"north": 0, "south": 20_000, "east": -15_000, "old town": 60_000}
    price = 2_000 * area + 8_000 * rooms + np.array([worth[d] for d in district]) + 15_000 * (garden == "yes")
    price = (price + rng.normal(0, 10_000, rows)).round(-2)
    gaps = [None if rng.random() < 0.05 else int(r) for r in rooms]
    return {
        "id": list(range(1, rows + 1)),
        "area": area.tolist(),
        "rooms": gaps,
        "district": district.tolist(),
        "garden": garden.tolist(),
        "sold": [str(d) for d in day],
        "price": price.tolist(),
    }


def flowers(rows: int = 180, seed: int = 0) -> dict[str, Any]:
    """Return three classes that overlap a little in two of three numbers."""
    rng = np.random.default_rng(seed)
    kind = rng.integers(0, 3, rows)
    centre = np.array([[0.0, 0.0], [2.5, 0.0], [0.0, 2.5]])[kind]
    x = centre + rng.normal(0, 0.8, (rows, 2))
    return {
        "length": x[:, 0].round(3).tolist(),
        "width": x[:, 1].round(3).tolist(),
        "noise": rng.normal(size=rows).round(3).tolist(),
        "kind": [("setosa", "versicolor", "virginica")[k] for k in kind],
    }


def write_csv(table: dict[str, Any], path: Path) -> Path:
    """Write a table as CSV, missing cells empty."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(table)
        writer.writerows(zip(*table.values(), strict=True))
    return path


def write_xlsx(table: dict[str, Any], path: Path) -> Path:
    """Write a table as a spreadsheet."""
    import openpyxl

    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(list(table))
    for row in zip(*table.values(), strict=True):
        sheet.append(list(row))
    book.save(path)
    return path
