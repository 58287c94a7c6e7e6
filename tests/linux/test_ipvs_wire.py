"""What IPVS says and takes, octet by octet; no kernel is asked but for whether it has IPVS."""

from __future__ import annotations

import asyncio
import errno
import struct
from typing import Final, TypeVar

import pytest
from attrs import evolve, fields_dict
from hypothesis import given
from hypothesis import strategies as st

from tests.ipvs.strategies import daemons, keys, servers, services, timeouts
from vrrpkit.addresses import Family
from vrrpkit.errors import KernelError
from vrrpkit.ipvs import (
    AddServer,
    AddService,
    Checksum,
    Connections,
    Counters,
    Endpoint,
    FirewallMark,
    Forwarding,
    Operation,
    Rates,
    RealServer,
    RemoveServer,
    RemoveService,
    SchedulerFlags,
    ServiceKey,
    SetServer,
    SetService,
    SyncDaemon,
    SyncRole,
    Timeouts,
    Tunnel,
    TunnelKind,
    VirtualService,
)
from vrrpkit.linux import IPVSManager
from vrrpkit.linux._ipvs_control import DAEMON, decode_daemon, decode_timeouts, encode_daemon, encode_timeouts, runs_as
from vrrpkit.linux._ipvs_counters import decode_connections, decode_counters
from vrrpkit.linux._ipvs_found import member
from vrrpkit.linux._ipvs_socket import Command
from vrrpkit.linux._ipvs_table import encode_operation
from vrrpkit.linux._ipvs_wire import (
    SERVER,
    SERVICE,
    Fields,
    decode_key,
    decode_server,
    decode_service,
    encode_key,
    encode_server,
    encode_service,
    fields,
)
from vrrpkit.linux._wire import attributes

T = TypeVar("T")

HEADER: Final = bytes(4)
WEB: Final = Endpoint("tcp", "192.0.2.10", 80)
MARK6: Final = FirewallMark(7, Family.IPV6)

# A service and a server of it as kernel 6.1 dumps them.
FOUND_SERVICE: Final[Fields] = {
    1: struct.pack("=H", 2),
    2: struct.pack("=H", 6),
    3: bytes((192, 0, 2, 10, *bytes(12))),
    4: bytes((0, 80)),
    6: b"wlc\0",
    7: struct.pack("=II", 2, 0xFFFFFFFF),
    8: struct.pack("=I", 0),
    9: bytes((255, 255, 255, 255)),
}
FOUND_SERVER: Final[Fields] = {
    1: bytes((10, 1, 0, 1, *bytes(12))),
    2: bytes((0, 80)),
    3: struct.pack("=I", 0),
    4: struct.pack("=I", 1),
    5: struct.pack("=I", 0),
    6: struct.pack("=I", 0),
    11: struct.pack("=H", 2),
    13: b"\0",
    14: bytes(2),
    15: bytes(2),
}


def service(has: Fields) -> VirtualService | None:
    key = decode_key(has)
    return None if key is None else decode_service(key, has)


# Round trips ----------------------------------------------------------------------------------------------------------


@given(services())
def test_a_service_comes_back_as_it_went(virtual: VirtualService) -> None:
    bare = evolve(virtual, servers=())
    has = fields(HEADER + encode_service(virtual), SERVICE)
    assert service(has) == bare
    key = decode_key(has)
    assert key is not None
    assert decode_service(key, has, reversed(virtual.servers)) == virtual


@given(st.data(), keys())
def test_a_server_comes_back_as_it_went(data: st.DataObject, key: ServiceKey) -> None:
    server = data.draw(servers(key))
    back = decode_server(key, fields(HEADER + encode_server(server), SERVER))
    assert back == server
    assert (hash(back), str(back), type(back.forwarding)) == (hash(server), str(server), type(server.forwarding))


@given(keys())
def test_a_key_comes_back_as_it_went(key: ServiceKey) -> None:
    assert decode_key(fields(HEADER + encode_key(key), SERVICE)) == key


