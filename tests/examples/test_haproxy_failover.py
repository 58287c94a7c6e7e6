from __future__ import annotations

import os
import shlex
import shutil
import signal
import time
from http.client import HTTPConnection, HTTPException
from ipaddress import IPv4Address
from pathlib import Path
from typing import Final, Self

import pytest
from attrs import define

from tests.examples.support import Program, Visitor, example, nothing_left_running, require_all
from tests.support.capture import SeenAdvert
from tests.support.lab import Lab, Node

pytestmark = pytest.mark.interop

ADDRESS: Final = IPv4Address("10.77.0.150")

CONFIG: Final = """
defaults
    mode http
    timeout client 5s
    timeout connect 5s
    timeout server 5s
frontend web
    bind :80
    http-request return status 200 content-type text/plain string {name}
"""

KEEPALIVED: Final = """
global_defs {{
    script_user root
    enable_script_security
}}
vrrp_script haproxy {{
    script "{check}"
    interval 1
    weight 2
}}
vrrp_instance haproxy {{
    state BACKUP
    interface eth0
    virtual_router_id 150
    priority 50
    advert_int 1
    authentication {{
        auth_type PASS
        auth_pass 1111
    }}
    virtual_ipaddress {{
        {address}/24
    }}
    track_script {{
        haproxy
    }}
}}
"""

NOTIFY: Final = """#!/bin/sh
echo "$@" >>{file}
"""


@pytest.fixture(autouse=True)
def machine() -> None:
    require_all("haproxy", "pgrep")


@define(eq=False)
class HAProxy:
    """HAProxy on a node; it serves the node's name."""

    node: Node
    folder: Path

    @classmethod
    def start_on(cls, node: Node) -> Self:
        """Start one."""
        folder = node.lab.folder / f"haproxy-{node.name}"
        folder.mkdir()
        (folder / "haproxy.cfg").write_text(CONFIG.format(name=node.name))
        haproxy = cls(node, folder)
        haproxy.start()
        return haproxy

    @property
    def command(self) -> list[str]:
        """What starts it, now or again."""
        return ["haproxy", "-D", "-f", f"{self.folder}/haproxy.cfg", "-p", f"{self.folder}/pid"]

    @property
    def check(self) -> str:
        """What tells whether it lives."""
        return f"{shutil.which('pgrep')} --exact --pidfile {self.folder}/pid --runstates D,R,S haproxy"

    def start(self) -> None:
        """As an operator would, by hand."""
        self.node.run(*self.command)

    def kill(self) -> float:
        """SIGKILL, as from the kernel when memory is short; returns when."""
        os.kill(int((self.folder / "pid").read_text()), signal.SIGKILL)
        return time.monotonic()

    def break_for_good(self) -> float:
        """SIGKILL, and nothing starts it again; returns when."""
        (self.folder / "haproxy.cfg").rename(self.folder / "away")
        return self.kill()

    def mend(self) -> None:
        """Let it be startable again, and start it."""
        (self.folder / "away").rename(self.folder / "haproxy.cfg")
        self.start()


def run_example(haproxy: HAProxy, *options: str | Path) -> Program:
    """The example beside an HAProxy."""
    return Program.start(
        haproxy.node, *example("haproxy_failover.py"),
        "--interface", "eth0",
        "--address", f"{ADDRESS}/24",
        "--check", haproxy.check,
        "--repair", shlex.join(haproxy.command),
        *options,
    )  # fmt: skip


def run_keepalived(haproxy: HAProxy) -> Program:
    """keepalived beside an HAProxy, configured as in the how-to."""
    config = haproxy.folder / "keepalived.conf"
    config.write_text(KEEPALIVED.format(check=haproxy.check, address=ADDRESS))
    pids = [f"--{name}={haproxy.folder}/keepalived-{name}" for name in ("pid", "vrrp_pid", "checkers_pid")]
    options = ("--dont-fork", "--log-console", "--no-syslog", "--log-detail", "--vrrp", f"--use-file={config}")
    return Program.start(haproxy.node, "keepalived", *options, *pids)


def notifications(haproxy: HAProxy) -> tuple[Path, Path]:
    """A script for `--notify`, and the file it writes to."""
    script, file = haproxy.folder / "notify", haproxy.folder / "notified"
    script.write_text(NOTIFY.format(file=file))
    script.chmod(0o755)
    return script, file


def fetch() -> str | None:
    """The page at the virtual address."""
    connection = HTTPConnection(str(ADDRESS), timeout=0.3)
    try:
        connection.request("GET", "/")
        return connection.getresponse().read().decode()
    except (OSError, HTTPException):
        return None
    finally:
        connection.close()


