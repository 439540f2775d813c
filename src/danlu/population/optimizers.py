"""Optimizers over the flat weights of all members: about eight tensor operations, whatever M is.

Each equals its namesake in torch.optim, member by member. Rates and bias corrections come as `[M, 1]`
tensors that were computed in float64, for many steps at once, by `coefficients`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from danlu.core.plan import Plan
from danlu.networks import Program
from danlu.population.members import Members

Coefficients = Mapping[str, Tensor]
"""`[M, 1]` tensors of one step, by name."""
State = dict[str, Tensor]
"""The optimizer's own `[M, P]` tensors, by name."""


class Optimizer(Protocol):
    """What the engine needs of an optimizer."""

    @property
    def slots(self) -> tuple[str, ...]:
        """Names of the `[M, P]` tensors that it keeps."""
        ...

    @property
    def names(self) -> tuple[str, ...]:
        """Names of its coefficients."""
        ...

    def coefficients(self, lr_SM: np.ndarray, step_SM: np.ndarray, members: Members) -> dict[str, np.ndarray]:
        """Return what each step needs as float64 `[S, M]`; `step_SM` counts a member's own steps from 1."""
        ...

    def step(self, weights_MP: Tensor, gradient_MP: Tensor, state: State, c: Coefficients, do: Program) -> None:
        """Change weights and state in place; the gradient and the state's "spare" may be written over."""
        ...


def make_optimizer(plan: Plan, members: Members) -> Optimizer:
    """Return the optimizer of a resolved plan; what no member uses (momentum, decay) is left out of its steps."""
    decay = bool((members.weight_decay > 0).any())
    momentum = bool((members.momentum > 0).any())
    match plan.optimizer:
        case "sgd":
            return SGD(decay, momentum, plan.nesterov)
        case "rmsprop":
            return RMSprop(decay, momentum)
        case "adagrad":
            return Adagrad(decay)
        case "adam":
            return Adam(decay, decoupled=False)
        case "adamw":
            return Adam(decay, decoupled=True)
    raise AssertionError(f"the plan must be resolved, got optimizer {plan.optimizer}")


def start(optimizer: Optimizer, weights_MP: Tensor) -> State:
    """Return the optimizer's tensors before the first step: zeros."""
    return {name: torch.zeros_like(weights_MP) for name in optimizer.slots}


def penalise(gradient_MP: Tensor, weights_MP: Tensor, l1_M1: Tensor, penalised_P: Tensor) -> Tensor:
    """Add the L1 penalty's gradient, `l1 * sign(w)`, on weights only: biases and norms are not penalised.

    The penalty is `l1` times the sum of absolute weights; it is no part of the loss in the history.
    """
    return gradient_MP.addcmul_(weights_MP.sign() * penalised_P, l1_M1)


def clip(gradient_MP: Tensor, most_M1: Tensor) -> Tensor:
    """Scale each member's gradient to a norm of at most `most_M1`, as torch.nn.utils.clip_grad_norm_."""
    return gradient_MP.mul_((most_M1 / (norm(gradient_MP) + 1e-6)).clamp_(max=1.0))


def norm(gradient_MP: Tensor) -> Tensor:
    """Return each member's gradient norm, `[M, 1]`.

    P is a multiple of 16; squares are summed in 16 lanes first, so that no sum is split among threads.
    """
    members = gradient_MP.shape[0]
    return gradient_MP.square().view(members, -1, 16).sum(1).sum(1, keepdim=True).sqrt_()


def _decay(gradient_MP: Tensor, weights_MP: Tensor, c: Coefficients, do: Program) -> None:
    """Add weight_decay times the weights to the gradient: decay coupled with the step, as torch's L2."""
    do(gradient_MP.addcmul_, weights_MP, c["decay"])


def _root(square_MP: Tensor, into_MP: Tensor, do: Program) -> None:
    """Write the square root, as 1 / (1 / root): MKL's own takes half as long again, and 5 times as long at 0 (measured
    with torch 2.13), which is where the weights of a unit that died end."""
    do(torch.rsqrt, square_MP, out=into_MP)
    do(into_MP.reciprocal_)


def _with_momentum(lr_SM: np.ndarray, step_SM: np.ndarray, members: Members) -> dict[str, np.ndarray]:
    """Return the coefficients of a step with momentum and coupled decay."""
    return {
        "rate": -lr_SM,
        "momentum": _repeated(members.momentum, step_SM),
        "decay": _repeated(members.weight_decay, step_SM),
    }


@dataclass(frozen=True)
class SGD:
    """Stochastic gradient descent, with momentum (Polyak 1964) or Nesterov's (torch's form of it)."""

    decay: bool
    momentum: bool
    nesterov: bool = False
    names: tuple[str, ...] = ("rate", "momentum", "decay")

    @property
    def slots(self) -> tuple[str, ...]:
        """The velocity, where there is momentum."""
        return ("velocity",) if self.momentum else ()

    def coefficients(self, lr_SM: np.ndarray, step_SM: np.ndarray, members: Members) -> dict[str, np.ndarray]:
        """Return -lr, momentum and decay."""
        return _with_momentum(lr_SM, step_SM, members)

    def step(self, weights_MP: Tensor, gradient_MP: Tensor, state: State, c: Coefficients, do: Program) -> None:
        """Take one step in place."""
        if self.decay:
            _decay(gradient_MP, weights_MP, c, do)
        if self.momentum:
            velocity = state["velocity"]
            do(velocity.mul_, c["momentum"])
            do(velocity.add_, gradient_MP)
            gradient_MP = do(gradient_MP.addcmul_, velocity, c["momentum"]) if self.nesterov else velocity
        do(weights_MP.addcmul_, gradient_MP, c["rate"])


