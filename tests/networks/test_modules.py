"""A user's own modules as populations: against the stacked layers, against torch alone, and against each other."""

# ruff: noqa: ARG002, ARG005  classes and functions are called with what Danlu passes

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from danlu.core.errors import ArtifactError, PlanError
from danlu.core.plan import make_plan
from danlu.core.records import FeatureLayout, ModuleSpec, NetworkSpec
from danlu.networks import Drop, Network, Prepared, Program, Step, predict, to_torch
from danlu.networks.build import make_network
from danlu.networks.custom import find, from_file, from_python
from danlu.networks.modules import ModuleNetwork
from danlu.networks.preparation import Preparation
from danlu.population import Matrices, Members, Rows, Shelf, Trained, train

NUMBERS = FeatureLayout(numbers=("a", "b", "c", "d"))
EXACT = {"rtol": 0, "atol": 1e-12}


class Mlp(nn.Module):
    """Two hidden layers with all that the stacked network has."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.net = nn.Sequential(
            *(nn.Linear(inputs, 8, bias=False), nn.BatchNorm1d(8), nn.LayerNorm(8), nn.Tanh(), nn.Dropout(0.1)),
            *(nn.Linear(8, 5, bias=False), nn.BatchNorm1d(5), nn.LayerNorm(5), nn.Tanh(), nn.Dropout(0.1)),
            nn.Linear(5, outputs),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.net(x)


class Plain(nn.Module):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(inputs, 8), nn.Linear(8, outputs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(self.first(x).relu())


class Branching(Plain):
    """What it does depends on the values, and yet is the same either way."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x) if x.sum() > 0 else super().forward(x) * 1.0


class Drawing(Plain):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(functional.dropout(x, 0.5, self.training))


class Centred(Plain):
    """Its rows share a mean while it trains."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs)
        self.register_buffer("mean", torch.zeros(inputs))
        self.mean: torch.Tensor

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.training:
            self.mean = 0.9 * self.mean + 0.1 * x.mean(0)
            x = x - x.mean(0)
        return super().forward(x - self.mean)


class Sighted(nn.Module):
    """A convolution over the columns, batch norm of its channels, and a counter of its own."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv1d(1, 3, 3, padding=1), nn.BatchNorm1d(3, momentum=None)
        self.last = nn.Linear(3 * inputs, outputs)
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))
        self.register_buffer("mask", torch.tensor([0.0, -torch.inf]))
        self.steps: torch.Tensor

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.training:
            self.steps += 1
        return self.last(self.norm(self.conv(x.unsqueeze(1))).relu().flatten(1))


def spec(outputs: int = 2, layout: FeatureLayout = NUMBERS, **settings: Any) -> NetworkSpec:
    module = ModuleSpec(name="net", own_dropout="dropout" not in settings)
    return NetworkSpec(layout=layout, outputs=outputs, scale="none", module=module, **settings)


def population(made: Callable[..., Any], outputs: int = 2, dtype: torch.dtype = torch.float64, **settings: Any) -> Any:
    return ModuleNetwork(spec(outputs, **settings), from_python(made), dtype)


def preparation(layout: FeatureLayout = NUMBERS, dtype: torch.dtype = torch.float64) -> Preparation:
    numbers = torch.zeros(4, len(layout.numbers))
    return Preparation.fit(numbers, torch.zeros(4, 0, dtype=torch.int32), None, [torch.arange(4)], layout, "none", dtype=dtype)  # fmt: skip


