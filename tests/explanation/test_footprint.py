"""Bytes of networks, against arithmetic by hand, autograd's own graph, torch's optimizers and Danlu's real passes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from danlu.core.errors import PlanError
from danlu.core.plan import make_plan
from danlu.core.records import CodeColumn, FeatureLayout, ModuleSpec, NetworkSpec
from danlu.explanation.footprint import Footprint, module_footprint
from danlu.explanation.footprint_passes import SHARED, laid_out, network_footprint
from danlu.networks import Network
from danlu.networks.custom import Custom
from danlu.networks.modules import ModuleNetwork


class Residual(nn.Module):
    """Functional operations, a layer that runs twice, and one whose output is used twice."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.again, self.last = nn.Linear(20, 20), nn.Linear(20, 20), nn.Linear(20, 3)
        self.norm = nn.BatchNorm1d(20)

    def forward(self, x: Tensor) -> Tensor:
        y = torch.tanh(self.first(x))
        y = torch.sigmoid(self.again(self.again(y))) * y + x
        return self.last(self.norm(y)).log_softmax(1)


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body, self.head = nn.GRU(5, 7, batch_first=True), nn.Linear(7, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(x)[0][:, -1])


def convolutions() -> nn.Module:
    """The small convolutional network of SEEDS.md, E."""
    body = nn.Conv2d(1, 6, 3), nn.ReLU(), nn.Conv2d(6, 16, 3), nn.ReLU(), nn.Flatten()
    head = nn.Linear(12544, 512), nn.ReLU(), nn.Linear(512, 64), nn.ReLU(), nn.Linear(64, 2)
    return nn.Sequential(*body, *head)


MODULES: dict[str, tuple[Any, tuple[int, ...]]] = {
    "mlp": (lambda: nn.Sequential(nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 10)), (256, 784)),
    "convolutions": (convolutions, (32, 1, 32, 32)),
    "dropout, norms": (
        lambda: nn.Sequential(
            nn.Linear(30, 64), nn.BatchNorm1d(64), nn.GELU(), nn.Dropout(0.5), nn.LayerNorm(64), nn.Linear(64, 1)
        ),
        (50, 30),
    ),
    "residual": (Residual, (40, 20)),
    "pooling": (
        lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(100, 1)),
        (8, 3, 12, 12),
    ),
    "recurrent": (Recurrent, (6, 9, 5)),
    "attention": (lambda: nn.TransformerEncoderLayer(16, 2, 32, batch_first=True), (4, 6, 16)),
}


def kept_in_graph(module: nn.Module, x: Tensor) -> int:
    """Return the bytes that the nodes of autograd's graph hold, each storage once, without those of the parameters."""
    torch.manual_seed(0)
    output = module.train()(x)
    own = {t.untyped_storage()._cdata for t in (*module.parameters(), *module.buffers())}
    seen, todo, kept = set(), [output.grad_fn], {}
    while todo:
        node = todo.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        for name in dir(node):
            if name.startswith("_saved_"):
                values = getattr(node, name)
                for value in values if isinstance(values, (tuple, list)) else (values,):
                    if isinstance(value, Tensor) and value.untyped_storage()._cdata not in own:
                        kept[value.untyped_storage()._cdata] = value
        todo += [following for following, _ in node.next_functions]
    return sum(value.untyped_storage().nbytes() for value in kept.values())


@pytest.mark.parametrize("name", MODULES)
def test_values_kept_are_those_in_autograds_graph(name: str) -> None:
    make, shape = MODULES[name]
    module, x = make(), torch.randn(shape)
    found = module_footprint(module, x)
    layers = found.total("activations")
    there = kept_in_graph(module, x)
    assert layers + found.inputs == found.kept
    # The batch counts whether or not the graph has it: it has to be there.
    assert there in (layers, found.kept)


@pytest.mark.parametrize("name", MODULES)
def test_parameters_and_gradients_are_torchs(name: str) -> None:
    make, shape = MODULES[name]
    module, x = make(), torch.randn(shape)
    found = module_footprint(module, x)
    trained = sum(p.numel() * 4 for p in module.parameters())
    assert found.total("gradients") == trained
    assert found.total("parameters") == trained + sum(b.numel() * b.element_size() for b in module.buffers())


