"""`ModuleRegressor` and `ModuleClassifier`: a network of one's own, a class or an instance of `torch.nn.Module`."""

from __future__ import annotations

import copy
import functools
import inspect
from collections.abc import Mapping
from typing import Any

from torch import nn

from danlu.core.errors import PlanError, nearest
from danlu.core.plan import Plan
from danlu.estimators.answers import Classifying, Regressing
from danlu.estimators.tables import OnTables
from danlu.networks.custom import Custom, find

MARK = "module__"
"""Begins the parameters that are arguments of the module's class."""


class Perceptron(nn.Sequential):
    """The module that is taken where none is given: layers of equal width, each with ReLU.

    Arguments:
        inputs, outputs: width of a row, and of an answer.
        hidden: units of a hidden layer.
        depth: hidden layers.
        dropout: share of units left out at random.
    """

    def __init__(self, inputs: int, outputs: int, hidden: int = 64, depth: int = 1, dropout: float = 0.0) -> None:
        layers: list[nn.Module] = []
        for before in [inputs, *[hidden] * (depth - 1)][:depth]:
            layers += [nn.Linear(before, hidden), nn.ReLU(), *([nn.Dropout(dropout)] if dropout else [])]
        super().__init__(*layers, nn.Linear(hidden if depth else inputs, outputs))


class Copied:
    """Makes networks that begin with the numbers of a module that was made already."""

    def __init__(self, module: nn.Module) -> None:
        self.module = module

    def __call__(self) -> nn.Module:
        """Return a copy, on the CPU and without gradients."""
        made = copy.deepcopy(self.module).cpu()
        made.zero_grad(set_to_none=True)
        return made


class OfModules(OnTables):
    """An estimator whose networks are of a class of the user's own; `module__NAME` are arguments of that class."""

    module: Any

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return all parameters, the arguments of the module's class among them."""
        own = {name: value for name, value in vars(self).items() if name.startswith(MARK)}
        return super().get_params(deep=deep) | own

    def set_params(self, **params: Any) -> OfModules:
        """Set parameters; `module__NAME` is an argument of the module's class, which `fit` checks."""
        for name in [name for name in params if name.startswith(MARK)]:
            setattr(self, name, params.pop(name))
        super().set_params(**params)
        return self

    def _take(self, arguments: dict[str, Any]) -> None:
        """Keep the arguments of the module's class as parameters.

        Raises:
            TypeError: one is neither a parameter nor an argument of the module.
        """
        for name, value in arguments.items():
            if not name.startswith(MARK):
                known = [*inspect.signature(type(self)).parameters, MARK + "NAME"]
                raise TypeError(f"{type(self).__name__} has no parameter `{name}`. {nearest(name, known)}")
            setattr(self, name, value)

    def _settings(self, ways: Mapping[str, Any]) -> dict[str, Any]:
        settings = super()._settings(ways)
        if "net" in settings:
            raise PlanError("`net` is no setting of this estimator", f"got {settings['net']!r}", "Use `module`.")
        return settings | {"net": self._custom()}

    def _custom(self) -> Custom:
        """Return what makes the networks.

        Raises:
            PlanError: `module` is nothing that makes any, or does not take the arguments.
        """
        given = {name.removeprefix(MARK): value for name, value in vars(self).items() if name.startswith(MARK)}
        if isinstance(self.module, nn.Module):
            if given:
                raise PlanError(
                    "arguments belong to a class of modules",
                    f"`{MARK}{next(iter(given))}` was given, and `module` was made already",
                    f"Use module={type(self.module).__name__}.",
                )
            hashes = find(type(self.module))
            return Custom(type(self.module).__name__, Copied(self.module), hashes.hashes if hashes is not None else ())
        if isinstance(self.module, str) and ".py:" not in self.module:
            raise PlanError("`module` must be a class of torch.nn.Module", f"got {self.module!r}", "Give the class.")
        custom = find(Perceptron if self.module is None else self.module)
        assert custom is not None
        if not given:
            return custom
        _check_arguments(custom, given)
        return Custom(custom.name, functools.partial(custom.make, **given), custom.hashes)


