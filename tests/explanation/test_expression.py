"""Expressions: values by Python's own arithmetic, derivatives by autograd and differences, and all that is refused."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from danlu.core.errors import PlanError
from danlu.explanation.descent_graph import FUNCTIONS
from danlu.explanation.expression import parse, variable_names
from danlu.networks import Program

SCALARS = [
    "(x**2 + y - 11)**2 + (x + y**2 - 7)**2",
    "-x**2 + 3/y - 2**x + x**y",
    "exp(-x)*sin(3*y) + cos(x*y) - tan(x/3)",
    "log(x) + log2(y) + log10(x + y) + sqrt(x*y)",
    "tanh(x) + sinh(y/3) + cosh(x/3) + atan(y) + asin(x/4) + acos(y/5)",
    "min(x, y)**2 + max(x, 2*y) + abs(x - y) + x**0.5 + y**-1.5",
    "pi*x + e*y + (x + y)**3 - x*x*y + x**1 + y**0",
]


def oracle(text: str, x: float, y: float) -> float:
    """Python's value of an expression of this file's own."""
    names = {name: getattr(math, name) for name in FUNCTIONS if hasattr(math, name)}
    names |= {"abs": abs, "min": min, "max": max, "pi": math.pi, "e": math.e, "x": x, "y": y}
    return eval(text, {"__builtins__": {}}, names)


@pytest.mark.parametrize("text", SCALARS)
def test_values_are_those_of_arithmetic(text: str) -> None:
    graph, output = parse(text).graph(2)
    for x, y in [(0.7, 1.3), (2.1, 0.4), (3.3, 2.9)]:
        [found] = graph.evaluate([output], torch.tensor([x, y], dtype=torch.float64)[None, :, None])
        assert found.item() == pytest.approx(oracle(text, x, y), rel=1e-13)


@pytest.mark.parametrize(
    ("text", "size"),
    [(text, 2) for text in SCALARS]
    + [
        ("sigmoid(x) + softplus(2*y) + relu(x - y)", 2),
        ("sum(100*(x[1:] - x[:-1]**2)**2 + (1 - x[:-1])**2)", 5),
        ("-20*exp(-0.2*sqrt(mean(x**2))) - exp(mean(cos(2*pi*x))) + 20 + e", 4),
        ("x[0]*x[-1] + sum(x[1:3]) + sum(x*mean(x))", 4),
        ("sum(x) + x[1]**2", 3),
        ("sum(x**0) + x[0]**2", 3),
        ("mean(x[0]*x)", 3),
        ("x + y", 2),
        ("x*y", 2),
        ("exp(x)", 1),
    ],
)
def test_the_derived_gradient_is_autograds_and_that_of_differences(text: str, size: int) -> None:
    graph, output = parse(text).graph(size)
    x = torch.rand(3, size, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(1)) * 2.5 + 0.3
    f, gradient = torch.full((3, 16), torch.nan, dtype=torch.float64), torch.full_like(x, torch.nan)
    do = Program()
    graph.bind(output, x, f, gradient, do)
    followed = x.clone().requires_grad_()
    value = graph.evaluate([output], followed)[0].squeeze(1)
    (expected,) = torch.autograd.grad(value.sum(), followed)
    torch.testing.assert_close(f, value.detach(), rtol=1e-14, atol=0)
    torch.testing.assert_close(gradient, expected, rtol=1e-10, atol=1e-10)
    i = size - 1
    h = 1e-6
    up, down = x.clone(), x.clone()
    up[:, i] += h
    down[:, i] -= h
    slope = (graph.evaluate([output], up)[0] - graph.evaluate([output], down)[0]).squeeze(1) / (2 * h)
    torch.testing.assert_close(gradient[:, i], slope, rtol=1e-6, atol=1e-6)
    x.mul_(0.9).add_(0.1)  # the recorded program reads x anew
    do.run()
    torch.testing.assert_close(f, graph.evaluate([output], x)[0].squeeze(1), rtol=1e-14, atol=0)


def test_equal_parts_are_computed_once() -> None:
    graph, output = parse("(x*y + 1)**2 + (y*x + 1)**3").graph(2)
    assert sum(graph.nodes[place].op == "mul" for place in graph.needed([output])) == 1


def test_variables_are_in_the_order_of_their_names() -> None:
    assert parse("x10 + x2*b + a").variables == ("a", "b", "x2", "x10")
    assert variable_names(parse("sum(w**2)"), 3) == ("w[0]", "w[1]", "w[2]")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("__import__('os').system('id')", "a call of what is no function at character 1"),
        ("x + open('f')", "the unknown function open at character 5: `open('f')`"),
        ("x.real + 1", "a dot at character 1: `x.real`"),
        ("x if x > 0 else 0", "a condition at character 1"),
        ("y + (x > 0)", "a comparison at character 6"),
        ("[x for x in y]", "a loop"),
        ("lambda: x", "a lambda"),
        ("x, y", "a comma"),
        ("x and y", "a condition"),
        ("(x := 3)", "an assignment"),
        ("f'{x}'", "a text"),
        ("'a'*x", "what is no number at character 1"),
        ("True*x", "what is no number"),
        ("1j*x", "an imaginary number"),
        ("x // 2", "an operator that has no derivative here"),
        ("x % 2", "an operator that has no derivative here"),
        ("x ^ 2", "^, which is no power"),
        ("sinn(x)", "Did you mean `sin`?"),
        ("sin", "the function sin without its argument"),
        ("sin(x, y)", "2 argument(s)"),
        ("max(x)", "max takes 2"),
        ("sin(x=1)", "1 argument(s)"),
        ("_x + 1", "a name that no variable can have"),
        ("x**101", "a power of 101"),
        ("x + 9**9**9", "a power of"),
        ("x + 10.0**99*10.0**99*10.0**99*10.0**99", "a constant that is no finite number"),
        ("x/0", "a division by 0"),
        ("log(0)*x", "a constant that is no finite number"),
        ("1" * 400 + "*x", "a number beyond 1.8e308"),
        ("2x", "Write * for products"),
        ("x²", "Python's grammar ends at character 2"),
        ("(((x", "must be arithmetic"),
        ("", "must have something in it"),
        ("1 + pi", "must have a variable"),
        ("+".join(["x"] * 950), "nested so deep"),
        ("(" * 190 + "x" + ")" * 190 + "+" + "x" * 3000, "at most 2,000 characters"),
        ("sum(x) + y", "one variable, a list"),
        ("*x", "must be arithmetic"),
        ("x\x00y", ""),
    ],
)
def test_anything_else_is_refused_with_its_place(text: str, said: str) -> None:
    with pytest.raises(PlanError) as refused:
        parse(text)
    assert said in str(refused.value)
    assert refused.value.remedy


@pytest.mark.parametrize(
    ("text", "size", "said"),
    [
        ("x[1:] + x[:-1]", 3, "must be one number, it is a list of 3"),
        ("sum(x[2:] + x[1:])", 4, "lists of 2 and 3 entries"),
        ("x[5]", 3, "a part that a list of 3 does not have"),
        ("x[y]", 3, "one variable"),
        ("x[1.5]", 3, "brackets without a whole number"),
        ("x[::2]", 3, "brackets without whole numbers"),
    ],
)
def test_lists_that_do_not_fit_are_refused(text: str, size: int, said: str) -> None:
    with pytest.raises(PlanError, match=said.replace("[", r"\[")):
        parse(text).graph(size)


def test_a_place_counts_characters_not_bytes() -> None:
    with pytest.raises(PlanError, match="at character 5"):
        parse("ä + sinn(ä)")


def test_a_lists_least_length_follows_from_its_parts() -> None:
    assert parse("x[0]**2 + x[2]").least == 3
    assert parse("x[-4]").least == 4
    assert parse("sum(x[1:])").least == 2


def test_kinks_are_named() -> None:
    graph, output = parse("abs(x) + max(x, y) + sqrt(y) + x**3").graph(2)
    assert [graph.nodes[place].op for place in graph.kinks(output)] == ["abs", "maximum", "sqrt"]


def test_many_members_give_the_same_bits_as_one() -> None:
    graph, output = parse("exp(-x)*sin(3*y) + tanh(x*y)").graph(2)
    x = torch.from_numpy(np.random.default_rng(0).normal(size=(1, 2, 64)))
    every, alone = torch.empty(1, 64, dtype=torch.float64), torch.empty(1, 16, dtype=torch.float64)
    graph.bind(output, x, every, torch.empty_like(x), Program())
    few = x[..., 5:6].repeat(1, 1, 16)
    graph.bind(output, few, alone, torch.empty_like(few), Program())
    assert every[0, 5].item() == alone[0, 0].item()
