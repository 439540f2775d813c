"""PostgreSQL, through its ADBC driver (extra `sql`), in a transaction that can only read."""

from __future__ import annotations

import importlib
import os
import re
from typing import Any

import pyarrow as pa
import pyarrow.types as pat

from danlu.core.addresses import masked, secrets
from danlu.core.errors import DataError, PlanError, nearest
from danlu.core.records import Note
from danlu.data.arrow import plain_table
from danlu.data.compute import pc
from danlu.data.database import check_names, chosen_table, database_notes, no_rows, plain_name, what_is_read
from danlu.data.header import quoted
from danlu.data.marks import settle
from danlu.data.table import RawTable, ReadOptions
from danlu.data.words import counted

_SECONDS = 10
"""Of waiting for a server, unless the address or PGCONNECT_TIMEOUT says otherwise."""

_FIRST_DAY, _AFTER_LAST_DAY = -719_162, 2_932_897
"""1 January of the year 1 and of the year 10000, in days since 1970."""

_BEGIN = (
    "set transaction isolation level repeatable read, read only",
    "set client_encoding to 'UTF8'",
)
_TABLES = """
select case when pg_catalog.pg_table_is_visible(c.oid) then c.relname::text else n.nspname || '.' || c.relname end
       as shown, n.nspname::text as schema, c.relname::text as name
from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'p', 'v', 'm', 'f') and not c.relispartition
  and n.nspname not in ('pg_catalog', 'information_schema') and n.nspname !~ '^pg_(toast|temp)'
order by 1
"""
_NUMERIC = ("numeric", "money")


def read_postgresql(address: str, options: ReadOptions) -> RawTable:
    """Read one table, or the rows of a query, of a PostgreSQL database.

    Numbers, booleans, dates and times keep their types; numeric becomes whole numbers where all cells are, else
    doubles; an interval its seconds; arrays and composites their JSON text; anything else its text.

    Arguments:
        address: postgresql://user:password@host:port/database; what it leaves out comes from libpq's environment
            (PGHOST, PGUSER, PGPASSWORD, PGPASSFILE and so on). The password is never shown.
        options: table or query, and marks of missing cells.

    Raises:
        PlanError: the extra `sql` is not installed, or the address is none.
        DataError: the server cannot be reached or refuses; the table is not there; the query is wrong, would write,
            or gives no rows; a column holds raw bytes.
    """
    source = masked(address)
    _check_address(address, source)
    dbapi: Any = _driver("adbc_driver_postgresql.dbapi")
    errors: Any = _driver("adbc_driver_manager")
    names: list[str] = []
    try:
        with dbapi.connect(_with_timeout(address)) as connection, connection.cursor() as cursor:
            for statement in _BEGIN:
                cursor.execute(statement)
            tables = _rows(cursor, _TABLES).to_pylist()
            names += [table["shown"] for table in tables]
            name = None if options.query is not None else chosen_table(options.table, names, source)
            what = what_is_read(name)
            query = options.query if name is None else _select_all(tables[names.index(name)])
            found, notes, numeric = _fetched(cursor, str(query), source, what)
    except errors.Error as error:
        raise _refusal(str(error), address, source, names) from None
    if not found.num_rows:
        raise no_rows(source, what)
    settled = [
        settle(column, ("NaN",), ("NaN",)) if name in numeric else column
        for name, column in zip(found.column_names, found.columns, strict=True)
    ]
    wide = [
        name
        for name, column in zip(found.column_names, settled, strict=True)
        if name in numeric and pat.is_string(column.type)
    ]
    if wide:
        notes.append(Note(topic="codes", text=f"{quoted(wide)} kept as text: whole numbers above 2^63"))
    plain, named = plain_table(pa.table(settled, names=found.column_names), source)
    plain, far = _in_reach(plain)
    said = database_notes("PostgreSQL", plain, what, options, ordered=False)
    return RawTable(plain, source, (*said, *notes, *named, *far))


def _in_reach(table: pa.Table) -> tuple[pa.Table, list[Note]]:
    """Take dates beyond the years 1 to 9999 for missing: PostgreSQL's infinity is one, and means "not yet"."""
    notes = []
    for i, name in enumerate(table.column_names):
        column = table.column(i)
        if not (pat.is_timestamp(column.type) or pat.is_date32(column.type)):
            continue
        days = column.cast(pa.int32()).cast(pa.int64()) if pat.is_date32(column.type) else column.cast(pa.int64())
        unit = 1 if pat.is_date32(column.type) else 86_400_000_000
        far = pc.or_(pc.less(days, _FIRST_DAY * unit), pc.greater_equal(days, _AFTER_LAST_DAY * unit))
        count = pc.sum(far).as_py() or 0
        if count:
            table = table.set_column(i, name, pc.if_else(far, pa.scalar(None, column.type), column))
            text = f"{counted(count, 'cell')} beyond the years 1 to 9999, such as infinity, taken as missing"
            notes.append(Note(topic=name, text=text))
    return table, notes


