from __future__ import annotations

import shlex
import socket
import subprocess
import time
from ipaddress import IPv4Address
from pathlib import Path
from typing import Final, Self

import pytest
from attrs import define

from tests.examples.support import Program, Visitor, example, nothing_left_running, require_all
from tests.support.lab import Lab, Node

pytestmark = pytest.mark.interop

ADDRESS: Final = IPv4Address("10.77.0.200")

SMALL: Final = (
    "--innodb-data-file-path=ibdata1:4M:autoextend",
    "--innodb-log-file-size=4M",
    "--innodb-buffer-pool-size=8M",
)

USERS: Final = """
CREATE DATABASE lab;
CREATE TABLE lab.notes (text VARCHAR(20));
CREATE USER app IDENTIFIED BY 'app';
GRANT INSERT ON lab.* TO app;
"""


@pytest.fixture(autouse=True)
def machine() -> None:
    require_all("mariadbd", "mariadb", "mariadb-install-db")


@define(eq=False)
class Site:
    """A node with a MariaDB of its own, whose server ID tells it apart, and the example that looks after it."""

    node: Node
    client: tuple[str, ...]
    server: Program
    program: Program

    @classmethod
    def start(cls, node: Node, server_id: int) -> Self:
        """Start both, MariaDB first."""
        folder = node.lab.folder / f"site-{node.name}"
        folder.mkdir()
        server, client = start_mariadb(node, folder, server_id)
        program = Program.start(
            node, *example("mysql_failover.py"),
            "--interface", "eth0",
            "--address", f"{ADDRESS}/24",
            "--client", shlex.join(client),
        )  # fmt: skip
        return cls(node, client, server, program)

    def query(self, statement: str) -> str:
        """Ask this node's server, as root."""
        return self.node.run(*self.client, "--skip-column-names", "--execute", statement).strip()

    def is_read_only(self) -> bool:
        """Whether this node's server refuses what the app would write."""
        return self.query("SELECT @@read_only") == "1"


def start_mariadb(node: Node, folder: Path, server_id: int) -> tuple[Program, tuple[str, ...]]:
    """A server with data of its own, and the command that lets root in."""
    data, users, sock = folder / "data", folder / "users.sql", folder / "socket"
    own = ("--no-defaults", "--user=root", f"--datadir={data}", *SMALL)
    node.run("mariadb-install-db", *own, "--auth-root-authentication-method=normal", "--skip-test-db")
    users.write_text(USERS)
    server = Program.start(
        node, "mariadbd", *own, f"--socket={sock}", f"--pid-file={folder / 'pid'}", f"--init-file={users}",
        f"--server-id={server_id}", "--skip-networking=0", "--skip-name-resolve", "--read-only=1",
    )  # fmt: skip
    client = ("mariadb", "--no-defaults", f"--socket={sock}", "--user=root")
    ping = node.command(*client, "--execute", "SELECT 1 FROM lab.notes")
    node.lab.until(
        lambda: subprocess.run(ping, capture_output=True, check=False).returncode == 0, "the database is ready"
    )
    return server, client


def app(node: Node, statement: str) -> str | None:
    """What an application gets at the virtual address; None if it is refused, or has to wait for a second."""
    client = ("mariadb", "--no-defaults", f"--host={ADDRESS}", "--user=app", "--password=app", "--connect-timeout=1")
    command = node.command(*client, "--skip-column-names", "--execute", statement)
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=1).stdout.strip()
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
        return None


@pytest.mark.conforms("keyword program/MySQL")
def test_the_address_follows_the_database_that_answers() -> None:
    with (
        Lab("one", "two", "visitor") as lab,
        nothing_left_running(lab),
        Visitor(lab.visitor, lambda: app(lab.visitor, "SELECT @@server_id, @@read_only")) as visitor,
    ):
        one = Site.start(lab.one, 1)
        lab.until(lambda: visitor.gets("1\t0"), "the first to start serves, and is writable")
        assert one.program.log.index("SET GLOBAL read_only=0: exit 0") < one.program.log.index("backup -> active")
        two = Site.start(lab.two, 2)
        lab.until(lambda: two.program.is_in("backup"), "the second waits")
        assert two.is_read_only()
        lab.until(lambda: app(lab.visitor, "INSERT INTO lab.notes VALUES ('hello')") is not None, "a note is written")

        # The server hangs: it lives, and the kernel accepts connections for it, but it says nothing.
        hung = time.monotonic()
        with one.server.frozen():
            lab.visitor.within(lambda: socket.create_connection((str(lab.one.ipv4), 3306), timeout=5)).close()
            lab.until(lambda: visitor.gets("2\t0"), "the second serves, and is writable", timeout=15)
            visitor.note_outage("hung", hung)
            lab.until(lambda: one.program.is_in("fault"), "the first is in fault")
            assert lab.holders(ADDRESS) == {"two"}
            assert two.program.changes[-1].reason == "active-resigned"
            assert "mysql: down (timed out after 0.5 s)" in one.program.log
            went_on = time.monotonic()

        # It goes on: read-only, and as Backup. The address stays where it is.
        lab.until(lambda: one.program.is_in("backup"), "the first has recovered")
        lab.until(one.is_read_only, "what was cut off is not written to any more")
        assert {answer.text for answer in visitor.since(went_on)} == {"2\t0"}

        # SIGTERM: the other takes over one skew later, and nothing stays behind.
        stopped = time.monotonic()
        two.program.stop()
        assert two.is_read_only()
        lab.until(lambda: visitor.gets("1\t0"), "the first serves again, and is writable")
        visitor.note_outage("stopped", stopped)
        assert lab.holders(ADDRESS) == {"one"}
        one.program.stop()
        assert lab.holders(ADDRESS) == frozenset()
        assert one.is_read_only()
