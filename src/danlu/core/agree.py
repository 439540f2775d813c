"""What no plan may ask for together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from danlu.core.nets import is_own

if TYPE_CHECKING:
    from danlu.core.plan import Plan


def contradictions(plan: Plan) -> list[tuple[bool, str]]:
    """List what no plan may ask for together: (whether it does; rule, fact and remedy)."""
    return [
        *_row_contradictions(plan),
        *_search_contradictions(plan),
        *_network_contradictions(plan),
        *_training_contradictions(plan),
    ]


def _row_contradictions(plan: Plan) -> list[tuple[bool, str]]:
    ways = [name for name in ("folds", "holdout", "fold_column") if getattr(plan, name) is not None]
    order = plan.time is not None or plan.group is not None
    return [
        (len(ways) > 1, f"rows can be divided in one way only, got `{'` and `'.join(ways)}`. Give one of them."),
        (
            plan.test_table is not None and plan.test is None,
            "`test_table` is a table of the database of `test`, got none. Give `test` too.",
        ),
        (
            plan.time is not None and plan.group is not None,
            "`time` and `group` cannot both decide the folds, got both. Give one of them.",
        ),
        (
            plan.fold_column is not None and order,
            "`fold_column` gives the folds itself, got `time` or `group` as well. Give one of them.",
        ),
        (
            bool(plan.repeats and plan.repeats > 1 and (plan.fold_column or (plan.time and plan.holdout is None))),
            f"`repeats` need folds drawn at random, got {plan.repeats} with given or ordered ones. Use repeats=1.",
        ),
        (
            plan.refit and plan.holdout == 0,
            "`refit` needs judged rows, got holdout=0, which already trains on all rows. Leave one of them out.",
        ),
        (
            plan.learning_curve and plan.holdout == 0,
            "`learning_curve` needs judged rows, got holdout=0, which judges none. Use holdout=0.2.",
        ),
    ]


def _search_contradictions(plan: Plan) -> list[tuple[bool, str]]:
    searched = plan.search not in (None, "off")
    named = [name for name in ("space", "study") if getattr(plan, name) is not None]
    return [
        (
            bool(named) and not searched,
            f"`{named[0] if named else ''}` belongs to a search, got none. Give search=32 (--search), or leave it out.",
        ),
        (
            searched and plan.holdout == 0,
            "a search needs judged rows, got holdout=0, which judges none. Use holdout=0.2.",
        ),
        (
            searched and plan.watch_test,
            "`watch_test` shows the test rows while settings are chosen, got a search as well. Leave one of them out.",
        ),
        (
            searched and plan.effort == "quick",
            "a search takes time, got effort quick. Leave one of them out, or give a budget.",
        ),
    ]


def _network_contradictions(plan: Plan) -> list[tuple[bool, str]]:
    layers = ("hidden", "activation", "batch_norm", "batch_norm_momentum", "layer_norm", "init", "init_bias")
    layers = (*layers, "bins", "neighbours", "target_encoding", "copies")
    copies = (plan.copies or 1) > 1
    named = [name for name in layers if getattr(plan, name) is not None]
    return [
        (
            is_own(plan.net) and bool(named),
            f"a class of your own decides its layers, got `{named[0] if named else ''}` too. Leave it out.",
        ),
        (
            is_own(plan.net) and plan.precision == "bfloat16",
            "a class of your own computes in float32 or float64, got `precision` bfloat16. Leave it out.",
        ),
        *_image_contradictions(plan),
        (
            plan.net == "linear" and bool(plan.hidden),
            "`net` linear has no hidden layers, got `hidden`. Use net=mlp, or leave `hidden` out.",
        ),
        (
            plan.net == "linear" and plan.activation is not None,
            "`net` linear has no activation, got `activation`. Use net=mlp, or leave it out.",
        ),
        (
            copies and "hidden" in (plan.batch_norm or ()),
            "`copies` have no moments of their own for batch norm, got batch_norm hidden. Use layer_norm, or copies=1.",
        ),
        (
            copies and (plan.net in ("linear", "cnn") or plan.hidden == ()),
            f"`copies` need a hidden layer of a perceptron, got net {plan.net}. Use net=auto, or copies=1.",
        ),
        (
            plan.batch_norm_momentum is not None and not plan.batch_norm,
            "`batch_norm_momentum` needs batch norm, got none. Give batch_norm=input,hidden.",
        ),
    ]


def _image_contradictions(plan: Plan) -> list[tuple[bool, str]]:
    convolutions = ("conv", "kernel", "padding", "pool", "residual")
    named = [name for name in convolutions if getattr(plan, name) is not None]
    is_cnn = plan.net == "cnn" or (plan.net == "auto" and plan.conv is not None)
    others = [name for name in ("layer_norm", "init", "init_bias") if is_cnn and getattr(plan, name) is not None]
    return [
        (
            bool(named) and not is_cnn,
            f"`{named[0] if named else ''}` belongs to net cnn, got net {plan.net}. Use net=cnn.",
        ),
        (
            bool(others),
            f"net cnn starts and normalises as PyTorch does, got `{others[0] if others else ''}`. Leave it out.",
        ),
        (
            is_cnn and "input" in (plan.batch_norm or ()),
            "net cnn has batch norm behind its convolutions, got batch_norm input. Use batch_norm=hidden.",
        ),
        (
            bool(plan.residual) and plan.conv is not None and plan.padding not in (None, "same"),
            f"the residual net cnn keeps the size of an image, got padding {plan.padding}. Leave it out.",
        ),
    ]


def _training_contradictions(plan: Plan) -> list[tuple[bool, str]]:
    with_momentum = plan.optimizer in ("sgd", "rmsprop")
    weighted = plan.class_weight not in (None, "none")
    waits = next((name for name in ("patience", "stop_on") if getattr(plan, name) is not None), "")
    few = isinstance(plan.batch_size, int) and plan.batch_size < 1
    return [
        (few, f"`batch_size` must be at least 1, got {plan.batch_size}. Use batch_size=256, or all."),
        (
            plan.nesterov and plan.optimizer != "sgd",
            f"`nesterov` belongs to optimizer sgd, got {plan.optimizer or 'none'}. Use optimizer=sgd.",
        ),
        (
            weighted and plan.task == "regression",
            "`class_weight` needs a target of classes, got task regression. Leave it out, or use `weight`.",
        ),
        (plan.nesterov and not plan.momentum, "`nesterov` needs momentum, got none. Use momentum=0.9."),
        (
            bool(plan.momentum) and not with_momentum,
            f"`momentum` belongs to optimizer sgd or rmsprop, got {plan.optimizer or 'none'}. Use optimizer=sgd.",
        ),
        (
            plan.dtype == "float64" and plan.precision is not None,
            f"`precision` belongs to dtype float32, got {plan.precision} with float64. Leave one of them out.",
        ),
        (
            bool(waits) and not plan.early_stopping,
            f"`{waits}` belongs to early stopping, which is off. Use early_stopping=true, or leave it out.",
        ),
    ]