def inputs(members: int = 3, rows: int = 32, seed: int = 0) -> Prepared:
    x = torch.randn(members, rows, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    return Prepared(x, torch.zeros(members, rows, 0, dtype=torch.int64))


def step_of(weight_MB: torch.Tensor, rate: float = 0.0) -> Step:
    share = weight_MB / weight_MB.sum(1, keepdim=True).clamp(min=1e-300)
    drop = Drop(torch.full((len(weight_MB),), rate, dtype=torch.float64), torch.arange(7, 7 + len(weight_MB)))
    seeds = (drop.seeds(0, [0])[0], drop.dropped(), drop.kept()) if rate else (None, None, None)
    return Step(True, share.unsqueeze(2), (weight_MB > 0).sum(1).double()[:, None, None], *seeds)


def flat(network: Network, modules: list[nn.Module]) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the numbers of some modules as weights and state of a population."""
    weights = torch.zeros(len(modules), network.size, dtype=torch.float64)
    state = torch.zeros(len(modules), network.state_size, dtype=torch.float64)
    for m, module in enumerate(modules):
        own = module.state_dict()
        for row, slots in ((weights[m], network.parameters), (state[m], network.state)):
            for slot in slots:
                row[slot.offset : slot.offset + slot.numel] = own[slot.stored.name].reshape(-1)
    return weights, state


@pytest.mark.parametrize("settings", [{}, {"dropout": 0.4}], ids=["own rates", "rate of the members"])
@pytest.mark.parametrize("mapped", [True, False])
def test_an_equal_mlp_is_the_stacked_network(mapped: bool, settings: dict[str, float]) -> None:
    """Outputs, gradients and moments in float64 within 1e-12: with dropout, weights of rows, padding, one lonely row."""
    layers = {"hidden": (8, 5), "activation": "tanh", "batch_norm_hidden": True, "layer_norm": True, "dropout": 0.4}
    stacked = Network(NetworkSpec(layout=NUMBERS, outputs=2, **layers))
    weights, state = stacked.initial([1, 2, 3], torch.float64)
    state = state + 0.3 * torch.rand(state.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    members = to_torch(stacked, preparation(), weights, state, [0, 0, 0]).members
    wrapped = [Mlp(4, 2).double() for _ in members]
    for own, member in zip(wrapped, members, strict=True):
        own.net.load_state_dict(member.network.state_dict())
    network = population(Mlp, **settings)
    assert network.notes == ()
    network.layer.mapped = mapped
    ours, moments = flat(network, wrapped)

    weight_MB = torch.rand(3, 32, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    weight_MB[:, 24:] = 0
    weight_MB[2, 1:] = 0
    rows, rate = inputs(), settings.get("dropout", 0.1)
    theirs, mine = stacked.bind(weights, state, gradient=True), network.bind(ours, moments, gradient=True)
    expected, outputs = theirs.forward(rows, step_of(weight_MB, rate)), mine.forward(rows, step_of(weight_MB, 0.4))
    torch.testing.assert_close(outputs, expected, **EXACT)
    slope = weight_MB.unsqueeze(2) * expected
    theirs.backward(slope)
    gradients = to_torch(stacked, preparation(), theirs.gradient_MP, state, [0, 0, 0]).members
    found = [dict(member.network.named_parameters()) for member in gradients]
    for name, gradient in network.named(mine.backward(slope)).items():
        for m in range(3):
            torch.testing.assert_close(gradient[m], found[m][name.removeprefix("Mlp.net.")].data, **EXACT)
    after = to_torch(stacked, preparation(), weights, state, [0, 0, 0]).members
    moved = {name.removeprefix("Mlp.net."): value for name, value in network.named_state(moments).items()}
    for m in range(3):
        for name, value in after[m].network.named_buffers():
            if "num_batches" not in name:
                torch.testing.assert_close(moved[name][m], value, **EXACT)
    assert [moved["1.num_batches_tracked"][m].item() for m in range(3)] == [1, 1, 0]


def test_batch_norm_over_more_axes_is_torchs_own_on_the_rows_that_count() -> None:
    """A convolution's channels, cumulative moments, a counter: two steps of 20 rows padded to 32."""
    network = population(Sighted)
    assert network.layer.mapped
    assert "Sighted.mask" not in [slot.name for slot in network.state]
    module = network.member(*(flat_[0] for flat_ in network.initial([5], torch.float64))).train()
    weights, state = flat(network, [module, module])
    weight_MB = torch.ones(2, 32, dtype=torch.float64)
    weight_MB[:, 20:] = 0
    for seed in range(2):
        rows = inputs(2, seed=seed)
        outputs = network.bind(weights, state).forward(rows, step_of(weight_MB))
        torch.testing.assert_close(outputs[1, :20], module(rows.x_KBD[1, :20]), **EXACT)
    moved = network.named_state(state)
    for name, value in module.named_buffers():
        if name != "mask":
            torch.testing.assert_close(moved[f"Sighted.{name}"][1], value.double(), **EXACT)
    assert moved["Sighted.steps"].tolist() == [2, 2]


@pytest.mark.parametrize("made", [Mlp, Plain, Sighted, Centred])
def test_one_after_another_gives_what_all_at_once_give(made: type[nn.Module]) -> None:
    network = population(made)
    weights, state = network.initial([1, 2, 3], torch.float64)
    step, found = step_of(torch.ones(3, 32, dtype=torch.float64), 0.25), []
    for mapped in (True, False):
        network.layer.mapped, moments = mapped, state.clone()
        run = network.bind(weights, moments, gradient=True)
        outputs = run.forward(inputs(), step).clone()
        found.append((outputs, run.backward(outputs).clone(), moments, network(weights, moments, inputs())))
    for first, second in zip(*found, strict=True):
        torch.testing.assert_close(first, second, **EXACT)


# Training


def trained(network: Network, members: Sequence[int] | None = None, **settings: Any) -> Trained:
    """Train 100 steps in float64 on a small table in 4 folds, all members or some."""
    generator = np.random.default_rng(3)
    x_NF = torch.from_numpy(generator.normal(size=(160, 4)))
    y = x_NF[:, :1] * 2 + x_NF[:, 1:2].square()
    number = np.arange(160)
    fit, judged = ([number[(number % 4 == k) == own] for k in range(4)] for own in (False, True))
    plan = make_plan(**({"lr": 0.01, "optimizer": "adam", "epochs": 25, "batch_size": 32, "loss": "mse"} | settings))
    matrices = Matrices(x_NF, torch.zeros(160, 0, dtype=torch.int32), y)
    learnt = Preparation.fit(
        x_NF, matrices.codes_NQ, y, [torch.as_tensor(f) for f in fit], NUMBERS, "standard", "standard", torch.float64
    )
    whole = Members.make(plan, 4, dtype=torch.float64)
    shelf = Shelf(matrices, learnt, scaled=True)
    chosen = whole if members is None else whole.select(members)
    return train(network, shelf, Rows(tuple(fit), tuple(judged)), chosen, plan, metric="rmse")


@pytest.mark.parametrize("made", [Mlp, Branching, Sighted])
@pytest.mark.parametrize("epochs", [1, 25])
def test_a_member_equals_its_solo_run(made: type[nn.Module], epochs: int) -> None:
    """In float64: 4 steps within 1e-12, and the outputs after 100 within 1e-6 (ENGINE.md)."""
    network = population(made, 1)
    settings = {"epochs": epochs, "dropout": network.dropout or None}
    whole, alone = trained(network, **settings), trained(network, [2], **settings)
    outputs = [network(t.weights_MP[[i]], t.state_MS[[i]], inputs(1)) for t, i in ((whole, 2), (alone, 0))]
    torch.testing.assert_close(*outputs, rtol=0, atol=1e-12 if epochs == 1 else 1e-6)
    assert not torch.equal(whole.weights_MP[2], whole.weights_MP[1])
    assert whole.curves["loss_EM"][-1, 2] < whole.curves["loss_EM"][0, 2] or epochs == 1


def test_a_plain_mlp_trains_as_the_stacked_one() -> None:
    """torch's Linear draws the stacked network's first numbers, up to rounding: 100 steps of Adam go the same way."""
    whole = trained(population(lambda i, o: nn.Sequential(nn.Linear(i, 8), nn.ReLU(), nn.Linear(8, o)), 1))
    stacked = trained(Network(NetworkSpec(layout=NUMBERS, outputs=1, hidden=(8,))))
    np.testing.assert_allclose(whole.curves["loss_EM"], stacked.curves["loss_EM"], rtol=1e-4)


def test_own_random_numbers_are_the_same_in_every_run_and_leave_torchs_alone() -> None:
    network = population(Drawing, 1)
    before = torch.get_rng_state()
    first, second = trained(network, epochs=2), trained(network, epochs=2)
    other = trained(network, epochs=2, seed=1)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(first.weights_MP, second.weights_MP)
    assert not torch.equal(first.weights_MP, other.weights_MP)


# The trial


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (Branching, "one after another, which takes longer: vmap says RuntimeError"),
        (Drawing, "draws random numbers besides nn.Dropout"),
        (Centred, "rows influence each other besides nn.BatchNorm"),
        (lambda i, o: _with(Plain(i, o), "spare", nn.Linear(2, 2)), "spare.weight, spare.bias got no gradient"),
    ],
)
def test_what_a_trial_finds_is_said(made: Callable[..., Any], said: str) -> None:
    notes = population(made).notes
    assert len(notes) == 1
    assert said in notes[0]