@given(daemons(), st.sampled_from(SyncRole))
def test_a_daemon_comes_back_as_it_went(daemon: SyncDaemon, role: SyncRole) -> None:
    back = decode_daemon(fields(HEADER + encode_daemon(role, daemon), DAEMON))
    assert back == (role, daemon)


@given(timeouts())
def test_timeouts_come_back_as_they_went(wanted: Timeouts) -> None:
    told = decode_timeouts(HEADER + encode_timeouts(wanted))
    assert (told.tcp or None, told.tcp_fin or None, told.udp or None) == (wanted.tcp, wanted.tcp_fin, wanted.udp)


def test_what_is_found_has_all_fields_that_are_configured() -> None:
    read: list[object] = [
        service(FOUND_SERVICE),
        decode_server(WEB, FOUND_SERVER),
        decode_server(WEB, {**FOUND_SERVER, 3: struct.pack("=I", 2)}).forwarding,
        decode_key(FOUND_SERVICE),
        decode_key({1: struct.pack("=H", 10), 5: struct.pack("=I", 7)}),
        decode_daemon({1: struct.pack("=I", 1), 2: b"eth0\0", 3: struct.pack("=I", 9)})[1],
        decode_timeouts(HEADER),
    ]
    kinds = [VirtualService, RealServer, Tunnel, Endpoint, FirewallMark, SyncDaemon, Timeouts]
    assert [type(value) for value in read] == kinds
    for value, kind in zip(read, kinds, strict=True):
        assert [name for name in fields_dict(kind) if not hasattr(value, name)] == []


# Octets ---------------------------------------------------------------------------------------------------------------


def packed(number: int) -> bytes:
    return struct.pack("=I", number)


def test_most_numbers_are_in_host_order_but_ports_and_masks_of_ipv4_are_not() -> None:
    wanted = VirtualService(
        Endpoint("sctp", "192.0.2.10", 0x1234),
        scheduler="mh",
        flags=SchedulerFlags.PORT,
        persistence=300,
        persistence_prefix=24,
        persistence_engine="sip",
    )
    assert fields(HEADER + encode_service(wanted), SERVICE) == {
        1: struct.pack("=H", 2),
        2: struct.pack("=H", 132),
        3: bytes((192, 0, 2, 10)),
        4: bytes((0x12, 0x34)),
        6: b"mh\0",
        7: struct.pack("=II", 0x11, 0xFFFFFFFF),
        8: packed(300),
        9: bytes((255, 255, 255, 0)),
        11: b"sip\0",
    }


def test_the_mask_of_ipv6_is_the_length_of_a_prefix() -> None:
    prefix = VirtualService(MARK6, scheduler="rr", persistence=9, persistence_prefix=64)
    assert fields(HEADER + encode_service(prefix), SERVICE) == {
        1: struct.pack("=H", 10),
        5: packed(7),
        6: b"rr\0",
        7: struct.pack("=II", 1, 0xFFFFFFFF),
        8: packed(9),
        9: packed(64),
    }
    assert fields(HEADER + encode_service(VirtualService(MARK6)), SERVICE)[9] == packed(128)
    assert fields(HEADER + encode_service(VirtualService(FirewallMark(7))), SERVICE)[9] == bytes((255, 255, 255, 255))


def test_the_port_of_a_tunnel_is_in_network_order_and_its_checksum_is_not() -> None:
    server = RealServer(
        "2001:db8::1",
        0x0102,
        weight=3,
        forwarding=Tunnel(TunnelKind.GUE, 6080, Checksum.REMOTE),
        upper_threshold=9,
        lower_threshold=5,
    )
    assert fields(HEADER + encode_server(server), SERVER) == {
        1: bytes.fromhex("20010db8000000000000000000000001"),
        2: bytes((1, 2)),
        3: packed(2),
        4: packed(3),
        5: packed(9),
        6: packed(5),
        11: struct.pack("=H", 10),
        13: b"\x01",
        14: bytes((0x17, 0xC0)),
        15: struct.pack("=H", 2),
    }


