"""The network against torch.nn, member by member, and against itself in other populations."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import nn

from danlu.core.records import CodeColumn, FeatureLayout, NetworkSpec
from danlu.networks import ACTIVATIONS, Drop, Network, Prepared, to_torch
from danlu.networks.preparation import Preparation

LAYOUT = FeatureLayout(numbers=("a", "b", "c"), codes=(CodeColumn(name="town", slots=6, width=3),))


@pytest.fixture(params=[1, 2])
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def spec(**settings: object) -> NetworkSpec:
    return NetworkSpec(**({"layout": LAYOUT, "outputs": 2, "hidden": (8, 5), "scale": "none"} | settings))


def oracle(network: Network, weights_MP: torch.Tensor, state_MS: torch.Tensor) -> nn.ModuleList:
    """The same members as torch.nn modules (their own test is test_export)."""
    rows, layout = torch.arange(4), network.spec.layout
    preparation = Preparation.fit(
        torch.zeros(4, len(layout.numbers)), torch.zeros(4, len(layout.codes), dtype=torch.int32), None, [rows], layout, "none",
        dtype=weights_MP.dtype,
    )  # fmt: skip
    return to_torch(network, preparation, weights_MP, state_MS, [0] * len(weights_MP)).members


def batch(members: int, rows: int, network: Network, dtype: torch.dtype, seed: int = 0) -> Prepared:
    generator = torch.Generator().manual_seed(seed)
    layout = network.spec.layout
    x = torch.randn(members, rows, len(layout.numbers), dtype=dtype, generator=generator)
    slots = torch.stack(
        [torch.randint(0, c.slots, (members, rows), generator=generator) for c in layout.codes], 2
    ) if layout.codes else torch.zeros(members, rows, 0, dtype=torch.int64)  # fmt: skip
    return Prepared(x, slots)


def module_forward(member: nn.Module, prepared: Prepared, m: int) -> torch.Tensor:
    looked_up = [table(prepared.slots_KBE[m, :, i]) for i, table in enumerate(member.embeddings)]
    return member.network(torch.cat([prepared.x_KBD[m], *looked_up], 1))


ARCHITECTURES = [
    {},
    {"hidden": ()},
    {"hidden": (1, 1), "outputs": 1},
    {"batch_norm_input": True, "batch_norm_hidden": True, "batch_norm_momentum": 0.5},
    {"batch_norm_hidden": True, "init_bias": -0.2, "activation": "tanh", "init": "normal:0.1"},
    {"layer_norm": True, "activation": "mish"},
    {"layer_norm": True, "batch_norm_hidden": True, "activation": "gelu"},
    *({"activation": name} for name in ACTIVATIONS),
]


@pytest.mark.parametrize("settings", ARCHITECTURES, ids=str)
def test_several_steps_equal_torch_nn(settings: dict[str, object]) -> None:
    """Outputs, gradients, weights and running moments of three members over five SGD steps, in float64."""
    network = Network(spec(**settings))
    weights, state = network.initial([1, 2, 3], torch.float64)
    modules = oracle(network, weights, state).train()
    optimizer = torch.optim.SGD(modules.parameters(), lr=0.1)
    for step in range(5):
        prepared = batch(3, 32, network, torch.float64, step)
        leaf = weights.detach().requires_grad_()
        outputs = network(leaf, state, prepared, training=True)
        expected = torch.stack([module_forward(member, prepared, m) for m, member in enumerate(modules)])
        torch.testing.assert_close(outputs, expected, rtol=0, atol=1e-12)
        (gradient,) = torch.autograd.grad(outputs.square().mean((1, 2)).sum(), leaf)
        optimizer.zero_grad()
        expected.square().mean((1, 2)).sum().backward()
        optimizer.step()
        weights = leaf.detach() - 0.1 * gradient
    reached = oracle(network, weights, state).state_dict()
    for name, value in modules.state_dict().items():
        if "num_batches" not in name:
            torch.testing.assert_close(reached[name], value, rtol=0, atol=1e-12)
    modules.eval()
    prepared = batch(3, 32, network, torch.float64, 9)
    expected = torch.stack([module_forward(member, prepared, m) for m, member in enumerate(modules)])
    torch.testing.assert_close(network(weights, state, prepared, training=False), expected, rtol=0, atol=1e-12)


def test_rows_of_weight_0_change_nothing() -> None:
    """A batch of 20 rows padded to 32 with weight 0 normalises as the 20 rows alone do in torch."""
    network = Network(spec(batch_norm_input=True, batch_norm_hidden=True, hidden=(8,)))
    weights, state = network.initial([1, 2], torch.float64)
    member = oracle(network, weights, state).train()[1]
    prepared = batch(2, 32, network, torch.float64)
    weight = torch.ones(2, 32, dtype=torch.float64)
    weight[:, 20:] = 0
    outputs = network(weights, state, prepared, training=True, weight_MB=weight)
    expected = module_forward(member, Prepared(prepared.x_KBD[:, :20], prepared.slots_KBE[:, :20]), 1)
    torch.testing.assert_close(outputs[1, :20], expected, rtol=0, atol=1e-12)
    named = network.named_state(state)
    running = dict(member.network.named_buffers())
    torch.testing.assert_close(named["input.batch_norm.running_mean"][1], running["0.running_mean"], rtol=0, atol=1e-12)
    torch.testing.assert_close(
        named["hidden.0.batch_norm.running_var"][1], running["2.running_var"], rtol=0, atol=1e-12
    )


def test_a_row_of_weight_2_counts_as_two_rows_in_the_moments() -> None:
    network = Network(spec(batch_norm_input=True, hidden=()))
    weights, state = network.initial([1], torch.float64)
    prepared = batch(1, 8, network, torch.float64)
    weight = torch.ones(1, 8, dtype=torch.float64)
    weight[:, 3] = 2
    twice = Prepared(*(torch.cat([part, part[:, 3:4]], 1) for part in prepared))
    ours = network(weights, state.clone(), prepared, training=True, weight_MB=weight)
    torch.testing.assert_close(ours, network(weights, state.clone(), twice, training=True)[:, :8], rtol=0, atol=1e-12)


@pytest.mark.parametrize("rows", [0, 1])
def test_a_member_with_fewer_than_two_rows_keeps_its_running_moments(rows: int) -> None:
    network = Network(spec(batch_norm_hidden=True))
    weights, state = network.initial([1, 2], torch.float64)
    state += 0.5
    before = state.clone()
    weight = torch.ones(2, 32, dtype=torch.float64)
    weight[0, rows:] = 0
    leaf = weights.requires_grad_()
    prepared = batch(2, 32, network, torch.float64)
    outputs = network(leaf, state, prepared, training=True, weight_MB=weight)
    assert torch.equal(state[0], before[0])
    assert not torch.equal(state[1], before[1])
    torch.testing.assert_close(outputs[0], network(leaf, before, prepared, training=False)[0])
    (gradient,) = torch.autograd.grad((outputs.square() * weight.unsqueeze(2)).sum(), leaf)
    assert gradient.isfinite().all()


def run(
    network: Network, weights: torch.Tensor, state: torch.Tensor, given: tuple[torch.Tensor, ...]
) -> list[torch.Tensor]:
    """Two SGD steps with dropout and row weights: outputs, gradient and running moments."""
    x, slots, y, weight, keys = given
    leaf, state = weights.clone(), state.clone()
    for step in range(2):
        leaf.requires_grad_()
        drop = Drop(torch.full((len(leaf),), 0.2), keys, 1, step)
        outputs = network(leaf, state, Prepared(x, slots), training=True, weight_MB=weight, drop=drop)
        loss = ((outputs - y).square().mean(2) * weight).mean(1).sum()
        (gradient,) = torch.autograd.grad(loss, leaf)
        leaf = (leaf - 0.01 * gradient).detach()
    return [outputs.detach(), gradient, state]


def assert_same_bits(network: Network, rows: int) -> None:
    weights, state = network.initial(range(19))
    prepared = batch(19, rows, network, torch.float32)
    generator = torch.Generator().manual_seed(5)
    y = torch.randn(19, rows, network.spec.outputs, generator=generator)
    weight = torch.rand(19, rows, generator=generator)
    weight[:, -5:] = 0
    given = (*prepared, y, weight, torch.arange(19) * 7919)
    whole = run(network, weights, state, given)
    for start, stop in ((0, 1), (7, 8), (14, 19)):
        part = slice(start, stop)
        few = run(network, weights[part], state[part], tuple(tensor[part] for tensor in given))
        for name, many, alone in zip(("outputs", "gradient", "moments"), whole, few, strict=True):
            assert torch.equal(many[part], alone), (name, start, stop)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_a_member_has_the_same_bits_in_any_population(activation: str, threads: int) -> None:
    """Contract 1: 1, 5 and 19 members at any position, odd widths and one output column among them, float32."""
    assert_same_bits(Network(spec(activation=activation, outputs=1, hidden=(63, 17))), 96)
    assert_same_bits(Network(spec(activation=activation, outputs=3, hidden=(34,), batch_norm_hidden=True)), 32)


@pytest.mark.parametrize(
    "settings",
    [
        {"hidden": (), "outputs": 1},
        {"hidden": (1, 5), "outputs": 1},
        {"hidden": (32,), "layout": FeatureLayout(numbers=("a",))},
        {"hidden": (255, 34), "layout": FeatureLayout(numbers=("a", "b"))},
        {"hidden": (128, 64), "batch_norm_input": True, "layer_norm": True},
    ],
    ids=str,
)
def test_awkward_shapes_have_the_same_bits_too(settings: dict[str, object], threads: int) -> None:
    for rows in (32, 96):
        assert_same_bits(Network(spec(**settings)), rows)


def test_parameter_names_sizes_and_what_is_penalised() -> None:
    network = Network(spec(batch_norm_input=True, batch_norm_hidden=True, layer_norm=True, hidden=(8,)))
    shapes = {slot.name: (slot.shape, slot.penalised) for slot in network.parameters}
    assert shapes == {
        "embedding.town.weight": ((6, 3), True),
        "input.batch_norm.weight": ((6,), False),
        "input.batch_norm.bias": ((6,), False),
        "hidden.0.weight": ((6, 8), True),
        "hidden.0.batch_norm.weight": ((8,), False),
        "hidden.0.batch_norm.bias": ((8,), False),
        "hidden.0.layer_norm.weight": ((8,), False),
        "hidden.0.layer_norm.bias": ((8,), False),
        "output.weight": ((8, 2), True),
        "output.bias": ((2,), False),
    }
    assert network.count == 18 + 12 + 48 + 32 + 18
    assert network.size == 128
    assert network.state_size == 2 * 6 + 2 * 8
    weights, state = network.initial([1, 2])
    assert weights.shape == (2, 128)
    assert network.named_state(state)["hidden.0.batch_norm.running_var"].tolist() == [[1.0] * 8] * 2
    network.named(weights)["output.bias"].fill_(7.0)
    slot = network.parameters[-1]
    assert (weights[:, slot.offset : slot.offset + 2] == 7).all()


def test_seeds_a_has_pytorchs_number_of_parameters() -> None:
    layout = FeatureLayout(numbers=tuple(f"p{i}" for i in range(784)))
    assert Network(spec(layout=layout, hidden=(256,), outputs=10)).count == 784 * 256 + 256 + 256 * 10 + 10


def test_watch_sees_every_layer_in_order() -> None:
    network = Network(spec(batch_norm_hidden=True, hidden=(8,)))
    weights, state = network.initial([1])
    seen: list[tuple[str, tuple[int, ...]]] = []
    network(
        weights,
        state,
        batch(1, 32, network, torch.float32),
        training=False,
        watch=lambda name, t: seen.append((name, (*t.shape,))),
    )
    assert [name for name, _ in seen] == [
        "hidden.0",
        "hidden.0.batch_norm",
        "hidden.0.activation",
        "hidden.0.dropout",
        "output",
    ]
    assert seen[-1][1] == (1, 32, 2)


def test_dropout_acts_in_training_only_and_per_member() -> None:
    network = Network(spec(hidden=(64,), activation="identity"))
    weights, state = network.initial([1, 2])
    prepared = batch(2, 32, network, torch.float32)
    drop = Drop(torch.tensor([0.0, 0.5]), torch.tensor([1, 2]), 1, 0)
    plain = network(weights, state, prepared, training=False)
    dropped = network(weights, state, prepared, training=True, drop=drop)
    assert torch.equal(network(weights, state, prepared, training=False, drop=drop), plain)
    assert torch.equal(dropped[0], plain[0])
    assert not torch.equal(dropped[1], plain[1])