def test_operations_that_vmap_runs_one_by_one_are_said_once_and_warn_no_more() -> None:
    class Attentive(nn.Module):
        def __init__(self, inputs: int, outputs: int) -> None:
            super().__init__()
            self.wide, self.last = nn.Linear(1, 8), nn.Linear(8, outputs)
            self.attend = nn.TransformerEncoderLayer(8, 2, 16, 0.0, batch_first=True)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.last(self.attend(self.wide(x.unsqueeze(2))).mean(1))

    network = population(Attentive)
    assert network.layer.slow == any("vmap has no rule for some" in note for note in network.notes)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        weights, state = network.initial([1, 2], torch.float64)
        assert network(weights, state, inputs(2)).isfinite().all()


@pytest.mark.parametrize(("made", "whole"), [(Mlp, True), (Branching, False), (Drawing, False)])
def test_what_the_host_decides_or_draws_is_no_graph_of_a_gpu(made: type[nn.Module], whole: bool) -> None:
    network, do = population(made), Program()
    network.bind(*network.initial([1], torch.float64)).forward(inputs(1), do=do)
    assert do.capturable is whole


def _with(module: nn.Module, name: str, part: nn.Module) -> nn.Module:
    module.add_module(name, part)
    return module


class Returning(Plain):
    def __init__(self, inputs: int, outputs: int, change: Callable[[torch.Tensor], Any]) -> None:
        super().__init__(inputs, outputs)
        self.change = change

    def forward(self, x: torch.Tensor) -> Any:
        return self.change(super().forward(x))