@pytest.mark.parametrize(
    ("name", "momentum", "make"),
    [
        ("sgd", 0.0, lambda p: torch.optim.SGD(p, 0.1)),
        ("sgd", 0.9, lambda p: torch.optim.SGD(p, 0.1, momentum=0.9)),
        ("adam", 0.0, lambda p: torch.optim.Adam(p)),
        ("adamw", 0.0, lambda p: torch.optim.AdamW(p)),
        ("rmsprop", 0.0, lambda p: torch.optim.RMSprop(p)),
        ("adagrad", 0.0, lambda p: torch.optim.Adagrad(p)),
    ],
)
def test_the_optimizer_remembers_what_torchs_does(name: str, momentum: float, make: Any) -> None:
    module = nn.Sequential(nn.Linear(7, 11), nn.ReLU(), nn.Linear(11, 3))
    found = module_footprint(module, torch.zeros(5, 7), optimizer=name, momentum=momentum)
    optimizer = make(module.parameters())
    module(torch.ones(5, 7)).sum().backward()
    optimizer.step()
    tensors = [v for state in optimizer.state.values() for v in state.values() if isinstance(v, Tensor) and v.ndim]
    assert found.total("optimizer") == sum(t.numel() * t.element_size() for t in tensors)


def test_a_perceptron_by_hand() -> None:
    """784 - 256 ReLU - 10, 256 rows of 4 bytes a number, Adam."""
    make, shape = MODULES["mlp"]
    found = module_footprint(make(), torch.zeros(shape), optimizer="adam")
    weights = (4 * (784 * 256 + 256), 4 * (256 * 10 + 10))
    hidden, outputs, batch = 4 * 256 * 256, 4 * 256 * 10, 4 * 256 * 784
    assert [layer.parameters for layer in found.layers] == [weights[0], 0, weights[1]]
    assert [layer.activations for layer in found.layers] == [0, hidden, 0]
    assert [layer.prediction for layer in found.layers] == [hidden, hidden, outputs]
    assert found.inputs == batch
    # At the worst moment of a prediction there are the hidden layer before and after its ReLU.
    assert found.prediction == {
        "parameters": sum(weights),
        "inputs": batch,
        "activations": 2 * hidden,
        "total": sum(weights) + batch + 2 * hidden,
    }
    assert found.training["total"] == 4 * sum(weights) + batch + hidden
    assert "what adam remembers" in found.words


def test_convolutions_by_hand() -> None:
    """6 x 30 x 30 and 16 x 28 x 28 values after each ReLU, 12,544 flat ones that are no copy; 6,456,942 parameters."""
    make, shape = MODULES["convolutions"]
    found = module_footprint(make(), torch.zeros(shape), optimizer="sgd")
    kept = {layer.name: layer.activations // (4 * 32) for layer in found.layers if layer.activations}
    assert kept == {"1": 6 * 30 * 30, "3": 16 * 28 * 28, "6": 512, "8": 64}
    assert found.total("parameters") == 4 * 6_456_942
    assert found.total("optimizer") == 0


def test_the_module_is_left_as_it_was() -> None:
    module = Residual().eval()
    module.norm.train()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    torch.manual_seed(3)
    module_footprint(module, torch.randn(8, 20))
    drawn = torch.rand(1)
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
    assert (module.training, module.norm.training, module.first.training) == (False, True, False)
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in module.modules())
    assert all(p.grad is None for p in module.parameters())
    torch.manual_seed(3)
    torch.randn(8, 20)
    assert torch.equal(drawn, torch.rand(1))


def test_frozen_parameters_have_no_gradient() -> None:
    module = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    module[0].requires_grad_(False)
    found = module_footprint(module, torch.zeros(2, 4))
    assert [layer.gradients for layer in found.layers] == [0, 80]


def test_a_batch_that_does_not_fit_is_refused() -> None:
    module = nn.Sequential(nn.Linear(4, 4))
    with pytest.raises(PlanError, match=r"given \[2, 3\] it raised RuntimeError: mat1 and mat2"):
        module_footprint(module, torch.zeros(2, 3))
    assert module.training
    with pytest.raises(PlanError, match="`optimizer` must be"):
        module_footprint(module, torch.zeros(2, 4), optimizer="adm")


# Danlu's own networks