def _driver(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        raise PlanError(
            "PostgreSQL needs the extra `sql`", "it is not installed", "Use: pip install 'danlu[sql]'"
        ) from None


def _check_address(address: str, source: str) -> None:
    """Refuse an address whose password has raw characters that end it: libpq would take the rest for a host.

    >>> _check_address("postgresql://ann:a%40b@db.example:5432/houses", "")
    """
    rest = address.partition("://")[2]
    place = re.split(r"[/?@]", rest)[0]
    beyond = rest[len(place) :].partition("&")[0].partition("=")[0]
    # After user:password comes one @, and no other one before the settings behind "?".
    if ":" in place and "@" in beyond and (beyond[0] != "@" or "@" in beyond[1:]):
        raise PlanError(
            f"user and password in {source} must be percent-encoded",
            "there is an @, / or ? among them",
            "Write %40 for @, %2F for /, %3F for ?; or leave the password to PGPASSWORD or ~/.pgpass.",
        )


def _with_timeout(address: str) -> str:
    """Return an address that waits for a server only so long.

    >>> _with_timeout("postgresql://db.example/houses?sslmode=require")
    'postgresql://db.example/houses?sslmode=require&connect_timeout=10'
    """
    if "connect_timeout=" in address or os.environ.get("PGCONNECT_TIMEOUT"):
        return address
    slash = "" if re.search(r"://[^?]*/", address) or "?" in address else "/"
    return f"{address}{slash}{'&' if '?' in address else '?'}connect_timeout={_SECONDS}"


def _select_all(table: dict[str, str]) -> str:
    return f"select * from {plain_name(table['schema'])}.{plain_name(table['name'])}"


def _rows(cursor: Any, query: str) -> pa.Table:
    cursor.execute(query)
    return cursor.fetch_arrow_table()


def _fetched(cursor: Any, query: str, source: str, what: str) -> tuple[pa.Table, list[Note], list[str]]:
    """Return the rows of a query as types that are read, what to say of them, and which columns are numeric as text.

    The query stands inside of another one, so it can be nothing but a select.
    """
    inner = f"(\n{query.strip().rstrip(';')}\n) as danlu_rows"
    schema = _rows(cursor, f"select * from {inner} limit 0").schema
    check_names(schema.names, source, what)
    lists = [field.name for field in schema if pat.is_nested(field.type)]
    columns = ", ".join(f"{_expression(field, source)} as {plain_name(field.name)}" for field in schema)
    table = _rows(cursor, f"select {columns} from {inner}")
    try:
        table.validate(full=True)
    except pa.ArrowInvalid as error:
        fact = str(error).splitlines()[0].rstrip(".")
        raise DataError(f"text of {source} must be UTF-8", fact, "Convert the database, or cast the column.") from None
    notes = []
    if lists:
        notes.append(Note(topic="columns", text=f"arrays and composites kept as their JSON text: {quoted(lists)}"))
    return table, notes, [field.name for field in schema if _kind(field) in _NUMERIC]


def _kind(field: pa.Field) -> str:
    """Return PostgreSQL's name of a column's type."""
    return (field.metadata or {}).get(b"POSTGRESQL:type", b"").decode()


def _expression(field: pa.Field, source: str) -> str:
    """Return how the server gives a column as a type that is read."""
    name, kind = plain_name(field.name), _kind(field)
    if pat.is_nested(field.type):
        return f"to_json({name})::text"
    if pat.is_binary(field.type) or kind == "bytea":
        raise DataError(
            f"columns of {source} must hold plain cells",
            f"`{field.name}` holds raw bytes ({kind})",
            "Leave it out: --query 'select a, b from ...'.",
        )
    if kind == "money":
        return f"{name}::numeric::text"
    if kind == "interval":
        return f"extract(epoch from {name})::float8"
    if kind == "bpchar" or isinstance(field.type, pa.BaseExtensionType):
        return f"{name}::text"
    return name


def _refusal(message: str, address: str, source: str, names: list[str]) -> DataError:
    """Return the error that says what driver or server found wrong, without the password."""
    for secret in secrets(address):
        # A short password may be part of any word; where libpq shows what it was given, it stands in quotes.
        message = message.replace(secret if len(secret) > 3 else f'"{secret}"', "***")
    found = re.search(r"(?:ERROR|FATAL):\s+(.*)", message) or re.search(r"failed: (.*)", message)
    fact = (found[1] if found else message.partition("]")[2] or message).splitlines()[0].strip().rstrip(".")
    if "password" in fact or "authentication failed" in fact or "pg_hba" in fact:
        remedy = "Check user and password; PGPASSWORD or ~/.pgpass keep it off the command line."
        return DataError(f"{source} must let Danlu in", fact, remedy)
    if "Failed to connect" in message or " could not connect" in message:
        return DataError(f"{source} must be a database that can be reached", fact, "Check host, port and name.")
    absent = re.match(r'relation "(.*)" does not exist', fact)
    if absent:
        return DataError(f"a query must name tables of {source}", fact, nearest(absent[1], names))
    if "invalid byte sequence" in fact:
        return DataError(f"text of {source} must be UTF-8", fact, "Correct it, or leave the column out with --query.")
    if "read-only transaction" in fact or "data-modifying" in fact:
        return DataError(f"a query may only read {source}", fact, "Use one select.")
    if "permission denied" in fact:
        return DataError(f"{source} must let the user read", fact, "Ask for the right to select, or log in as another.")
    return DataError(f"a query of {source} must be one that PostgreSQL understands", fact, "Correct it.")