def test_the_port_of_a_daemon_is_in_host_order() -> None:
    daemon = SyncDaemon("eth0", sync_id=51, port=0x2290, ttl=3, group="ff02::81", max_length=1400)
    assert fields(HEADER + encode_daemon(SyncRole.BACKUP, daemon), DAEMON) == {
        1: packed(2),
        2: b"eth0\0",
        3: packed(51),
        4: struct.pack("=H", 1400),
        6: bytes.fromhex("ff020000000000000000000000000081"),
        7: struct.pack("=H", 0x2290),
        8: b"\x03",
    }
    assert fields(HEADER + encode_daemon(SyncRole.ACTIVE, SyncDaemon("eth0")), DAEMON) == {
        1: packed(1),
        2: b"eth0\0",
        3: packed(0),
        5: bytes((224, 0, 0, 81)),
        7: struct.pack("=H", 8848),
        8: b"\x01",
    }


def test_a_timeout_that_stays_is_zero() -> None:
    assert attributes(encode_timeouts(Timeouts(tcp_fin=60))) == {4: packed(0), 5: packed(60), 6: packed(0)}


@pytest.mark.parametrize(
    ("operation", "command", "parts"),
    [
        (AddService(VirtualService(WEB)), Command.NEW_SERVICE, {SERVICE}),
        (SetService(VirtualService(WEB)), Command.SET_SERVICE, {SERVICE}),
        (RemoveService(WEB), Command.DEL_SERVICE, {SERVICE}),
        (AddServer(WEB, RealServer("10.1.0.1", 80)), Command.NEW_DEST, {SERVICE, SERVER}),
        (SetServer(WEB, RealServer("10.1.0.1", 80)), Command.SET_DEST, {SERVICE, SERVER}),
        (RemoveServer(WEB, RealServer("10.1.0.1", 80)), Command.DEL_DEST, {SERVICE, SERVER}),
    ],
)
def test_an_operation_has_its_command(operation: Operation, command: Command, parts: set[int]) -> None:
    given_command, payload = encode_operation(operation)
    assert (given_command, set(attributes(payload))) == (command, parts)
    assert len(payload) % 4 == 0
    if command is Command.DEL_DEST:
        assert set(fields(HEADER + payload, SERVER)) == {1, 2, 11}


# What others have left in the kernel ----------------------------------------------------------------------------------


def test_the_kernels_own_flag_is_not_shown() -> None:
    assert service(FOUND_SERVICE) == VirtualService(WEB)


def test_a_service_that_we_would_refuse_is_read() -> None:
    odd = service(
        {
            **FOUND_SERVICE,
            4: bytes(2),
            6: b"best_of_all_0.1\0",
            7: struct.pack("=II", 0x3E, 0xFFFFFFFF),
            9: bytes((255, 0, 255, 0)),
            11: b"\xff!\0",
        }
    )
    assert odd is not None
    assert str(odd.key) == "tcp 192.0.2.10:0"
    assert odd.scheduler == "best_of_all_0.1"
    assert odd.flags == SchedulerFlags(0x38)
    assert (odd.persistence, odd.one_packet) == (None, True)
    assert odd.persistence_engine == "\N{REPLACEMENT CHARACTER}!"
    assert odd.persistence_prefix == -0xFF00FF00
    has = fields(HEADER + encode_service(odd), SERVICE)
    assert (has[6], has[9]) == (b"best_of_all_0.1\0", bytes((255, 0, 255, 0)))


def test_a_server_that_we_would_refuse_is_read() -> None:
    odd = decode_server(
        WEB, {**FOUND_SERVER, 2: bytes((0, 81)), 3: packed(3), 4: packed(0xFFFFFFFF), 5: packed(1), 6: packed(2)}
    )
    assert (odd.port, odd.forwarding, odd.weight) == (81, Forwarding.DIRECT, 0xFFFFFFFF)
    assert (odd.upper_threshold, odd.lower_threshold) == (1, 2)
    assert decode_server(WEB, {**FOUND_SERVER, 3: packed(1)}).forwarding is Forwarding.LOCAL


