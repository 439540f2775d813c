"""The network against torch.nn, member by member, and against itself in other populations."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch
from torch import nn

from danlu.core.records import CodeColumn, FeatureLayout, NetworkSpec
from danlu.networks import ACTIVATIONS, Drop, Network, Pass, Prepared, Program, Step, split_numbers, to_torch
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


def training_step(rows: int, weight: torch.Tensor | None = None, *, members: int = 3) -> Step:
    """The step of a batch whose rows have these weights, in float64 where there are none."""
    weight = torch.ones(members, rows, dtype=torch.float64) if weight is None else weight
    share = weight / weight.sum(1, keepdim=True).clamp(min=1e-300 if weight.dtype == torch.float64 else 1e-38)
    return Step(True, share.unsqueeze(2), (weight > 0).sum(1).to(weight.dtype)[:, None, None])


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
        training = Pass(network, weights, state, gradient=True)
        outputs = training.forward(prepared, training_step(32))
        expected = torch.stack([module_forward(member, prepared, m) for m, member in enumerate(modules)])
        torch.testing.assert_close(outputs, expected, rtol=0, atol=1e-12)
        gradient = training.backward(outputs * (2 / outputs[0].numel()))
        optimizer.zero_grad()
        expected.square().mean((1, 2)).sum().backward()
        optimizer.step()
        weights = weights - 0.1 * gradient
    reached = oracle(network, weights, state).state_dict()
    for name, value in modules.state_dict().items():
        if "num_batches" not in name:
            torch.testing.assert_close(reached[name], value, rtol=0, atol=1e-12)
    modules.eval()
    prepared = batch(3, 32, network, torch.float64, 9)
    expected = torch.stack([module_forward(member, prepared, m) for m, member in enumerate(modules)])
    torch.testing.assert_close(network(weights, state, prepared), expected, rtol=0, atol=1e-12)


def test_rows_of_weight_0_change_nothing() -> None:
    """A batch of 20 rows padded to 32 with weight 0 normalises as the 20 rows alone do in torch."""
    network = Network(spec(batch_norm_input=True, batch_norm_hidden=True, hidden=(8,)))
    weights, state = network.initial([1, 2], torch.float64)
    member = oracle(network, weights, state).train()[1]
    prepared = batch(2, 32, network, torch.float64)
    weight = torch.ones(2, 32, dtype=torch.float64)
    weight[:, 20:] = 0
    outputs = Pass(network, weights, state).forward(prepared, training_step(0, weight))
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
    ours = Pass(network, weights, state.clone()).forward(prepared, training_step(0, weight))
    theirs = Pass(network, weights, state.clone()).forward(twice, training_step(9, members=1))
    torch.testing.assert_close(ours, theirs[:, :8], rtol=0, atol=1e-12)


@pytest.mark.parametrize("rows", [0, 1])
def test_a_member_with_fewer_than_two_rows_keeps_its_running_moments(rows: int) -> None:
    network = Network(spec(batch_norm_hidden=True))
    weights, state = network.initial([1, 2], torch.float64)
    state += 0.5
    before = state.clone()
    weight = torch.ones(2, 32, dtype=torch.float64)
    weight[0, rows:] = 0
    prepared = batch(2, 32, network, torch.float64)
    training = Pass(network, weights, state, gradient=True)
    outputs = training.forward(prepared, training_step(0, weight))
    assert torch.equal(state[0], before[0])
    assert not torch.equal(state[1], before[1])
    torch.testing.assert_close(outputs[0], network(weights, before, prepared)[0])
    assert training.backward(2 * outputs * weight.unsqueeze(2)).isfinite().all()


def run(
    network: Network, weights: torch.Tensor, state: torch.Tensor, given: tuple[torch.Tensor, ...], low: bool
) -> list[torch.Tensor]:
    """Two SGD steps with dropout and row weights: outputs, gradient and running moments."""
    x, slots, y, weight, keys = given
    x = split_numbers(x, len(network.spec.layout.numbers)) if low else x
    weights, state = weights.clone(), state.clone()
    training = Pass(network, weights, state, gradient=True, low=low)
    for step in range(2):
        drop = Drop(torch.full((len(weights),), 0.2), keys)
        seeds = drop.seeds(1, [step])[0]
        now = replace(training_step(0, weight), seeds_M2=seeds, dropped_M=drop.dropped(), kept_M11=drop.kept())
        outputs = training.forward(Prepared(x, slots), now)
        gradient = training.backward((outputs - y) * weight.unsqueeze(2) * (2 / y[0].numel()))
        weights -= 0.01 * gradient
    return [outputs, gradient, state]


def assert_same_bits(network: Network, rows: int, low: bool = False) -> None:
    weights, state = network.initial(range(19))
    prepared = batch(19, rows, network, torch.float32)
    generator = torch.Generator().manual_seed(5)
    y = torch.randn(19, rows, network.spec.outputs, generator=generator)
    weight = torch.rand(19, rows, generator=generator)
    weight[:, -5:] = 0
    given = (*prepared, y, weight, torch.arange(19) * 7919)
    whole = run(network, weights, state, given, low)
    for start, stop in ((0, 1), (7, 8), (14, 19)):
        part = slice(start, stop)
        few = run(network, weights[part], state[part], tuple(tensor[part] for tensor in given), low)
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
        {"hidden": (64, 64), "outputs": 1},
        {"hidden": (63, 17, 128), "outputs": 3, "activation": "gelu"},
        {"hidden": (34, 48), "batch_norm_hidden": True, "activation": "tanh"},
        {"hidden": (255, 34), "layer_norm": True},
        {"hidden": (256, 5, 40), "outputs": 20},
    ],
    ids=str,
)
def test_bfloat16_products_have_the_same_bits_too(settings: dict[str, object], threads: int) -> None:
    for rows in (32, 96):
        assert_same_bits(Network(spec(**settings)), rows, low=True)


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


@pytest.mark.parametrize("settings", ARCHITECTURES, ids=str)
@pytest.mark.parametrize("low", [False, True])
def test_a_recorded_pass_equals_a_new_one(settings: dict[str, object], low: bool) -> None:
    """Both passes run again on other numbers in the same tensors, with dropout, and give the same bits."""
    network = Network(spec(**({"hidden": (48, 32)} | settings)))
    weights, state = network.initial([1, 2, 3])
    again = state.clone()
    prepared, other = (batch(3, 32, network, torch.float32, seed) for seed in (1, 2))
    if Pass(network, weights, state, low=low).split:
        prepared, other = (Prepared(split_numbers(x, 3), slots) for x, slots in (prepared, other))
    drop = Drop(torch.full((3,), 0.2), torch.tensor([1, 2, 3]))
    seeds = drop.seeds(1, [0, 1])
    now = replace(
        training_step(32, torch.ones(3, 32)), seeds_M2=seeds[0].clone(), dropped_M=drop.dropped(), kept_M11=drop.kept()
    )
    program, recorded = Program(), Pass(network, weights, state, gradient=True, low=low)
    outputs = recorded.forward(prepared, now, program)
    slope = outputs.new_ones(outputs.shape)
    recorded.backward(slope)
    for part, new in zip(prepared, other, strict=True):
        part.copy_(new)
    now.seeds_M2.copy_(seeds[1])
    slope.mul_(0.5)
    again.copy_(state)
    program.run()
    fresh = Pass(network, weights, again, gradient=True, low=low)
    assert torch.equal(fresh.forward(other, replace(now, seeds_M2=seeds[1])), outputs)
    assert torch.equal(fresh.backward(slope), recorded.gradient_MP)
    assert torch.equal(again, state)


@pytest.mark.parametrize("activation", ["relu", "gelu"])
def test_products_in_bfloat16_are_close_to_float32(activation: str) -> None:
    """Outputs within 2% of their size, gradients within 5% (some ReLUs turn); numbers keep 16 bits in the first layer."""
    network = Network(spec(hidden=(64, 48), activation=activation))
    weights, state = network.initial([1, 2, 3])
    prepared = batch(3, 64, network, torch.float32)
    slope = torch.randn(3, 64, 2, generator=torch.Generator().manual_seed(4))
    exact, low = (network.bind(weights, state, gradient=True, low=low) for low in (False, True))
    step = Step(True)
    expected = exact.forward(prepared, step).clone()
    got = low.forward(Prepared(split_numbers(prepared.x_KBD, 3), prepared.slots_KBE), step)
    assert (got - expected).norm() < 0.02 * expected.norm()
    theirs, ours = network.named(exact.backward(slope)), network.named(low.backward(slope))
    for name, gradient in theirs.items():
        assert (ours[name] - gradient).norm() < 0.05 * gradient.norm(), name
    # A shift of 1 in 2,000, lost in 8 bits, moves the first layer's output as it does in float32.
    far = torch.tensor([1000.0, 1000.5]).view(1, 2, 1).expand(3, 2, 3) / 1000
    moved = []
    for run, x in ((exact, far), (low, split_numbers(far, 3))):
        seen: dict[str, torch.Tensor] = {}
        slots = torch.zeros(3, 2, 1, dtype=torch.int64)
        run.forward(Prepared(x, slots), step, watch=lambda name, t, seen=seen: seen.setdefault(name, t.clone()))
        moved.append(seen["hidden.0"].float())
    assert (moved[1] - moved[0]).norm() < 0.004 * moved[0].norm()


def test_watch_sees_every_layer_in_order() -> None:
    network = Network(spec(batch_norm_hidden=True, hidden=(8,)))
    weights, state = network.initial([1])
    seen: list[tuple[str, tuple[int, ...]]] = []
    Pass(network, weights, state).forward(
        batch(1, 32, network, torch.float32), watch=lambda name, t: seen.append((name, (*t.shape,)))
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
    drop = Drop(torch.tensor([0.0, 0.5]), torch.tensor([1, 2]))
    dropping = Step(True, None, None, drop.seeds(1, [0])[0], drop.dropped(), drop.kept())
    plain = network(weights, state, prepared)
    dropped = Pass(network, weights, state).forward(prepared, dropping)
    assert torch.equal(network(weights, state, prepared), plain)
    assert torch.equal(dropped[0], plain[0])
    assert not torch.equal(dropped[1], plain[1])