def returning(change: Callable[[torch.Tensor], Any]) -> Callable[[int, int], nn.Module]:
    return lambda inputs, outputs: Returning(inputs, outputs, change)


class Sampling(Plain):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x + torch.randn_like(x))


class Comparing(Plain):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x - x.mean(0))


def by_numpy(inputs: int, outputs: int) -> nn.Module:
    module = Plain(inputs, outputs)
    module.first.bias.data[:] = torch.from_numpy(np.random.default_rng().normal(size=8))
    return module


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (returning(lambda y: y[:, 0]), r"must return \[rows, 2\].* was given inputs \[32, 4\] and returned \[32\]"),
        (returning(lambda y: (y, y)), "returned tuple"),
        (returning(lambda y: y.detach()), "none of its parameters gets one"),
        (returning(lambda y: y @ torch.zeros(3, 3)), r"raised RuntimeError: .*\(test_modules.py, line \d+\)"),
        (lambda inputs, outputs: nn.Linear(inputs + 1, outputs), "given inputs .* and raised RuntimeError"),
        (lambda inputs, outputs: nn.LazyLinear(outputs), "weight waits for the first batch"),
        (lambda inputs, outputs: nn.Identity(), "must have parameters to train"),
        (lambda inputs, outputs: 3, "returned int"),
        (lambda inputs, outputs: 1 / 0, "raised ZeroDivisionError: division by zero"),
        (lambda inputs, outputs, depth: Plain(inputs, outputs), "must take two arguments.* needs depth"),
        (Sampling, "must predict the same each time"),
        (Comparing, "must predict each row by itself"),
        (by_numpy, "must start the same from the same seed"),
        (lambda i, o: nn.Sequential(nn.Linear(i, o), nn.BatchNorm1d(o, track_running_stats=False)), "other rows"),
        (lambda i, o: nn.Sequential(nn.Linear(i, o), nn.Dropout(1.0)), "1 has p=1"),
        (nn.Linear(4, 2), "a Linear that was made already"),
        (7, "must be a class or a function"),
    ],
)
def test_what_cannot_be_a_network_is_refused_at_the_door(made: Any, message: str) -> None:
    with pytest.raises(PlanError, match=message):
        population(made)


