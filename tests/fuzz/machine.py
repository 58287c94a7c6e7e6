"""What the kernel, its /proc, files and scripts of this machine say."""

from __future__ import annotations

import os
from ipaddress import ip_network
from typing import Final

from tests.fuzz.target import Input, Target, told_briefly
from vrrpkit.commands import Outcome
from vrrpkit.commands._program import _interpreter
from vrrpkit.errors import KernelError
from vrrpkit.ipvs import Endpoint
from vrrpkit.linux._ipvs_control import DAEMON, decode_daemon, decode_timeouts
from vrrpkit.linux._ipvs_counters import decode_connections, decode_counters
from vrrpkit.linux._ipvs_wire import SERVER, SERVICE, decode_key, decode_server, decode_service, fields
from vrrpkit.linux._link_table import LinkTable
from vrrpkit.linux._process_events import decode_change, decode_verdict
from vrrpkit.linux._process_table import parse_stat
from vrrpkit.linux._routes import decode_route
from vrrpkit.linux._rtnetlink import decode_address, decode_link, index_of, without_lifetimes
from vrrpkit.linux._wire import attribute, attributes, error_code, kernel_text, messages, nested, pack
from vrrpkit.tracking._levels import read_level

__all__ = ["TARGETS"]

_ROUTES: Final = (ip_network("0.0.0.0/0"), ip_network("192.0.2.0/24"), ip_network("2001:db8::/32"))
_WEB: Final = Endpoint("tcp", "192.0.2.10", 80)


def _netlink(octets: bytes) -> None:
    total = 0
    for message in messages(octets):
        total += 16 + len(message.payload)
        assert message.payload in octets
        error_code(message)
        assert len(kernel_text(message)) <= len(octets)
    assert total <= len(octets)
    assert [message.payload for message in messages(pack(16, 0, 1, octets))] == [octets]
    found = attributes(octets)
    assert sum(4 + len(content) for content in found.values()) <= len(octets)
    if len(octets) < 65000:
        assert attributes(attribute(7, octets)) == {7: octets}
        assert attributes(attributes(nested(3, attribute(5, octets)))[3]) == {5: octets}


def _rtnetlink(octets: bytes) -> None:
    index_of(octets)
    link, address = decode_link(octets), decode_address(octets)
    decode_address(without_lifetimes(octets))
    table = LinkTable()
    if link is not None:
        assert len(link.mac) == 6
        table.put_link(link)
        table.follow(link.index, [octets])
        table.view(link.name)
    if address is not None:
        table.follow(address.index, [])
        assert table.put_address(octets) == address
        assert table.put_address(octets) is None
        assert table.drop_address(octets) == address
    for destination in _ROUTES:
        route = decode_route(octets, destination)
        assert route is None or len(route.hops) <= len(octets) // 8 + 1


def _ipvs(octets: bytes) -> None:
    given = Input(octets)
    kind, payload = given.number() % 4, given.octets
    try:
        match kind:
            case 0:
                has = fields(payload, SERVICE)
                decode_counters(has)
                key = decode_key(has)
                if key is not None:
                    assert str(decode_service(key, has).key) == str(key)
            case 1:
                has = fields(payload, SERVER)
                decode_connections(has)
                str(decode_server(_WEB, has))
            case 2:
                decode_daemon(fields(payload, DAEMON))
            case _:
                decode_timeouts(payload)
    except KernelError as error:
        told_briefly(error, 200 + 3 * len(octets))  # the kernel's numbers are told in full


def _process_event(octets: bytes) -> None:
    for message in messages(octets):
        change = decode_change(message.payload)
        assert change is None or 0 <= change[0] < 1 << 32
        decode_verdict(message.payload, 4711)
    decode_change(octets)
    decode_verdict(octets, 4711)


def _stat(octets: bytes) -> None:
    name = parse_stat(octets)
    assert name is None or name in octets


def _level(octets: bytes) -> None:
    found = read_level(octets)
    assert found.level is not None or found.detail
    assert found.level is None or -(1 << 31) <= found.level.value < 1 << 31


def _first_line(octets: bytes) -> None:
    """What the first line of a script names is where the kernel looks for it."""
    start = octets[:256]
    found = _interpreter(start, "/nowhere")
    assert found is None or start.startswith(b"#!")
    assert found is None or os.fsencode(os.path.basename(found)) in start  # noqa: PTH119 - no path that a Path holds


def _output(octets: bytes) -> None:
    """What a script prints becomes one line of a log."""
    given = Input(octets)
    outcome = Outcome(exit_code=given.number(), output=given.octets)
    assert outcome.detail.isprintable()
    assert len(outcome.detail) <= 240


TARGETS: Final = (
    Target("netlink", _netlink),
    Target("rtnetlink", _rtnetlink),
    Target("ipvs", _ipvs, longest=1024),
    Target("process-event", _process_event, longest=512),
    Target("proc-stat", _stat, longest=1024),
    Target("file-level", _level, longest=256),
    Target("first-line", _first_line, longest=256),
    Target("script-output", _output),
)
