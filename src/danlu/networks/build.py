"""From a resolved plan to the architecture that all members of a population share."""

from __future__ import annotations

import numpy as np

from danlu.core.plan import Plan, split_setting
from danlu.core.records import FeatureLayout, NetworkSpec, TargetSchema

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


def describe(plan: Plan, layout: FeatureLayout, target: TargetSchema) -> NetworkSpec:
    """Return the architecture that a resolved plan asks for.

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
            "dropout": plan.dropout or 0.0,
            "init": plan.init or "default",
            "init_bias": "default" if plan.init_bias is None else plan.init_bias,
            "scale": plan.scale or "robust",
            "scale_target": plan.scale_target or "standard",
            "link": LINKS[loss],
        }
    )


def both_classes(predicted_MNC: np.ndarray, spec: NetworkSpec, target: TargetSchema) -> np.ndarray:
    """Return probabilities of both classes where a network of two classes has one sigmoid output.

    Shape: `[..., 1]` to `[..., 2]`; everything else is returned as it came.
    """
    if target.task == "classification" and spec.outputs == 1:
        return np.concatenate([1 - predicted_MNC, predicted_MNC], axis=-1)
    return predicted_MNC