@pytest.mark.parametrize(
    ("made", "call"),
    [
        (lambda inputs, outputs: Plain(inputs, outputs), "a function(inputs=4, outputs=2)"),
        (lambda a, b: Plain(a, b), "a function(4, 2)"),
        (lambda *, outputs, inputs, depth=3: Plain(inputs, outputs), "a function(outputs=2, inputs=4)"),
        (lambda outputs: Plain(4, outputs), "a function(outputs=2)"),
        (lambda: Plain(4, 2), "a function()"),
        (lambda width=8: Plain(4, 2), "a function()"),
        (Plain, "Plain(inputs=4, outputs=2)"),
        (nn.Linear, "Linear(4, 2)"),
    ],
)
def test_a_class_is_called_with_inputs_and_outputs(made: Callable[..., Any], call: str) -> None:
    assert from_python(made).call(4, 2) == call
    assert population(made).count == sum(p.numel() for p in from_python(made).build(4, 2).parameters())


# First numbers, and the way back to torch


def test_a_member_starts_as_the_class_does_under_its_key_in_any_population() -> None:
    network = population(Sighted)
    before = torch.get_rng_state()
    weights, state = network.initial([7, 8, 9], torch.float64)
    assert torch.equal(torch.get_rng_state(), before)
    alone, its_state = network.initial([8], torch.float64)
    assert torch.equal(weights[1], alone[0])
    assert torch.equal(state[1], its_state[0])
    with torch.random.fork_rng([]):
        torch.manual_seed(8)
        module = Sighted(4, 2)
    for name, value in network.named(weights).items():
        assert torch.equal(value[1], module.get_parameter(name.removeprefix("Sighted.")).double())
    assert network.size % 16 == 0


def test_parameters_that_are_not_trained_stay_as_they_are() -> None:
    def frozen(inputs: int, outputs: int) -> nn.Module:
        module = Plain(inputs, outputs)
        module.first.requires_grad_(False)
        return module

    network = population(frozen, 1)
    after = trained(network, epochs=2, weight_decay=0.1, optimizer="adamw")
    _, before = network.initial(Members.make(make_plan(lr=0.01), 4).keys, torch.float64)
    assert [slot.name for slot in network.parameters] == ["frozen.last.weight", "frozen.last.bias"]
    assert torch.equal(after.state_MS, before)


@pytest.mark.parametrize("settings", [{}, {"dropout": 0.5}])
def test_to_torch_gives_the_users_own_class_back(settings: dict[str, float]) -> None:
    network = population(Mlp, dtype=torch.float32, **settings)
    weights, state = network.initial([1, 2])
    state = state + 0.25
    ensemble = to_torch(network, preparation(dtype=torch.float32), weights, state, [0, 0])
    inner = ensemble.members[1].network
    assert type(inner) is Mlp
    assert not inner.training
    assert inner.net[4].p == settings.get("dropout", 0.1)
    assert inner.net[1].num_batches_tracked.dtype == torch.int64
    rows = torch.randn(5, 4)
    expected = predict(network, preparation(dtype=torch.float32), weights, state, [0, 0], rows, torch.zeros(5, 0)).mean(
        0
    )
    torch.testing.assert_close(ensemble(rows, torch.zeros(5, 0, dtype=torch.int64)), expected, check_dtype=False)


def test_evaluation_changes_nothing_and_inputs_are_left_alone() -> None:
    class Writing(Plain):
        def __init__(self, inputs: int, outputs: int) -> None:
            super().__init__(inputs, outputs)
            self.register_buffer("seen", torch.zeros(()))
            self.seen: torch.Tensor

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            self.seen += 1
            return super().forward(x.mul_(2))

    network = population(Writing)
    weights, state = network.initial([1, 2], torch.float64)
    rows, before = inputs(2), inputs(2)
    network(weights, state, rows)
    network.bind(weights, state).forward(rows, step_of(torch.ones(2, 32, dtype=torch.float64)))
    assert torch.equal(rows.x_KBD, before.x_KBD)
    assert state.tolist() == [[1.0], [1.0]]