def adverts(lab: Lab, node: str, priority: int) -> int:
    """How many advertisements of this priority a node has sent."""
    sent = (seen for seen in lab.capture.seen if isinstance(seen, SeenAdvert))
    return sum(seen.node == node and seen.advert.priority == priority for seen in sent)


@pytest.mark.conforms("keyword program/HAProxy", "keyword vrrp_script/repair")
def test_the_address_follows_the_haproxy_that_lives() -> None:
    with Lab("one", "two", "visitor") as lab, nothing_left_running(lab), Visitor(lab.visitor, fetch) as visitor:
        haproxy = HAProxy.start_on(lab.one)
        script, notified = notifications(haproxy)
        one = run_example(haproxy, "--notify", script)
        lab.until(lambda: visitor.gets("one"), "the first to start serves")
        assert lab.one.held()[ADDRESS].prefix_length == 24
        two = run_example(HAProxy.start_on(lab.two))
        lab.until(lambda: two.is_in("backup"), "the second waits")

        # HAProxy dies, and the repair helps: nothing moves.
        before = one.changes
        killed = haproxy.kill()
        lab.until(lambda: "haproxy: the repair has ended: exit 0" in one.log, "the repair has helped")
        lab.until(lambda: visitor.gets("one"), "the first serves again")
        visitor.note_outage("repaired", killed)
        sent = adverts(lab, "one", 52)
        lab.until(lambda: adverts(lab, "one", 52) >= sent + 4, "the second look is over, and nothing has changed")
        assert one.changes == before
        assert {answer.text for answer in visitor.since(killed)} == {"one"}
        assert lab.holders(ADDRESS) == {"one"}

        # HAProxy dies for good: the address moves. 2 s + repair + 2 s + 3.797 s, and twice that for a slow machine.
        killed = haproxy.break_for_good()
        lab.until(lambda: visitor.gets("two"), "the second serves", timeout=16)
        visitor.note_outage("moved", killed)
        lab.until(lambda: lab.holders(ADDRESS) == {"two"}, "the first holds the address no more")
        lab.until(lambda: one.is_in("backup"), "the first follows the second")
        assert one.changes[-1].reason == "outranked"
        assert two.changes[-1].reason == "preempted"
        assert "priority 50 = 50 +0 (haproxy down)" in one.log

        # Mended by hand: 52 against 52, so the address stays where it is.
        haproxy.mend()
        lab.until(lambda: one.log.count("priority 52 = 50 +2 (haproxy up)") == 2, "the first has noticed")
        mended, sent = time.monotonic(), adverts(lab, "two", 52)
        lab.until(lambda: adverts(lab, "two", 52) >= sent + 5, "the first would have taken over by now")
        assert one.is_in("backup")
        assert {answer.text for answer in visitor.since(mended)} == {"two"}

        # SIGTERM: the other takes over one skew later, and nothing stays behind.
        stopped = time.monotonic()
        two.stop()
        lab.until(lambda: visitor.gets("one"), "the first serves again")
        visitor.note_outage("stopped", stopped)
        assert one.changes[-1].reason == "active-resigned"
        assert lab.holders(ADDRESS) == {"one"}
        one.stop()
        assert lab.holders(ADDRESS) == frozenset()
        assert notified.read_text().splitlines()[1:] == [  # the first check may end before or after the start
            "INSTANCE eth0/150 MASTER 52",
            "INSTANCE eth0/150 BACKUP 50",
            "INSTANCE eth0/150 MASTER 52",
            "INSTANCE eth0/150 STOP 52",
        ]


@pytest.mark.conforms("keyword program/HAProxy")
def test_the_other_node_may_run_keepalived() -> None:
    require_all("keepalived")
    with Lab("one", "two", "visitor") as lab, nothing_left_running(lab), Visitor(lab.visitor, fetch) as visitor:
        ours, theirs = HAProxy.start_on(lab.one), HAProxy.start_on(lab.two)
        one = run_example(ours, "--interval", "0.5")
        lab.until(lambda: visitor.gets("one"), "the first to start serves")
        two = run_keepalived(theirs)
        lab.until(lambda: "(haproxy) Entering BACKUP STATE" in two.log, "keepalived waits")

        killed = ours.break_for_good()
        lab.until(lambda: visitor.gets("two"), "keepalived's node serves", timeout=16)
        visitor.note_outage("moved to keepalived", killed)
        lab.until(lambda: lab.holders(ADDRESS) == {"two"}, "the first holds the address no more")

        ours.mend()
        lab.until(lambda: one.log.count("priority 52 = 50 +2 (haproxy up)") == 2, "the first has noticed")
        killed = theirs.break_for_good()
        lab.until(lambda: visitor.gets("one"), "the first serves again", timeout=16)
        visitor.note_outage("moved back from keepalived", killed)
        lab.until(lambda: lab.holders(ADDRESS) == {"one"}, "keepalived's node holds the address no more")
