"""From a resolved plan to the architecture that all members of a population share."""

from __future__ import annotations

import numpy as np
import torch

from danlu.core.errors import PlanError
from danlu.core.parsing import split_setting
from danlu.core.plan import Plan
from danlu.core.records import ConvSpec, FeatureLayout, NetworkSpec, TargetSchema
from danlu.networks.convnet import conv_class
from danlu.networks.custom import Custom
from danlu.networks.modules import ModuleNetwork
from danlu.networks.network import Network

LINKS = {
    "mse": "identity",
    "l1": "identity",
    "huber": "identity",
    "pinball": "identity",
    "cross-entropy": "softmax",
    "kl": "softmax",
    "binary-cross-entropy": "sigmoid",
    "poisson": "exp",
}
"""What turns outputs into predictions, for each loss."""


def describe(plan: Plan, layout: FeatureLayout, target: TargetSchema, custom: Custom | None = None) -> NetworkSpec:
    """Return the architecture that a resolved plan asks for, of a user's own class where one is given.

    Two classes have two outputs under cross-entropy and one under binary cross-entropy.
    """
    loss = split_setting(plan.loss or "mse")[0]
    single = loss == "binary-cross-entropy" and target.task == "classification"
    norms = plan.batch_norm or ()
    return NetworkSpec.model_validate(
        {
            "layout": layout,
            "outputs": 1 if single else target.outputs,
            "hidden": plan.hidden or (),
            "activation": plan.activation or "relu",
            "batch_norm_input": "input" in norms,
            "batch_norm_hidden": "hidden" in norms,
            "batch_norm_momentum": plan.batch_norm_momentum or 0.1,
            "layer_norm": bool(plan.layer_norm),
            "copies": plan.copies or 1,
            "dropout": plan.dropout or 0.0,
            "init": plan.init or "default",
            "init_bias": "default" if plan.init_bias is None else plan.init_bias,
            "scale": plan.scale or "robust",
            "scale_target": plan.scale_target or "standard",
            "link": LINKS[loss],
            "module": None if custom is None else custom.spec(own_dropout=plan.dropout is None),
            "conv": _convolutions(plan),
            "mirrored": "flip" in (plan.augment or ()),
        }
    )


def _convolutions(plan: Plan) -> ConvSpec | None:
    """Return the convolutions that a resolved plan asks for."""
    if plan.conv is None:
        return None
    return ConvSpec(
        channels=plan.conv,
        kernel=plan.kernel or 3,
        padding="same" if plan.residual else plan.padding or 0,
        pool=plan.pool or "none",
        batch_norm="hidden" in (plan.batch_norm or ()),
        residual=bool(plan.residual),
    )


def make_network(spec: NetworkSpec, custom: Custom | None = None, dtype: str = "float32") -> Network:
    """Return the network of an architecture.

    Arguments:
        custom: the user's class, where the architecture is one; it must be the same as then.
        dtype: what a user's module will compute in, float32 or float64.

    Raises:
        PlanError: the class is missing, another, or cannot be used; or there is one where none belongs.
    """
    if spec.conv is not None:
        return ModuleNetwork(spec, conv_class(spec), getattr(torch, dtype))
    if spec.module is None:
        if custom is not None:
            raise PlanError(
                "`net` belongs to a model with a class of your own",
                "this model's networks are Danlu's",
                "Leave it out.",
            )
        return Network(spec)
    name = spec.module.name
    if custom is None:
        way = "FILE.py:CLASS" if ".py" not in name else name
        raise PlanError(
            f"this model needs the class {name} again: a model holds no code",
            "got none",
            f"Use net={way}{'' if way == name else ', or in Python the class itself'}.",
        )
    if custom.title != name.rpartition(":")[2]:
        raise PlanError(f"`net` must be the class {name} that was trained", f"got {custom.name}", f"Name {name}.")
    if spec.module.sha256 is not None and spec.module.sha256 not in custom.hashes:
        raise PlanError(
            f"`net` must be the class {name} that was trained",
            f"the source of {custom.name} has another SHA-256",
            "Restore the file as it was, or fit again.",
        )
    return ModuleNetwork(spec, custom, getattr(torch, dtype))


def both_classes(predicted_MNC: np.ndarray, spec: NetworkSpec, target: TargetSchema) -> np.ndarray:
    """Return probabilities of both classes where a network of two classes has one sigmoid output.

    Shape: `[..., 1]` to `[..., 2]`; everything else is returned as it came.
    """
    if target.task == "classification" and spec.outputs == 1:
        return np.concatenate([1 - predicted_MNC, predicted_MNC], axis=-1)
    return predicted_MNC