def test_what_only_a_newer_kernel_knows_is_read_and_told_by_its_number() -> None:
    method = decode_server(WEB, {**FOUND_SERVER, 3: packed(0x105)})
    assert str(AddServer(WEB, method)) == "add 10.1.0.1:80 with weight 1 by 5 to tcp 192.0.2.10:80"
    tunnel = decode_server(WEB, {**FOUND_SERVER, 3: packed(2), 13: b"\x09", 14: bytes((0, 7)), 15: b"\x03\0"})
    assert str(AddServer(WEB, tunnel)).endswith(" by 9 to port 7 with checksum 3 to tcp 192.0.2.10:80")
    assert fields(HEADER + encode_server(tunnel), SERVER)[13] == b"\x09"
    assert tunnel != decode_server(WEB, {**FOUND_SERVER, 3: packed(2)})


def test_members_are_those_that_there_are() -> None:
    assert member(TunnelKind, 1) is TunnelKind.GUE
    assert member(TunnelKind, 9) not in set(TunnelKind)


def test_before_kernel_3_18_a_server_is_of_the_family_of_its_service() -> None:
    old = {kind: octets for kind, octets in FOUND_SERVER.items() if kind < 11}
    assert decode_server(WEB, old) == RealServer("10.1.0.1", 80)
    assert decode_server(MARK6, {**old, 1: bytes(15) + b"\x01"}) == RealServer("::1", 80)


def test_a_tunnel_of_a_kernel_that_knows_one_kind_alone_is_of_that() -> None:
    old = {kind: octets for kind, octets in FOUND_SERVER.items() if kind < 12}
    assert decode_server(WEB, {**old, 3: packed(2)}).forwarding == Tunnel()


def test_before_kernel_4_3_a_daemon_has_no_choice() -> None:
    has = {1: packed(2), 2: b"eth0\0", 3: packed(9)}
    assert decode_daemon(has) == (SyncRole.BACKUP, SyncDaemon("eth0", sync_id=9))


def test_services_of_other_protocols_and_families_are_nobodys_business() -> None:
    assert service({**FOUND_SERVICE, 2: struct.pack("=H", 50)}) is None
    assert service({**FOUND_SERVICE, 1: struct.pack("=H", 7)}) is None


# Nonsense -------------------------------------------------------------------------------------------------------------

ANYTHING: Final = st.dictionaries(st.integers(0, 17), st.binary(max_size=20))


@given(ANYTHING)
def test_no_octets_break_the_reader_of_services(has: Fields) -> None:
    try:
        read = service(has)
    except KernelError as error:
        assert error.errno == errno.EBADMSG  # noqa: PT017 - most of them are no errors
    else:
        assert read is None or str(AddService(read))


@given(ANYTHING, st.sampled_from((WEB, MARK6)))
def test_no_octets_break_the_reader_of_servers(has: Fields, key: ServiceKey) -> None:
    try:
        read = decode_server(key, has)
    except KernelError as error:
        assert error.errno == errno.EBADMSG  # noqa: PT017 - most of them are no errors
    else:
        assert str(AddServer(key, read))


@given(ANYTHING, st.binary(max_size=200))
def test_no_octets_break_the_other_readers(has: Fields, octets: bytes) -> None:
    assert decode_connections(has).counters == decode_counters(has)
    assert isinstance(decode_timeouts(octets), Timeouts)
    for about in (SERVICE, SERVER, DAEMON):
        assert isinstance(fields(octets, about), dict)
    try:
        decode_daemon(has)
    except KernelError as error:
        assert error.errno == errno.EBADMSG  # noqa: PT017 - most of them are no errors


def test_octets_that_make_no_sense_are_told() -> None:
    with pytest.raises(KernelError) as caught:
        decode_server(WEB, {**FOUND_SERVER, 1: b"\x0a"})
    assert caught.value.errno == errno.EBADMSG
    assert str(caught.value).startswith(
        "read a server of tcp 192.0.2.10:80 of IPVS: the kernel's answer makes no sense (AddressValueError("
    )
    with pytest.raises(KernelError, match=r"^read a service of IPVS: the kernel's answer makes no sense \(KeyError\("):
        decode_key({})
    with pytest.raises(KernelError, match=r"^read tcp 192.0.2.10:80 of IPVS: "):
        decode_service(WEB, {})