LAYOUT = FeatureLayout(numbers=tuple("abcdefg"))
EMBEDDED = FeatureLayout(numbers=tuple("abc"), codes=(CodeColumn(name="town", slots=40, width=5),))
PASSES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "plain": ({"hidden": (64, 32)}, {}),
    "linear": ({}, {}),
    "odd, tanh": ({"hidden": (31, 17), "activation": "tanh"}, {}),
    "norms": ({"hidden": (48, 48), "batch_norm_hidden": True, "batch_norm_input": True, "layer_norm": True}, {}),
    "dropout": ({"hidden": (64, 64)}, {"dropout": 0.2}),
    "bfloat16": ({"hidden": (64, 64)}, {"low": True, "dropout": 0.1}),
    "embedded": ({"hidden": (64,), "layout": EMBEDDED}, {}),
}


@pytest.fixture
def one_thread() -> Iterator[None]:
    """With several, a CPU takes some products of a population of one twice; those of two members are alike."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("name", PASSES)
@pytest.mark.parametrize("training", [True, False])
def test_what_is_laid_out_is_what_real_passes_keep(name: str, training: bool) -> None:
    spec, step = PASSES[name]
    network = Network(NetworkSpec(**({"layout": LAYOUT, "outputs": 1} | spec)))
    how: dict[str, Any] = {"training": training, "low": step.get("low", False), "dropout": "dropout" in step}
    foretold, real = (laid_out(network, 64, **how, device=device) for device in ("meta", "cpu"))
    assert foretold.forward == real.forward
    total = sum(real.backward.values())
    assert foretold.backward == real.backward
    run = real.run
    given = {t.untyped_storage().data_ptr() for t in (run.weights_MP, run.state_MS, run.gradient_MP, *real.batch)}
    kept = {each.untyped_storage() for space in run.spaces for each in space.kept.values()}
    places = {each.data_ptr(): each.nbytes() for each in kept if each.data_ptr() not in given}
    assert sum(real.forward.values()) + total - 4 * 64 * training == sum(places.values())


def test_a_network_by_hand() -> None:
    """7 - 64 ReLU - 1, 96 rows, SGD: the hidden values once, because the ReLU writes over them."""
    network = Network(NetworkSpec(layout=LAYOUT, outputs=1, hidden=(64,)))
    found = network_footprint(network, make_plan(optimizer="sgd", lr=0.1), rows=90, networks=5)
    layers = {layer.name: layer for layer in found.layers}
    assert found.rows == 96, "batches are padded to a multiple of 32"
    assert found.inputs == 4 * 96 * 7
    assert layers["hidden.0"].parameters == 4 * (7 * 64 + 64)
    assert layers["hidden.0"].activations == 4 * 96 * 64
    assert "hidden.0.activation" not in layers
    assert layers["output"].parameters == 4 * 65
    record = found.record()
    assert record["all"]["training"] == 5 * record["training"]["total"]
    # Weights before the stretch and at the end, padded to a multiple of 16; one spare tensor of the optimizer.
    flat = 4 * network.size
    assert layers["(copies)"].parameters == 2 * flat + flat - 4 * network.count
    assert layers["(copies)"].optimizer == flat
    assert SHARED in layers


def test_a_users_class_counts_as_its_module() -> None:
    spec = NetworkSpec(layout=LAYOUT, outputs=1, module=ModuleSpec(name="make"))

    def make(inputs: int, outputs: int) -> nn.Module:
        return nn.Sequential(nn.Linear(inputs, 16), nn.ReLU(), nn.Linear(16, outputs))

    network = ModuleNetwork(spec, Custom("make", make))
    found = network_footprint(network, make_plan(optimizer="adam", lr=0.1, momentum=0.0), rows=64)
    alone = module_footprint(make(7, 1), torch.zeros(64, 7), optimizer="adam")
    assert found.layers[:-1] == alone.layers
    assert found.kept == alone.kept


def test_wide_networks_are_laid_out_without_memory() -> None:
    network = Network(NetworkSpec(layout=LAYOUT, outputs=1, hidden=(30_000, 30_000)))
    found = network_footprint(network, make_plan(optimizer="adam", lr=0.1), rows=256)
    assert found.training["total"] > 4 * 4 * 30_000**2


def test_the_sentence_names_what_is_most() -> None:
    wide = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 1))
    assert "for the values of every layer" in module_footprint(wide, torch.zeros(5000, 2), optimizer="sgd").words
    found = module_footprint(wide, torch.zeros(1, 2), optimizer="sgd")
    assert "most of it for gradients" in found.words
    assert "remembers" not in found.words
    assert isinstance(found, Footprint)
