"""What layers compute, and their derivatives, in formulas: z is what goes in, a what comes out."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from danlu.core.parsing import split_setting


class Formula(NamedTuple):
    """What a layer computes, and the derivative of an output by its input."""

    value: str
    slope: str = ""


_FORMULAS = {
    "linear": Formula("z = W x + b", "W"),
    "conv": Formula("z = Σ over channels and kernel of W x, + b", "W"),
    "convtranspose": Formula("z = Σ over channels and kernel of W x, + b", "W"),
    "matmul": Formula("z = x W", "W"),
    "embedding": Formula("a = the row of the code in the table", "1"),
    "sigmoid": Formula("a = 1 / (1 + e^−z)", "a (1 − a)"),
    "tanh": Formula("a = tanh z", "1 − a²"),
    "relu": Formula("a = max(0, z)", "1 where z > 0, else 0"),
    "elu": Formula("a = z where z > 0, else e^z − 1", "1 where z > 0, else e^z"),
    "selu": Formula("a = 1.0507 z where z > 0, else 1.7581 (e^z − 1)", "1.0507 where z > 0, else 1.7581 e^z"),
    "gelu": Formula("a = z Φ(z)", "Φ(z) + z φ(z)"),
    "silu": Formula("a = z σ(z)", "σ(z) (1 + z (1 − σ(z)))"),
    "mish": Formula("a = z tanh(ln(1 + e^z))", "the derivative of z tanh(ln(1 + e^z))"),
    "softplus": Formula("a = ln(1 + e^z)", "σ(z)"),
    "softmax": Formula("a_k = e^z_k / Σ e^z", "a_k (1[j = k] − a_j)"),
    "logsoftmax": Formula("a_k = z_k − ln Σ e^z", "1[j = k] − softmax(z)_j"),
    "layernorm": Formula("a = γ (z − mean) / √(var + ε) + β, over the units of a row", "∂a_k/∂z_j"),
    "maxpool": Formula("a = the greatest of each window", "1 for the greatest, else 0"),
    "avgpool": Formula("a = the mean of each window", "1 / values of the window"),
    "adaptivemaxpool": Formula("a = the greatest of each window", "1 for the greatest, else 0"),
    "adaptiveavgpool": Formula("a = the mean of each window", "1 / values of the window"),
    "add": Formula("a = z₁ + z₂", "1"),
    "sub": Formula("a = z₁ − z₂", "1 or −1"),
    "mul": Formula("a = z₁ z₂", "the other factor"),
    "div": Formula("a = z₁ / z₂", "1 / z₂"),
    "cat": Formula("side by side", "1"),
    "exp": Formula("a = e^z", "a"),
    "log": Formula("a = ln z", "1 / z"),
    "sqrt": Formula("a = √z", "1 / (2 a)"),
    "neg": Formula("a = −z", "−1"),
    "abs": Formula("a = |z|", "sign of z"),
    "mean": Formula("the mean", "1 / values"),
    "sum": Formula("the sum", "1"),
    "sin": Formula("a = sin z", "cos z"),
    "cos": Formula("a = cos z", "−sin z"),
}
_OTHER_NAMES = {"addmm": "matmul", "mm": "matmul", "bmm": "matmul", "swish": "silu", "hardtanh": "clamp"}


def short(kind: str) -> str:
    """Return the name of a class or function as layers are called.

    >>> short("BatchNorm1d"), short("relu_"), short("LeakyReLU"), short("log_softmax")
    ('batchnorm', 'relu', 'leakyrelu', 'logsoftmax')
    """
    name = re.sub(r"[123]d$", "", kind.lower()).strip("_").replace("_", "")
    return {"setitem": "set", "iadd": "add", "imul": "mul"}.get(name, name)


def formula_of(kind: str, module: Any = None, training: bool = False) -> Formula:
    """Return the formulas of a class of layers or of a function; where none is known, its name and a derivative's sign.

    >>> formula_of("Sigmoid")
    Formula(value='a = 1 / (1 + e^−z)', slope='a (1 − a)')
    """
    name = short(kind)
    if name == "batchnorm":
        moments = "of these rows" if training else "running"
        slope = "∂a_k/∂z_j, through mean and variance too" if training else "γ / √(var + ε)"
        return Formula(f"a = γ (z − mean) / √(var + ε) + β, moments {moments}", slope)
    if name == "leakyrelu":
        share = getattr(module, "negative_slope", 0.01)
        return Formula(f"a = z where z > 0, else {share:g} z", f"1 where z > 0, else {share:g}")
    if "dropout" in name:
        kept = "a = z m, m drawn: 0 or 1 / (1 − p)" if training else "a = z: nothing is dropped in evaluation"
        return Formula(kept, "m" if training else "1")
    if module is not None and name == "linear" and getattr(module, "bias", None) is None:
        return Formula("z = W x", "W")
    return _FORMULAS.get(_OTHER_NAMES.get(name, name), Formula(f"a = {name}(z)", "∂a/∂z"))


_LOSSES = {
    "mse": ("(y − ŷ)²", "−2 (y − ŷ)"),
    "l1": ("|y − ŷ|", "sign(ŷ − y)"),
    "huber": ("½ (y − ŷ)², or w (|y − ŷ| − ½ w) beyond w", "ŷ − y, within ± w"),
    "pinball": ("q (y − ŷ), or (q − 1) (y − ŷ) below ŷ", "−q, or 1 − q below ŷ"),
    "binary-cross-entropy": ("−y ln σ(z) − (1 − y) ln(1 − σ(z))", "σ(z) − y"),
    "poisson": ("e^z − y z", "e^z − y"),
}
_OVER_ALL = {
    "cross-entropy": ("−ln softmax(z)_y", "softmax(z)_k − 1[k = y]"),
    "kl": ("Σ y (ln y − ln softmax(z))", "softmax(z)_k − y_k"),
}


def loss_formula(name: str, outputs: int) -> Formula:
    """Return what a loss costs for one row, and its derivative by an output.

    >>> loss_formula("mse", 1)
    Formula(value='(y − ŷ)²', slope='−2 (y − ŷ)')
    >>> loss_formula("mse", 3).slope
    '−2 (y − ŷ) / 3'
    """
    name = split_setting(name)[0] if re.fullmatch(r"[\w-]+(:[\d.e+-]+)*", name) else name
    if name in _OVER_ALL:
        return Formula(*_OVER_ALL[name])
    if name not in _LOSSES:
        return Formula(name, "∂L/∂ŷ")
    value, slope = _LOSSES[name]
    if outputs == 1:
        return Formula(value, slope)
    slope = f"({slope})" if " − " in slope and not slope.startswith("−2") else slope
    return Formula(f"mean over {outputs} outputs of {value}", f"{slope} / {outputs}")