# Counters -------------------------------------------------------------------------------------------------------------


def test_counters_of_64_bits_come_before_those_of_32() -> None:
    def stats(layout: str, first: int) -> bytes:
        size = 4 + struct.calcsize(layout)
        return b"".join(struct.pack("=HH", size, kind) + struct.pack(layout, first + kind) for kind in range(1, 11))

    small, large = stats("=I", 0), stats("=Q", 1 << 40)
    base = 1 << 40
    assert decode_counters({10: small}) == Counters(
        connections=1,
        incoming_packets=2,
        outgoing_packets=3,
        incoming_octets=4,
        outgoing_octets=5,
        rates=Rates(connections=6, incoming_packets=7, outgoing_packets=8, incoming_octets=9, outgoing_octets=10),
    )
    both = decode_connections({7: packed(11), 8: packed(12), 9: packed(13), 10: small, 12: large})
    assert (both.active, both.inactive, both.persistent) == (11, 12, 13)
    assert (both.counters.connections, both.counters.rates.outgoing_octets) == (base + 1, base + 10)
    assert decode_connections({}) == Connections()


# Daemons --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("role", "wanted", "length", "same"),
    [
        (SyncRole.ACTIVE, None, 1472, True),
        (SyncRole.ACTIVE, 1400, 1400, True),
        (SyncRole.ACTIVE, 1400, 1472, False),
        (SyncRole.ACTIVE, 500, 500, True),
        (SyncRole.BACKUP, 500, 1024, True),
        (SyncRole.BACKUP, 500, 500, False),
    ],
)
def test_a_daemon_may_run_with_another_length(role: SyncRole, wanted: int | None, length: int, *, same: bool) -> None:
    daemon = SyncDaemon("eth0", max_length=wanted)
    assert runs_as(role, daemon, evolve(daemon, max_length=length)) is same


def test_the_headers_of_ipv6_leave_less_room() -> None:
    daemon = SyncDaemon("eth0", group="ff02::81", max_length=65507)
    assert runs_as(SyncRole.ACTIVE, daemon, evolve(daemon, max_length=65487))


@pytest.mark.parametrize(
    "other",
    [
        SyncDaemon("eth1", sync_id=5),
        SyncDaemon("eth0"),
        SyncDaemon("eth0", sync_id=5, port=8849),
        SyncDaemon("eth0", sync_id=5, ttl=2),
        SyncDaemon("eth0", sync_id=5, group="224.0.0.82"),
    ],
)
def test_a_daemon_that_differs_is_another(other: SyncDaemon) -> None:
    assert not runs_as(SyncRole.ACTIVE, SyncDaemon("eth0", sync_id=5), other)


# A kernel without IPVS ------------------------------------------------------------------------------------------------


def test_a_kernel_without_ipvs_is_one_clear_error() -> None:
    async def scenario() -> None:
        async with IPVSManager():
            pytest.skip("this kernel has IPVS")

    with pytest.raises(KernelError) as caught:
        asyncio.run(scenario())
    if caught.value.errno == errno.EPERM:
        pytest.skip("this kernel has IPVS, and we are not root")
    assert str(caught.value) == "open IPVS: the kernel has none, or not yet: modprobe ip_vs (errno 2)"


def test_a_manager_that_is_not_open_says_how_to_open_it() -> None:
    manager = IPVSManager()
    with pytest.raises(RuntimeError, match=r"^this IPVSManager is not open: async with IPVSManager\(\) as manager$"):
        asyncio.run(manager.current())


def test_nobody_is_asked_of_services_that_are_not_ours() -> None:
    manager = IPVSManager(owns=lambda key: key == MARK6)
    with pytest.raises(ValueError, match=r"^service must be one that this IPVSManager owns, got tcp 192.0.2.10:80$"):
        asyncio.run(manager.reconcile([VirtualService(MARK6), VirtualService(WEB)]))
