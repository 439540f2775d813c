"""The engine's own gradients: the written-out backward pass of one member against differences of its forward pass."""

from __future__ import annotations

import torch
from torch import Tensor

from danlu.core import devices
from danlu.core.errors import DataError
from danlu.explanation.gradients_parameters import check_parameters, unused
from danlu.explanation.gradients_records import Fault, GradientCheck, worst_of
from danlu.networks import Drop, Network, Prepared, Step
from danlu.networks.modules import ModuleLayer
from danlu.networks.preparation import prepared_width
from danlu.population.losses import Loss, of_copies, weighted, weighted_mean


class EnginePoint:
    """A member of a network at some rows, as a step of training sees it: batch norm over them, dropout by its hash.

    Arguments:
        network: the architecture.
        weights_P: of the member.
        state_S: its running moments; the same before every pass.
        prepared: its inputs, led by 1.
        loss: with `target` and `smoothing`; None takes `weight_BC` times the outputs instead.
        target: as the loss takes it, led by 1.
        dropout: rate; the mask is that of the first step of the stream `seed`.
    """

    epsilon = torch.finfo(torch.float64).eps

    def __init__(  # noqa: PLR0913  all that a step depends on
        self,
        network: Network,
        weights_P: Tensor,
        state_S: Tensor,
        prepared: Prepared,
        *,
        loss: Loss | None = None,
        target: Tensor | None = None,
        smoothing: float = 0.0,
        dropout: float = 0.0,
        seed: int = 0,
    ) -> None:
        self.network, self.prepared, self.seed = network, Prepared(prepared.x_KBD.double(), prepared.slots_KBE), seed
        weights_MP, self.start_MS = weights_P[None].double().clone(), state_S[None].double().clone()
        self.state_MS = self.start_MS.clone()
        self.run = network.bind(weights_MP, self.state_MS, gradient=True)
        self.leaves = {name: view[0] for name, view in network.named(weights_MP).items()}
        self.loss, self.target = None if loss is None else of_copies(loss, network.copies), target
        self.smoothing_M = torch.tensor([smoothing], dtype=torch.float64) if smoothing else None
        rows = prepared.x_KBD.shape[1]
        self.share_MB = torch.full((1, rows), 1 / rows, dtype=torch.float64)
        count_M11 = torch.full((1, 1, 1), float(rows), dtype=torch.float64)
        seeds, dropped, kept = None, None, None
        if dropout:
            drop = Drop(torch.tensor([dropout], dtype=torch.float64), torch.tensor([seed]))
            seeds, dropped, kept = drop.seeds(0, [0])[0], drop.dropped(), drop.kept()
        self.step = Step(True, self.share_MB[:, :, None], count_M11, seeds, dropped, kept)
        generator = torch.Generator().manual_seed(seed + 2)
        outputs = (network.copies, rows, network.spec.outputs)
        self.weight_MBC = torch.randn(*outputs, generator=generator, dtype=torch.float64)

    def forward(self) -> Tensor:
        """Return the outputs, `[1, B, C]`; running moments begin where they were."""
        self.state_MS.copy_(self.start_MS)
        for layer in self.network.layers:
            if isinstance(layer, ModuleLayer):
                layer.seed = self.seed
        return self.run.forward(self.prepared, self.step)

    @torch.no_grad()
    def terms(self) -> Tensor:
        """Return each row's share of the loss, or each output times its weight."""
        outputs = self.forward()
        if self.loss is None or self.target is None:
            return (outputs * self.weight_MBC).reshape(-1)
        return (self.loss.rows(outputs, self.target, self.smoothing_M) * self.share_MB).reshape(-1)

    def gradients(self) -> dict[str, Tensor | None]:
        """Return the gradients that a step of training would take, by the network's and the loss's own code."""
        outputs = self.forward()
        slope_MBC = self.weight_MBC
        if self.loss is not None and self.target is not None:
            loss_MB, slope = self.loss.of(outputs, self.target, self.smoothing_M)
            weighted_mean(loss_MB, self.share_MB)
            slope_MBC = weighted(slope(), self.share_MB, torch.empty_like(outputs))
        gradient_MP = self.run.backward(slope_MBC.clone())
        return {name: view[0].clone() for name, view in self.network.named(gradient_MP).items()}

    def check_finite(self) -> None:
        """Refuse a pass that is not finite.

        Raises:
            DataError: with the first layer whose outputs are not.
        """
        lost: list[str] = []

        def watch(name: str, values: Tensor) -> None:
            if not lost and not bool(values.isfinite().all()):
                lost.append(name)

        self.state_MS.copy_(self.start_MS)
        self.run.forward(self.prepared, self.step, watch=watch)
        if lost:
            raise DataError("gradients need finite values", f"the first that is not comes out of the layer {lost[0]}")


def check_point(
    point: EnginePoint, name: str, of: str, inputs: str, *, tolerance: float, most: int, seed: int
) -> GradientCheck:
    """Check the gradients by all parameters of a member.

    Raises:
        DataError: a value on the way forward is not finite.
    """
    with devices.arithmetic(1):
        point.check_finite()
        gradients = point.gradients()
        checks = check_parameters(point, gradients, inputs=lambda _: False, most=most, tolerance=tolerance, seed=seed)
    faults: list[Fault] = unused(checks, gradients)
    if point.step.seeds_M2 is not None:
        text = f"it is on, as in training; every pass had the same mask (seed {seed})"
        faults.append(Fault(kind="random", where="dropout", text=text))
    return GradientCheck(
        name=name,
        verdict=worst_of(check.verdict for check in checks),
        parameters=tuple(checks),
        faults=tuple(faults),
        of=of,
        inputs=inputs,
        dtype="float64",
        tolerance=tolerance,
        most=most,
        seed=seed,
    )


def random_inputs(network: Network, rows: int, seed: int) -> Prepared:
    """Return random inputs as preparation gives them, led by 1: standard normal, 0 or 1 behind the numbers, slots."""
    generator = torch.Generator().manual_seed(seed)
    layout = network.spec.layout
    x_MBD = torch.randn(1, rows, prepared_width(layout), generator=generator, dtype=torch.float64)
    numbers = len(layout.numbers) if layout.image is None else x_MBD.shape[2]
    x_MBD[..., numbers:] = (x_MBD[..., numbers:] > 0).double()
    slots = [torch.randint(0, column.slots, (1, rows), generator=generator) for column in network.embedded]
    none = torch.zeros(1, rows, 0, dtype=torch.int64)
    return Prepared(x_MBD, torch.stack(slots, 2) if slots else none)