# Where a class comes from

FILE = """
from torch import nn

class Net(nn.Module):
    def __init__(self, inputs, outputs, width={width}):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(inputs, width), nn.ReLU(), nn.Linear(width, outputs))

    def forward(self, x):
        return self.net(x)
"""


def test_a_class_in_a_file_is_known_by_its_hash(tmp_path: Path) -> None:
    path = tmp_path / "my_net.py"
    path.write_text(FILE.format(width=4))
    custom = from_file(f"{path}:Net")
    assert custom.name == "my_net.py:Net"
    described = NetworkSpec(layout=NUMBERS, outputs=1, module=custom.spec())
    network = make_network(described, custom)
    assert make_network(network.spec, from_file(f"{path}:Net")).count == 25
    assert make_network(network.spec, from_python(custom.make)).count == 25
    assert sorted(tmp_path.iterdir()) == [path], "nothing is written beside it"

    path.write_text(FILE.format(width=4) + "\n")
    with pytest.raises(PlanError, match=r"has another SHA-256\. Restore the file"):
        make_network(network.spec, from_file(f"{path}:Net"))
    with pytest.raises(PlanError, match=r"needs the class my_net\.py:Net again"):
        make_network(network.spec)
    with pytest.raises(PlanError, match="this model's networks are Danlu's"):
        make_network(NetworkSpec(layout=NUMBERS, outputs=1), custom)


def test_another_class_without_a_source_is_known_by_its_shapes() -> None:
    source, made = "def net(inputs, outputs):\n    return nn.Linear(inputs, outputs)\n", {"nn": nn}
    exec(source, made)
    custom = from_python(made["net"])
    assert custom.hashes == ()
    network = make_network(NetworkSpec(layout=NUMBERS, outputs=1, module=custom.spec()), custom)
    exec(source.replace("outputs)\n", "outputs, bias=False)\n"), made)
    with pytest.raises(ArtifactError, match="other names or shapes"):
        make_network(network.spec, from_python(made["net"]))


@pytest.mark.parametrize(
    ("text", "net", "message"),
    [
        (None, "my_net.py:Net", "must name a file, there is no"),
        (FILE.format(width=4), "my_net.py:Nett", r"has no Nett\. Did you mean `Net`\?"),
        ("x = 3", "my_net.py:Net", "Define it there"),
        ("x = 3", "my_net.py:x", "must be a class or a function .*got 3"),
        ("def f(:", "my_net.py:Net", r"it raised SyntaxError: .* \(line 1\)"),
        ("a = 1\nb = a / 0", "my_net.py:Net", r"ZeroDivisionError: division by zero \(my_net.py, line 2\)"),
        ("import sys\nsys.exit(3)", "my_net.py:Net", r"SystemExit: 3 \(my_net.py, line 2\)"),
        ("import nowhere_at_all", "my_net.py:Net", "No module named 'nowhere_at_all'"),
    ],
)
def test_a_file_that_gives_no_class_is_refused(tmp_path: Path, text: str | None, net: str, message: str) -> None:
    if text is not None:
        (tmp_path / "my_net.py").write_text(text)
    with pytest.raises(PlanError, match=message):
        from_file(f"{tmp_path}/{net}")


def test_a_file_may_import_its_neighbours(tmp_path: Path) -> None:
    (tmp_path / "neighbour_of_mine.py").write_text("WIDTH = 3")
    (tmp_path / "my_net.py").write_text("from neighbour_of_mine import WIDTH\n" + FILE.format(width="WIDTH"))
    assert find(f"{tmp_path}/my_net.py:Net").build(2, 1).net[0].out_features == 3
    with pytest.raises(PlanError, match="Net was a class in Python"):
        find("Net (given in Python)")
    assert find("mlp") is None
