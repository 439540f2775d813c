"""Addresses of databases never show their password."""

from __future__ import annotations

import pytest

from danlu.core.addresses import address_name, is_address, masked, secrets, without_passwords
from danlu.core.paths import model_name
from danlu.core.plan import make_plan

SECRET = "hunter2"


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("postgresql://ann:hunter2@db/houses", "postgresql://ann:***@db/houses"),
        ("postgres://ann:hunter2@db:5432/houses?a=b", "postgres://ann:***@db:5432/houses?a=b"),
        ("postgresql://db/houses?user=ann&password=hunter2&x=1", "postgresql://db/houses?user=ann&password=***&x=1"),
        ("postgresql://db/houses?sslpassword=hunter2", "postgresql://db/houses?sslpassword=***"),
        ("postgresql://ann:hun@ter2/hunter2@db/houses", "postgresql://ann:***@db/houses"),
        ("postgresql://ann:hunter2@/houses?host=/tmp", "postgresql://ann:***@/houses?host=/tmp"),
        ("mysql://ann:hunter2@db/houses", "mysql://ann:***@db/houses"),
        ("postgresql://ann@db/houses", "postgresql://ann@db/houses"),
        ("postgresql://db:5432/houses", "postgresql://db:5432/houses"),
        ("sqlite:///a/b.db", "sqlite:///a/b.db"),
        ("houses@2:hunter.csv", "houses@2:hunter.csv"),
    ],
)
def test_masked(address: str, shown: str) -> None:
    assert masked(address) == shown
    assert masked(shown) == shown


def test_secrets() -> None:
    assert secrets("postgresql://ann:a%2Fb@db/x?password=c%20d") == ["a%2Fb", "c%20d", "a/b", "c d"]
    assert secrets("postgresql://ann@db/x") == []


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("postgresql://ann:hunter2@db/houses?x=1", "houses"),
        ("postgresql://ann:hunter2@db", "table"),
        ("postgresql://ann:hunter2@db/", "table"),
        ("sqlite:///tables/houses.db", "houses"),
        ("sqlite:////tables/houses.sqlite", "houses"),
    ],
)
def test_names_of_models(address: str, name: str) -> None:
    assert model_name(address) == name
    assert SECRET not in address_name(address)
    assert model_name(address, "sales.Sold in 2024") == "Sold_in_2024"


def test_what_is_an_address() -> None:
    assert is_address("postgresql://x")
    assert not is_address("a/b://c")
    assert not is_address(None)


def test_plans_are_kept_without_passwords() -> None:
    plan = make_plan(data="postgresql://ann:hunter2@db/x", test="postgresql://ann:hunter2@db/y", target="t", folds=3)
    kept = without_passwords(plan)
    assert (kept.data, kept.test) == ("postgresql://ann:***@db/x", "postgresql://ann:***@db/y")
    assert SECRET not in kept.model_dump_json()
    assert kept.model_dump(exclude={"data", "test"}) == plan.model_dump(exclude={"data", "test"})
    plain = make_plan(data="houses.csv", target="t")
    assert without_passwords(plain) == plain
    assert without_passwords(plain).model_fields_set == plain.model_fields_set
