"""The study: every training of a search as a record in SQLite, so that a killed search goes on where it was."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from danlu.core.errors import DataError
from danlu.search.space import Setting

VERSION = 2
PLACES = {"data", "test", "study", "search", "space", "budget", "threads", "device"}
"""Settings that change no training."""
TABLES = """
create table if not exists searches (
    key text primary key, created text not null, data text not null, metric text not null, greater integer not null,
    plan text not null, space text not null, found text
);
create table if not exists trainings (
    base text not null, search text not null references searches (key), data text not null,
    setting text not null, folds integer not null, how text not null,
    error real, epochs integer not null, seconds real not null, at text not null, predicted blob,
    share real not null default 1,
    primary key (base, setting, folds)
);
"""


@dataclass(frozen=True)
class Known:
    """A training that stands in a study; `error` is the metric, or 1 less the metric: the lower the better."""

    error: float
    seconds: float
    predicted_NC: np.ndarray | None
    """Of all rows of the table, out of fold; NaN of those not judged. Of trainings on a part of the rows, of the judged
    ones. None where they are too many to be kept."""


@dataclass
class Study:
    """The trainings of one search; kept in a file where there is one.

    Arguments:
        file: the SQLite file; None: in memory alone.
        base: what tells its trainings: data, plan, folds, the part of the rows that they learn from, and the setting
            that the search begins with.
        key: what tells the search: these, its space and its size.
        data: what tells its data.
        share: of the training rows that its trainings learn from.
    """

    file: Path | None
    base: str
    key: str
    data: str
    known: dict[tuple[str, int], Known] = field(default_factory=dict)
    share: float = 1.0

    @classmethod
    def open(
        cls, file: Path | None, base: str, key: str, data: str, about: Mapping[str, str], metric: str, *, greater: bool
    ) -> Study:
        """Return the study of a search, with what earlier processes and other searches trained alike.

        Raises:
            DataError: the file is no study, or cannot be written.
        """
        study = cls(file, base, key, data)
        if file is None:
            return study
        with connected(file) as connection:
            connection.executescript(TABLES)
            now = datetime.now(UTC).isoformat(timespec="seconds")
            row = (key, now, data, metric, greater, about["plan"], about["space"])
            connection.execute("insert or ignore into searches values (?, ?, ?, ?, ?, ?, ?, null)", row)
        study._read()
        return study

    def of_part(self, share: float, rows: str) -> Study:
        """Return the study of the same search's trainings on a part of the rows, which no others are mixed with.

        Arguments:
            share: of the training rows.
            rows: what tells these rows.
        """
        part = Study(self.file, digest(self.base, str(share), rows), self.key, self.data, share=share)
        part._read()
        return part

    def _read(self) -> None:
        """Take the trainings that the file has of this base."""
        if self.file is None:
            return
        with connected(self.file) as connection:
            asked = "select setting, folds, error, seconds, predicted from trainings where base = ?"
            for setting, folds, error, seconds, predicted in connection.execute(asked, (self.base,)):
                known = Known(np.inf if error is None else error, seconds, _array(predicted))
                self.known[setting, folds] = known

    def find(self, setting: Setting, folds: int) -> Known | None:
        """Return a training that was done before."""
        return self.known.get((written(setting), folds))

    def add(self, setting: Setting, folds: int, known: Known, how: str, epochs: int) -> None:
        """Keep what a setting gave on the first so many folds."""
        name = written(setting)
        self.known[name, folds] = known
        if self.file is None:
            return
        kept = None if known.predicted_NC is None else _bytes(known.predicted_NC)
        error = known.error if np.isfinite(known.error) else None
        now = datetime.now(UTC).isoformat(timespec="seconds")
        row = (self.base, self.key, self.data, name, folds, how, error, epochs, known.seconds, now, kept, self.share)
        with connected(self.file) as connection:
            connection.execute(f"insert or replace into trainings values ({', '.join('?' * len(row))})", row)

    def earlier(self, most: int) -> list[dict[str, Any]]:
        """Return the best settings of other searches on the same data, the best first, and behind them the best one of
        each search on other data, whose errors do not compare."""
        if self.file is None:
            return []
        whole = (
            "from trainings where search <> ? and error is not null and share = 1 "
            "and folds = (select max(folds) from trainings as each_ where each_.base = trainings.base) "
        )
        best = f"select setting, min(error) {whole} and data = ? group by setting order by 2 limit ?"
        others = f"select setting, min(error) {whole} and data <> ? group by base order by base limit ?"
        with connected(self.file) as connection:
            rows = [row for query in (best, others) for row in connection.execute(query, (self.key, self.data, most))]
        return [read_setting(text) for text in list(dict.fromkeys(text for text, _ in rows))[:most]]

    def found(self, searched: str) -> None:
        """Keep what the search found, as JSON; of settings that were trained on some folds the predictions go."""
        if self.file is None:
            return
        with connected(self.file) as connection:
            connection.execute("update searches set found = ? where key = ?", (searched, self.key))
            last = "(select max(folds) from trainings where search = ?)"
            done = f"update trainings set predicted = null where search = ? and folds < {last}"
            connection.execute(done, (self.key, self.key))


@contextmanager
def connected(file: Path) -> Iterator[sqlite3.Connection]:
    """Open a study for one transaction: all of it is written, or nothing.

    Raises:
        DataError: the file is no study, or cannot be written.
    """
    try:
        connection = sqlite3.connect(file, timeout=30)
        try:
            version = connection.execute("pragma user_version").fetchone()[0]
            tables = {name for (name,) in connection.execute("select name from sqlite_master where type = 'table'")}
            if version not in (0, 1, VERSION) or (version == 0 and tables - {"searches", "trainings"}):
                raise DataError(f"{file} must be a study", "it is another SQLite file", "Name another with --study.")
            connection.execute("pragma journal_mode = wal")
            with connection:
                if version == 1 and "share" not in {
                    row[1] for row in connection.execute("pragma table_info(trainings)")
                }:
                    connection.execute("alter table trainings add column share real not null default 1")
                yield connection
                connection.execute(f"pragma user_version = {VERSION}")
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise DataError(
            f"{file} must be a study that can be written", str(error), "Name another with --study."
        ) from None


def read_study(file: Path) -> list[dict[str, Any]]:
    """Return the searches of a study, the newest first: their rows by name, `trainings` among them.

    Raises:
        DataError: there is none.
    """
    if not file.is_file():
        raise DataError(f"{file} must be a study", "there is no such file", "Fits with --search write NAME.study.")
    with connected(file) as connection:
        connection.executescript(TABLES)
        connection.row_factory = sqlite3.Row
        searches = [dict(row) for row in connection.execute("select * from searches order by created desc, rowid desc")]
        for search in searches:
            named = "setting, folds, share, how, error, epochs, seconds, at"
            asked = f"select {named} from trainings where search = ? order by at, rowid"
            rows = connection.execute(asked, (search["key"],))
            search["trainings"] = [dict(row) | {"setting": json.loads(row["setting"])} for row in rows]
    return searches


def written(setting: Setting) -> str:
    """Return a setting as it stands in the study."""
    return json.dumps(dict(setting), sort_keys=True)


def read_setting(text: str) -> dict[str, Any]:
    """Return a setting from the study."""
    return as_setting(json.loads(text))


def as_setting(read: Mapping[str, Any]) -> dict[str, Any]:
    """Return a setting from JSON: lists become tuples again."""
    return {name: tuple(value) if isinstance(value, list) else value for name, value in read.items()}


def _bytes(values_NC: np.ndarray) -> bytes:
    return np.asarray(values_NC.shape, np.int64).tobytes() + values_NC.astype(np.float64).tobytes()


def _array(kept: bytes | None) -> np.ndarray | None:
    if kept is None:
        return None
    rows, columns = np.frombuffer(kept[:16], np.int64)
    return np.frombuffer(kept[16:], np.float64).reshape(rows, columns).copy()


def digest(*texts: str) -> str:
    """Return a short hash of some texts."""
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:16]
