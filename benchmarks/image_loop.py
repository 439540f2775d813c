"""The loop that the textbooks have: a Dataset whose DataLoader reads image by image, plain PyTorch, no Danlu.

    python benchmarks/image_loop.py FOLDER --hidden 256 --bias zero|default [--epochs 10] [--rows N] [--threads 2]
        [--reader pillow|array]

FOLDER holds the four IDX files of Fashion-MNIST. `pillow` makes each image a Pillow image and that a tensor, call by
call as torchvision's FashionMNIST and ToTensor do; `array` divides the array by 255. Prints JSON: seconds of each
epoch, the test after it included, and test accuracy after each epoch.
"""

from __future__ import annotations

import argparse
import gzip
import json
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, Dataset


class Images(Dataset):
    """Images of two IDX files; one at a time becomes a float tensor in [0, 1]."""

    def __init__(self, folder: Path, part: str, rows: int | None, reader: str) -> None:
        pixels = gzip.decompress((folder / f"{part}-images-idx3-ubyte.gz").read_bytes())
        labels = gzip.decompress((folder / f"{part}-labels-idx1-ubyte.gz").read_bytes())
        self.reader = reader
        self.pixels = np.frombuffer(pixels, np.uint8, offset=16).reshape(-1, 1, 28, 28)[:rows]
        self.labels = np.frombuffer(labels, np.uint8, offset=8)[:rows].astype(np.int64)

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, row: int) -> tuple[torch.Tensor, int]:
        if self.reader == "pillow":
            picture = Image.fromarray(self.pixels[row, 0])
            pixels = torch.from_numpy(np.array(picture, np.uint8, copy=True)).view(28, 28, 1)
            return pixels.permute(2, 0, 1).contiguous().to(torch.float32).div(255), int(self.labels[row])
        return torch.from_numpy(self.pixels[row].astype(np.float32) / 255), int(self.labels[row])


def network(hidden: int, bias: str) -> nn.Sequential:
    """Return a network of SEEDS.md A."""
    made = nn.Sequential(nn.Flatten(), nn.Linear(784, hidden), nn.ReLU(), nn.Linear(hidden, 10))
    for layer in made:
        if isinstance(layer, nn.Linear):
            nn.init.normal_(layer.weight, std=0.01)
            if bias == "zero":
                nn.init.zeros_(layer.bias)
    return made


def accuracy(net: nn.Module, loader: DataLoader) -> float:
    net.eval()
    with torch.no_grad():
        hits = sum(int((net(x).argmax(1) == y).sum()) for x, y in loader)
    net.train()
    return hits / len(loader.dataset)  # type: ignore[arg-type]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--hidden", type=int, default=256)
    parser.add_argument("--bias", choices=["zero", "default"], default="zero")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--rows", type=int)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--reader", choices=["pillow", "array"], default="pillow")
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    torch.manual_seed(0)
    train = DataLoader(Images(asked.folder, "train", asked.rows, asked.reader), batch_size=256, shuffle=True)
    test = DataLoader(Images(asked.folder, "t10k", asked.rows, asked.reader), batch_size=256)
    net, loss = network(asked.hidden, asked.bias), nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    seconds, accuracies = [], []
    for _ in range(asked.epochs):
        began = time.perf_counter()
        for x, y in train:
            optimizer.zero_grad()
            loss(net(x), y).backward()
            optimizer.step()
        accuracies.append(accuracy(net, test))
        seconds.append(time.perf_counter() - began)
    print(json.dumps({"seconds": seconds, "accuracy": accuracies}))


if __name__ == "__main__":
    main()
