"""Addresses of databases: which texts are some, what they are called, and how they are shown without a password."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import unquote

if TYPE_CHECKING:
    from danlu.core.plan import Plan

POSTGRESQL = ("postgresql://", "postgres://")
SQLITE = "sqlite:///"

_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
_SECRET = re.compile(r"(?i)([?&](?:ssl)?password=)[^&#]*")


def is_address(source: object) -> bool:
    """Return whether a source is written as an address, such as postgresql://host/houses, and not as a path.

    >>> is_address("sqlite:///houses.db"), is_address("houses.db"), is_address({"x": [1]})
    (True, False, False)
    """
    return isinstance(source, str) and _ADDRESS.match(source) is not None


def masked(source: str) -> str:
    """Return an address with *** in place of its password; any other text stays.

    >>> masked("postgresql://ann:secret@db.example/houses?sslmode=require")
    'postgresql://ann:***@db.example/houses?sslmode=require'
    >>> masked("houses.csv")
    'houses.csv'
    """
    found = _ADDRESS.match(source)
    if found is None:
        return source
    scheme, rest = found[0], source[found.end() :]
    # A password with a raw @, / or ? in it makes no valid address, but must not be shown either: so the last @ counts.
    login, at, place = rest.rpartition("@")
    user, colon, _ = login.partition(":")
    shown = f"{scheme}{user}:***@{place}" if at and colon else source
    return _SECRET.sub(r"\1***", shown)


def without_passwords(plan: Plan) -> Plan:
    """Return a plan whose tables are written without a password: the one that is kept and shown."""
    shown = {name: masked(text) for name in ("data", "test") if (text := getattr(plan, name)) is not None}
    return plan.model_copy(update={name: text for name, text in shown.items() if text != getattr(plan, name)})


def secrets(address: str) -> list[str]:
    """Return the passwords that an address holds, as they are written and as they are meant; the longest first.

    >>> secrets("postgresql://ann:a%40b@db.example/houses")
    ['a%40b', 'a@b']
    """
    login = address.partition("://")[2].rpartition("@")[0]
    written = [login.partition(":")[2], *(found.partition("=")[2] for found in _found(address))]
    both = {text for word in written for text in (word, unquote(word)) if text}
    return sorted(both, key=lambda text: (-len(text), text))


def _found(address: str) -> list[str]:
    return [match[0] for match in _SECRET.finditer(address)]


def address_name(address: str) -> str:
    """Return the last part of an address's path: the database or its file; "" where there is none.

    >>> address_name("postgresql://ann:secret@db.example/houses?sslmode=require"), address_name("sqlite:///a/b.db")
    ('houses', 'b.db')
    >>> address_name("postgresql://ann:secret@db.example")
    ''
    """
    plain = re.split(r"[?#]", address.partition("://")[2].rpartition("@")[2])[0]
    return plain.rpartition("/")[2] if "/" in plain else ""
