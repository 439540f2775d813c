"""A PostgreSQL server of the tests' own, in a folder that goes away with it."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

USER, PASSWORD = "danlu", "g@heim/42"
WRITTEN = "g%40heim%2F42"
"""The password as it stands in an address."""


class NoServer(Exception):
    """Why no server can be started here."""


@dataclass(frozen=True)
class Server:
    """A server that runs: where its programs are, its port, and its folder."""

    programs: Path
    port: int
    folder: Path

    def address(self, database: str = "postgres", password: str = WRITTEN) -> str:
        """Return the address of a database."""
        return f"postgresql://{USER}:{password}@127.0.0.1:{self.port}/{database}"

    def run(self, statements: str, database: str = "postgres") -> str:
        """Run statements, each by itself, and return what they print."""
        command = [self.programs / "psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", self.address(database)]
        done = subprocess.run(command, input=statements, capture_output=True, text=True, check=False, timeout=120)
        assert not done.returncode, done.stderr
        return done.stdout.strip()


def _programs() -> Path:
    """Return the folder of the server's programs."""
    places = [Path(found).resolve().parent for name in ("initdb", "pg_ctl") if (found := shutil.which(name))]
    places += sorted(Path("/usr/lib/postgresql").glob("*/bin"))  # where Debian keeps them, off the path
    for place in reversed(places):
        if all((place / name).exists() for name in ("initdb", "pg_ctl", "postgres", "psql")):
            return place
    raise NoServer("no PostgreSQL server is installed")


@contextmanager
def server() -> Iterator[Server]:
    """Start a server with a user that has a password, and stop it in the end.

    Raises:
        NoServer: there is none, or it does not start.
    """
    programs = _programs()
    folder = Path(tempfile.mkdtemp(prefix="danlu-pg-"))
    account: dict[str, object] = {}
    if os.getuid() == 0:  # a server refuses to run as root
        try:
            entry = pwd.getpwnam("postgres")
        except KeyError:
            raise NoServer("a server does not run as root, and there is no user postgres") from None
        os.chown(folder, entry.pw_uid, entry.pw_gid)
        account = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    secret, data = folder / "secret", folder / "data"
    secret.write_text(PASSWORD)
    secret.chmod(0o644)

    def do(*words: str | Path) -> None:
        done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False, timeout=120, **account)  # type: ignore[call-overload]
        if done.returncode:
            raise NoServer((done.stderr or done.stdout).strip()[-300:])

    make = ("-D", data, "-U", USER, "--pwfile", secret, "-A", "scram-sha-256", "-E", "UTF8", "--no-locale", "-N")
    control = (programs / "pg_ctl", "-D", data, "-w", "-t", "30")
    try:
        do(programs / "initdb", *make)
        options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off -c max_connections=20"
        # Its output goes to a file: a pipe would be held open by the server.
        do(*control, "-o", options, "-l", folder / "log", "start")
        try:
            yield Server(programs, port, folder)
        finally:
            do(*control, "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
