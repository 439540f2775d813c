"""What users may rely on is exactly this list."""

from __future__ import annotations

import importlib
import pkgutil

import pytest

import danlu

PUBLIC = [
    "ImageClassifier",
    "ImageRegressor",
    "ModuleClassifier",
    "ModuleRegressor",
    "TableClassifier",
    "TableRegressor",
    "Model",
    "Plan",
    "__version__",
    "check_gradients",
    "facts",
    "fit",
    "footprint",
    "load",
    "minimize",
    "plot",
    "trace",
]
PACKAGES = [m.name for m in pkgutil.walk_packages(danlu.__path__, "danlu.") if m.name != "danlu.__main__"]


def test_public_names_are_exactly_these() -> None:
    assert sorted(danlu.__all__) == sorted(PUBLIC)
    assert dir(danlu) == sorted(PUBLIC)
    for name in PUBLIC:
        assert getattr(danlu, name) is not None


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="fitt"):
        getattr(danlu, "fitt")  # noqa: B009  pyrefly knows that it is not there


@pytest.mark.parametrize("name", PACKAGES)
def test_all_names_that_a_module_offers_are_there(name: str) -> None:
    module = importlib.import_module(name)
    offered = getattr(module, "__all__", [])
    assert len(offered) == len(set(offered))
    for each in offered:
        assert hasattr(module, each), f"{name}.{each}"