def _check_arguments(custom: Custom, given: dict[str, Any]) -> None:
    """Refuse arguments that the class does not take."""
    parameters = inspect.signature(custom.make).parameters
    if any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        return
    unknown = next((name for name in given if name not in parameters), None)
    if unknown is not None:
        raise PlanError(
            f"`{MARK}{unknown}` must be an argument of {custom.title}",
            "there is none of that name",
            nearest(unknown, parameters),
        )


class ModuleRegressor(Regressing, OfModules):
    """Networks of a class of one's own that predict numbers, trained many at once where `torch.func.vmap` can.

    Each is tried out before the run: shapes, gradients, and outputs against the loss. What is not named is plain
    PyTorch: Adam, no decay, a constant learning rate, 100 epochs.

    Arguments:
        module: a class of `torch.nn.Module`, or a function that makes one; its arguments `inputs` and `outputs`, or its
            two that have no defaults, are given by the data. Every network draws numbers of its own. Or a module that
            was made already: every network begins with its numbers.
        epochs, lr, batch_size, cv, warm_start, device, random_state, plan: as of `TableRegressor`.
        optimizer: sgd, adam, adamw, rmsprop or adagrad.
        loss: mse, l1, huber:1, pinball:0.9, poisson, ..., or a function of outputs and scaled targets `[B, C]` that
            gives a loss for each row.
        module__: `module__NAME` for each argument NAME of the class; a search may vary them.

    Attributes:
        model_, history_, n_features_in_, feature_names_in_: as of `TableRegressor`.
    """

    def __init__(  # noqa: PLR0913  few enough
        self,
        module: Any = None,
        *,
        epochs: int | None = None,
        lr: float | None = None,
        batch_size: int | str | None = None,
        optimizer: str | None = None,
        loss: Any = None,
        cv: Any = None,
        warm_start: bool = False,
        device: str | None = None,
        random_state: Any = None,
        plan: Plan | Mapping[str, Any] | None = None,
        **module__: Any,
    ) -> None:
        self.module = module
        self.epochs = epochs
        self.lr = lr
        self.batch_size = batch_size
        self.optimizer = optimizer
        self.loss = loss
        self.cv = cv
        self.warm_start = warm_start
        self.device = device
        self.random_state = random_state
        self.plan = plan
        self._take(module__)


class ModuleClassifier(Classifying, OfModules):
    """Networks of a class of one's own that predict classes, trained many at once where `torch.func.vmap` can.

    The module gives one number a class (logits), or one of two classes with loss "binary-cross-entropy".

    Arguments:
        module, epochs, lr, batch_size, optimizer, cv, warm_start, device, random_state, plan, module__: as of
            `ModuleRegressor`.
        loss: cross-entropy, binary-cross-entropy, or a function of logits `[B, C]` and classes `[B]` that gives a
            loss for each row.
        class_weight: as of `TableClassifier`.

    Attributes:
        classes_, model_, history_, n_features_in_, feature_names_in_: as of `TableClassifier`.
    """

    def __init__(  # noqa: PLR0913  few enough
        self,
        module: Any = None,
        *,
        epochs: int | None = None,
        lr: float | None = None,
        batch_size: int | str | None = None,
        optimizer: str | None = None,
        loss: Any = None,
        cv: Any = None,
        warm_start: bool = False,
        class_weight: Any = None,
        device: str | None = None,
        random_state: Any = None,
        plan: Plan | Mapping[str, Any] | None = None,
        **module__: Any,
    ) -> None:
        self.module = module
        self.epochs = epochs
        self.lr = lr
        self.batch_size = batch_size
        self.optimizer = optimizer
        self.loss = loss
        self.cv = cv
        self.warm_start = warm_start
        self.class_weight = class_weight
        self.device = device
        self.random_state = random_state
        self.plan = plan
        self._take(module__)
