"""Training accuracy, summed up while training, against a plain PyTorch loop; and for whom there is one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from danlu.networks import to_torch
from danlu.population.batches import Deck


def plain_accuracies(table: Any, plan: Any, fold: int) -> list[float]:
    """Train one fold with torch.nn and torch.optim.Adam in training mode; return the weighted accuracy of each epoch.

    A row is right as the network saw it, in the step that learnt from it, before its weights moved.
    """
    network, members = table.network(plan), table.members(plan).select([fold])
    weights, state = network.initial(members.keys, table.dtype)
    preparation = table.preparation(plan)
    module = to_torch(network, preparation, weights, state, [fold]).members[0].network.train()
    optimizer = torch.optim.Adam(module.parameters(), plan.lr)
    deck = Deck(table.rows.fit, table.matrices.weight_N, plan.batch_size, like=members.lr)
    own, result = preparation.pick([fold]), []
    for epoch in range(plan.epochs):
        order = deck.deal([fold], (plan.seed, [0], epoch))
        right = weighed = 0.0
        for rows_KB, weight_KB in zip(order.rows_SKB, order.weight_SKB, strict=True):
            real = weight_KB[0] > 0
            rows, weight = rows_KB[0][real], weight_KB[0][real]
            prepared = own.prepare(table.matrices.x_NF[rows][None], table.matrices.codes_NQ[rows][None])
            out, target = module(prepared.x_KBD[0]), table.matrices.y[rows]
            if out.shape[1] == 1:
                loss = torch.nn.functional.binary_cross_entropy_with_logits(out[:, 0], target.double(), weight)
                loss, guess = loss * len(rows) / weight.sum(), (out[:, 0] > 0).long()
            else:
                each = torch.nn.functional.cross_entropy(out, target, reduction="none")
                loss, guess = (each * weight).sum() / weight.sum(), out.argmax(1)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            right += float(((guess == target) * weight).sum())
            weighed += float(weight.sum())
        result.append(right / weighed)
    return result


def only_numbers(table: Any) -> Any:
    """Let the category be one-hot: an exported network then takes one matrix."""
    column = table.layout.codes[0].model_copy(update={"width": 0})
    table.layout = table.layout.model_copy(update={"codes": (column,)})
    return table


@pytest.mark.parametrize("weighted", [False, True], ids=["all alike", "weighted"])
@pytest.mark.parametrize("outputs", [1, 3])
def test_accuracies_equal_a_plain_torch_loop(world: Callable[..., Any], outputs: int, weighted: bool) -> None:
    """120 rows in batches of 50: the last has 20 rows, and all are padded to 64."""
    table = only_numbers(world(rows=160, classes=max(2, outputs), double=True, weighted=weighted))
    table.outputs = outputs
    loss = "binary-cross-entropy" if outputs == 1 else "cross-entropy"
    norm = None if weighted else "hidden"  # moments of weighted rows are weighted, which torch knows nothing of
    plan = table.plan(dtype="float64", epochs=8, loss=loss, batch_norm=norm)
    trained = table.train(plan)
    for fold in range(4):
        expected = plain_accuracies(table, plan, fold)
        np.testing.assert_allclose(trained.curves["accuracy_EM"][:, fold], expected, rtol=1e-12)
    assert trained.curves["accuracy_EM"][-1].mean() > trained.curves["accuracy_EM"][0].mean()


def test_rows_that_weigh_alike_are_counted_exactly(world: Callable[..., Any]) -> None:
    """Also in float32, where shares such as 1/25 are rounded: an accuracy is a number of rows divided by theirs."""
    table = world(classes=3)
    found = table.train(table.plan(batch_size=25, epochs=6)).curves["accuracy_EM"]
    np.testing.assert_array_equal(found, np.rint(found * 225) / 225)


def test_dropout_counts_what_the_network_saw_while_it_trained(world: Callable[..., Any]) -> None:
    """Nine of ten units dropped: training accuracy is that of the thinned networks, below that of the whole ones."""
    table = world(rows=400, folds=2, classes=2)
    table.rows = type(table.rows)(table.rows.fit, table.rows.fit)
    trained = table.train(table.plan(dropout=0.9, hidden=(16,), epochs=40))
    assert trained.curves["judged_JM"][-1].mean() > trained.curves["accuracy_EM"][-1].mean() + 0.05


def test_equal_outputs_are_right_where_the_first_class_is_true(world: Callable[..., Any]) -> None:
    """Weights of 0 say nothing: the first class is taken, as `predict` takes it, and a tie is no success in itself."""
    table = world(classes=4)
    network = table.network(table.plan())
    network.spec = network.spec.model_copy(update={"init": "constant:0", "init_bias": 0.0})
    table.network = lambda _: network
    trained = table.train(table.plan(batch_size="all", epochs=1, optimizer="sgd"))
    share = [(table.matrices.y[torch.from_numpy(rows)] == 0).double().mean().item() for rows in table.rows.fit]
    np.testing.assert_allclose(trained.curves["accuracy_EM"][0], share, rtol=1e-12)


def test_numbers_have_no_accuracy(world: Callable[..., Any]) -> None:
    table = world()
    assert "accuracy_EM" not in table.train(table.plan()).curves


def test_an_accuracy_ends_where_a_network_ended(world: Callable[..., Any]) -> None:
    table = world(classes=3)
    plan = table.plan(optimizer="sgd", activation="relu", epochs=6)
    good, wild = table.members(plan), table.members(plan.model_copy(update={"lr": 1e30})).select([2])
    curves = table.train(plan, good.join(wild)).curves
    np.testing.assert_array_equal(np.isnan(curves["accuracy_EM"]), np.isnan(curves["loss_EM"]))
    assert np.isnan(curves["accuracy_EM"][1:, 4]).all()
    assert np.isfinite(curves["accuracy_EM"][:, :4]).all()