@dataclass(frozen=True)
class RMSprop:
    """RMSprop (Hinton 2012) with torch's smoothing 0.99 and eps 1e-8."""

    decay: bool
    momentum: bool

    names: tuple[str, ...] = ("rate", "momentum", "decay")

    @property
    def slots(self) -> tuple[str, ...]:
        """The mean square, and the velocity where there is momentum."""
        return ("square", "velocity") if self.momentum else ("square",)

    def coefficients(self, lr_SM: np.ndarray, step_SM: np.ndarray, members: Members) -> dict[str, np.ndarray]:
        """Return -lr, momentum and decay."""
        return _with_momentum(lr_SM, step_SM, members)

    def step(self, weights_MP: Tensor, gradient_MP: Tensor, state: State, c: Coefficients, do: Program) -> None:
        """Take one step in place."""
        if self.decay:
            _decay(gradient_MP, weights_MP, c, do)
        square, move = state["square"], state["spare"]
        do(square.mul_, 0.99)
        do(square.addcmul_, gradient_MP, gradient_MP, value=1 - 0.99)
        _root(square, move, do)
        do(move.add_, 1e-8)
        do(torch.div, gradient_MP, move, out=move)
        if self.momentum:
            velocity = state["velocity"]
            do(velocity.mul_, c["momentum"])
            move = do(velocity.add_, move)
        do(weights_MP.addcmul_, move, c["rate"])


@dataclass(frozen=True)
class Adagrad:
    """Adagrad (Duchi et al. 2011) with torch's eps 1e-10 and no decay of the learning rate."""

    decay: bool
    slots: tuple[str, ...] = ("square",)
    names: tuple[str, ...] = ("rate", "decay")

    def coefficients(self, lr_SM: np.ndarray, step_SM: np.ndarray, members: Members) -> dict[str, np.ndarray]:
        """Return -lr and decay."""
        return {"rate": -lr_SM, "decay": _repeated(members.weight_decay, step_SM)}

    def step(self, weights_MP: Tensor, gradient_MP: Tensor, state: State, c: Coefficients, do: Program) -> None:
        """Take one step in place."""
        if self.decay:
            _decay(gradient_MP, weights_MP, c, do)
        square, move = state["square"], state["spare"]
        do(square.addcmul_, gradient_MP, gradient_MP)
        _root(square, move, do)
        do(move.add_, 1e-10)
        do(torch.div, gradient_MP, move, out=move)
        do(weights_MP.addcmul_, move, c["rate"])


@dataclass(frozen=True)
class Adam:
    """Adam (Kingma & Ba 2015), or AdamW where decay is decoupled (Loshchilov & Hutter 2019); betas 0.9, 0.999.

    With bias corrections b1 and b2 torch's step `lr/b1 * m / (sqrt(v)/sqrt(b2) + eps)` is written
    `lr*sqrt(b2)/b1 * m / (sqrt(v) + eps*sqrt(b2))`: the same number, one operation on `[M, P]` fewer.
    """

    decay: bool
    decoupled: bool
    slots: tuple[str, ...] = ("mean", "square")
    names: tuple[str, ...] = ("rate", "eps", "decay")

    def coefficients(self, lr_SM: np.ndarray, step_SM: np.ndarray, members: Members) -> dict[str, np.ndarray]:
        """Return the corrected -lr and eps, and decay (decoupled: what is kept of the weights)."""
        first, second = 1 - 0.9**step_SM, np.sqrt(1 - 0.999**step_SM)
        decay = _repeated(members.weight_decay, step_SM)
        return {
            "rate": -lr_SM * second / first,
            "eps": 1e-8 * second,
            "decay": 1 - lr_SM * decay if self.decoupled else decay,
        }

    def step(self, weights_MP: Tensor, gradient_MP: Tensor, state: State, c: Coefficients, do: Program) -> None:
        """Take one step in place."""
        if self.decay and self.decoupled:
            do(weights_MP.mul_, c["decay"])
        elif self.decay:
            _decay(gradient_MP, weights_MP, c, do)
        mean, square, move = state["mean"], state["square"], state["spare"]
        do(mean.lerp_, gradient_MP, 1 - 0.9)
        do(square.mul_, 0.999)
        do(square.addcmul_, gradient_MP, gradient_MP, value=1 - 0.999)
        _root(square, move, do)
        do(move.add_, c["eps"])
        do(torch.div, mean, move, out=move)
        do(weights_MP.addcmul_, move, c["rate"])


def _repeated(value_M: Tensor, step_SM: np.ndarray) -> np.ndarray:
    """Return a member's number for every step, in float64."""
    return np.broadcast_to(value_M.cpu().double().numpy(), step_SM.shape)
