"""Netlink: octets that cannot be trusted, requests and their refusals, dumps that change, news that is lost."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ipaddress import IPv4Address, IPv6Address
from itertools import cycle
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.linux.support import LOOPS, Namespace, eventually, namespace, run, without_capabilities
from vrrpkit.errors import KernelError
from vrrpkit.linux._dumps import read_addresses
from vrrpkit.linux._monitor import Monitor
from vrrpkit.linux._netlink import Change, Refusal, Requests
from vrrpkit.linux._netns import in_netns
from vrrpkit.linux._rtnetlink import (
    NO_MAC,
    RTM_DELADDR,
    RTM_GETADDR,
    RTM_GETLINK,
    RTM_NEWADDR,
    RTNL_GROUPS,
    AddressFact,
    LinkFact,
    address_query,
    decode_address,
    decode_link,
    encode_address,
    index_of,
    link_query,
)
from vrrpkit.linux._wire import (
    NLM_F_CREATE,
    NLM_F_EXCL,
    NLMSG_ERROR,
    Message,
    attribute,
    attributes,
    error_code,
    kernel_text,
    messages,
    nested,
    pack,
)

kernel = pytest.mark.kernel
ADD = NLM_F_CREATE | NLM_F_EXCL


def eth0(requests: Requests) -> int:
    """The index of `eth0` where these requests go."""
    link = decode_link(requests.request("find eth0", RTM_GETLINK, 0, link_query("eth0")) or b"")
    assert link is not None
    return link.index


def additions(index: int, count: int, network: str = "10.1.0.0") -> list[Change]:
    """Add the first addresses of a network."""
    first = IPv4Address(network)
    return [Change(RTM_NEWADDR, ADD, encode_address(index, first + n, 32)) for n in range(count)]


def removals(index: int, count: int, network: str = "10.1.0.0") -> list[Change]:
    """Remove them again."""
    first = IPv4Address(network)
    return [Change(RTM_DELADDR, 0, encode_address(index, first + n, 32)) for n in range(count)]


# Octets ---------------------------------------------------------------------------------------------------------------


@given(st.binary())
def test_no_octets_upset_the_codec(octets: bytes) -> None:
    for message in messages(octets):
        assert len(message.payload) <= len(octets) - 16
        assert isinstance(kernel_text(message), str)
        assert isinstance(error_code(message), int)
    assert sum(len(content) + 4 for content in attributes(octets).values()) <= len(octets)
    decode_link(octets)
    decode_address(octets)
    assert index_of(octets) >= 0


@given(
    st.lists(st.tuples(st.integers(0, 0xFFFF), st.integers(0, 0xFFFF), st.binary(max_size=8))), st.binary(max_size=15)
)
def test_whole_messages_come_out_as_they_went_in(sent: list[tuple[int, int, bytes]], rest: bytes) -> None:
    padded = [(kind, flags, content + bytes(-len(content) % 4)) for kind, flags, content in sent]
    octets = b"".join(pack(kind, flags, 7, payload) for kind, flags, payload in padded)
    expected = [Message(kind, flags, 7, 0, payload) for kind, flags, payload in padded]
    assert list(messages(octets + rest)) == expected


@pytest.mark.parametrize("length", [0, 15, 37, 0xFFFFFFFF])
def test_a_message_of_an_impossible_length_ends_the_reading(length: int) -> None:
    good = pack(1, 0, 1, b"")
    bad = length.to_bytes(4, "little") + bytes(16)
    assert [message.kind for message in messages(good + bad + good)] == [1]


@pytest.mark.parametrize("length", [0, 3, 9])
def test_an_attribute_of_an_impossible_length_ends_the_reading(length: int) -> None:
    bad = length.to_bytes(2, "little") + b"\2\0" + bytes(4)
    assert attributes(attribute(1, b"good") + bad) == {1: b"good"}


def test_a_nested_attribute_is_found_by_its_plain_number() -> None:
    assert attributes(attributes(nested(18, attribute(1, b"veth\0")))[18]) == {1: b"veth\0"}


@given(
    st.integers(1, 0x7FFFFFFF),
    st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)),
    st.data(),
)
def test_an_encoded_address_decodes_to_itself(
    index: int, address: IPv4Address | IPv6Address, data: st.DataObject
) -> None:
    length = data.draw(st.integers(0, address.max_prefixlen))
    octets = encode_address(index, address, length, dad=False, prefix_route=False, protocol=112, scope=253)
    assert decode_address(octets) == AddressFact(index, address, length, 0x202, 253, 112)


def test_what_a_bridge_says_of_its_port_describes_no_link() -> None:
    octets = link_query("eth0")
    assert decode_link(octets) == LinkFact(0, "eth0", False, NO_MAC, "", 0)
    assert decode_link(bytes((7,)) + octets[1:]) is None  # AF_BRIDGE
    assert decode_link(octets + attribute(11, b"")) is None  # IFLA_WIRELESS


def test_the_explanation_is_found_behind_a_repeated_request() -> None:
    refused = pack(20, 5, 9, b"12345678")
    text = attribute(1, b"ipv4: Device not found\0")
    code = (-errno.ENODEV).to_bytes(4, "little", signed=True)
    whole = Message(NLMSG_ERROR, 0x200, 9, 0, code + refused + text)
    capped = Message(NLMSG_ERROR, 0x300, 9, 0, code + refused[:16] + text)
    assert kernel_text(whole) == kernel_text(capped) == "ipv4: Device not found"
    assert error_code(whole) == errno.ENODEV
    assert kernel_text(Message(NLMSG_ERROR, 0, 9, 0, code + refused)) == ""


# Requests -------------------------------------------------------------------------------------------------------------


@kernel
def test_a_refusal_says_what_was_asked_and_why_not() -> None:
    nowhere = encode_address(99, IPv4Address("10.0.0.1"), 32)
    with namespace() as ns, Requests(netns=ns.name) as requests, pytest.raises(KernelError) as caught:
        requests.request("add 10.0.0.1/32 to eth9", RTM_NEWADDR, ADD, nowhere)
    assert caught.value.errno == errno.ENODEV
    assert str(caught.value) == "add 10.0.0.1/32 to eth9: ipv4: Device not found (errno 19)"


@kernel
def test_a_lack_of_rights_names_the_capability() -> None:
    with namespace() as ns:

        def attempt() -> None:
            with Requests(netns=None) as requests:
                requests.request("add an address", RTM_NEWADDR, ADD, encode_address(1, IPv4Address("10.0.0.1"), 32))

        with pytest.raises(PermissionError) as caught:
            in_netns(ns.name, lambda: without_capabilities(attempt))
    assert isinstance(caught.value, KernelError)
    assert str(caught.value) == "add an address: this needs CAP_NET_ADMIN (errno 1)"


@kernel
def test_a_batch_tells_which_messages_were_refused() -> None:
    with namespace() as ns, Requests(netns=ns.name) as requests:
        index = eth0(requests)
        changes = additions(index, 3)
        changes.insert(1, Change(RTM_NEWADDR, ADD, encode_address(99, IPv4Address("10.0.0.1"), 32)))
        assert requests.batch("add", changes) == [Refusal(1, errno.ENODEV, "ipv4: Device not found")]
        again = requests.batch("add", changes[2:])
        assert [(refusal.position, refusal.errno) for refusal in again] == [(0, errno.EEXIST), (1, errno.EEXIST)]
        assert requests.batch("add", []) == []


@kernel
def test_a_batch_of_thousands_is_answered_even_if_all_is_refused() -> None:
    with namespace() as ns, Requests(netns=ns.name) as requests:
        index = eth0(requests)
        assert requests.batch("add", additions(index, 2000)) == []
        assert len(ns.shown()) == 2000
        refused = requests.batch("add", additions(index, 2000))
        assert [refusal.position for refusal in refused] == list(range(2000))
        assert requests.batch("remove", removals(index, 2000)) == []
        assert ns.shown() == set()


@kernel
def test_a_dump_gives_the_addresses_of_one_link() -> None:
    with namespace() as ns, Requests(netns=ns.name) as requests:
        ns.ip("addr add 192.0.2.1/24 dev eth0", "addr add 192.0.2.2/24 dev peer0")
        facts = [decode_address(entry) for entry in requests.dump("read", RTM_GETADDR, address_query(eth0(requests)))]
        assert [fact.address for fact in facts if fact and fact.address.version == 4] == [IPv4Address("192.0.2.1")]
        assert len(requests.dump("read", RTM_GETADDR, address_query())) > len(facts)


@kernel
def test_a_dump_of_an_unknown_link_is_refused() -> None:
    with namespace() as ns, Requests(netns=ns.name) as requests, pytest.raises(KernelError) as caught:
        requests.dump("read", RTM_GETADDR, address_query(99))
    assert caught.value.errno == errno.ENODEV


class Disturbed(Requests):
    """Somebody changes the kernel's addresses behind each of the first pieces that are read."""

    def __init__(self, netns: str, index: int, times: int) -> None:
        super().__init__(netns=netns)
        self._somebody = Requests(netns=netns)
        # Removed first, so that all others move up in the kernel's list.
        self._changes = cycle([removals(index, 1, "10.9.0.0"), additions(index, 1, "10.9.0.0")])
        self._times = times

    def _receive(self, operation: str, size: int) -> Iterator[Message]:
        piece = tuple(super()._receive(operation, size))
        if self._times:
            self._times -= 1
            assert self._somebody.batch("change", next(self._changes)) == []
        return iter(piece)

    def close(self) -> None:
        self._somebody.close()
        super().close()


READ_ALL: list[Callable[[Requests, int], list[bytes]]] = [
    lambda requests, _index: requests.dump("read", RTM_GETADDR, address_query()),
    read_addresses,
]


@contextmanager
def crowd() -> Iterator[tuple[Namespace, int, set[str]]]:
    """A namespace with 1,500 addresses that stay, after one that does not."""
    with namespace() as ns, Requests(netns=ns.name) as requests:
        index = eth0(requests)
        requests.batch("add", additions(index, 1, "10.9.0.0"))
        requests.batch("add", additions(index, 1500))
        yield ns, index, {f"10.1.{n >> 8}.{n & 255}" for n in range(1500)}


@kernel
@pytest.mark.parametrize("read", READ_ALL)
def test_a_table_that_changes_while_it_is_read_is_read_again(read: Callable[[Requests, int], list[bytes]]) -> None:
    with crowd() as (ns, index, stable), Disturbed(ns.name, index, times=12) as requests:
        facts = [decode_address(entry) for entry in read(requests, index)]
    addresses = {str(fact.address) for fact in facts if fact is not None and fact.address.version == 4}
    assert addresses - {"127.0.0.1"} == stable | {"10.9.0.0"}


@kernel
@pytest.mark.parametrize("read", READ_ALL)
def test_a_table_that_never_stands_still_is_given_up(read: Callable[[Requests, int], list[bytes]]) -> None:
    with crowd() as (ns, index, _stable), Disturbed(ns.name, index, times=1_000_000) as requests:
        with pytest.raises(KernelError) as caught:
            read(requests, index)
        assert caught.value.errno == errno.EAGAIN
        assert str(caught.value).endswith(": the table changed during each of 10 readings (errno 11)")


# Namespaces -----------------------------------------------------------------------------------------------------------


def inode() -> int:
    """The calling thread's network namespace."""
    return Path("/proc/thread-self/ns/net").stat().st_ino


@kernel
def test_a_namespace_is_entered_by_name_or_path_and_left_alone_by_the_caller() -> None:
    here = inode()
    with namespace() as ns:
        path = f"/run/netns/{ns.name}"
        assert in_netns(ns.name, inode) == in_netns(path, inode) == Path(path).stat().st_ino
        assert in_netns(None, inode) == inode() == here


@kernel
def test_what_goes_wrong_inside_comes_out() -> None:
    with namespace() as ns, pytest.raises(ZeroDivisionError):
        in_netns(ns.name, lambda: 1 // 0)


@pytest.mark.parametrize(
    ("netns", "text"),
    [
        ("nowhere", "enter network namespace nowhere: there is no /run/netns/nowhere (errno 2)"),
        ("/proc/nowhere", "enter network namespace /proc/nowhere: there is no /proc/nowhere (errno 2)"),
    ],
)
def test_a_missing_namespace_is_named(netns: str, text: str) -> None:
    with pytest.raises(KernelError) as caught:
        Requests(netns=netns)
    assert str(caught.value) == text


@kernel
@pytest.mark.parametrize("path", ["/proc/self/ns/uts", "/dev/null"])
def test_a_file_that_is_no_network_namespace_is_named(path: str) -> None:
    with namespace(), pytest.raises(KernelError) as caught:
        in_netns(path, inode)
    assert str(caught.value) == f"enter network namespace {path}: this is not a network namespace (errno 22)"


@kernel
def test_entering_without_rights_names_the_capability() -> None:
    with namespace() as ns, pytest.raises(KernelError) as caught:
        without_capabilities(lambda: in_netns(ns.name, inode))
    assert str(caught.value) == f"enter network namespace {ns.name}: this needs CAP_SYS_ADMIN (errno 1)"


# News -----------------------------------------------------------------------------------------------------------------


def about_addresses(news: list[Message]) -> list[tuple[int, str]]:
    """Which addresses came (20) and went (21)."""
    told = [(message.kind, decode_address(message.payload)) for message in news]
    return [(kind, str(fact.address)) for kind, fact in told if fact is not None and fact.address.version == 4]


@kernel
@pytest.mark.parametrize("loop", LOOPS)
def test_news_comes_in_order_and_says_who_caused_it(loop: str) -> None:
    async def scenario() -> None:
        news: list[Message] = []
        monitor = Monitor(RTNL_GROUPS, news.extend, fail, netns=ns.name)
        with Requests(netns=ns.name) as requests:
            requests.batch("change", [*additions(eth0(requests), 2), *removals(eth0(requests), 1)])
            told = [(20, "10.1.0.0"), (20, "10.1.0.1"), (21, "10.1.0.0")]
            await eventually(lambda: about_addresses(news) == told, "three changes are told")
            assert ports_of(news) == [requests.port] * 3
            ns.ip("addr add 10.1.0.9/32 dev eth0")
            await eventually(lambda: len(ports_of(news)) == 4, "a fourth change is told")
            assert ports_of(news)[-1] != requests.port
        monitor.close()
        monitor.close()

    with namespace() as ns:
        run(scenario(), loop)


def ports_of(news: list[Message]) -> list[int]:
    """Who caused each change of an address; a link that comes up late is the kernel's own news."""
    return [message.port for message in news if message.kind in {RTM_NEWADDR, RTM_DELADDR}]


def fail() -> None:
    raise AssertionError("no news was lost")


@kernel
@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("receive_buffer", [4096, 65536])  # a few messages; more than are read in one go
def test_after_an_overrun_nothing_older_is_told(receive_buffer: int, loop: str) -> None:
    async def scenario() -> None:
        told: list[str] = []

        def on_news(news: list[Message]) -> None:
            told.extend(address for _kind, address in about_addresses(news))

        def on_overrun() -> None:
            told.append("overrun")

        monitor = Monitor(RTNL_GROUPS, on_news, on_overrun, netns=ns.name, receive_buffer=receive_buffer)
        with Requests(netns=ns.name) as requests:
            index = eth0(requests)
            requests.batch("add", additions(index, 1000))
            await eventually(lambda: told, "the overrun is told")
            assert told == ["overrun"]
            requests.batch("add", additions(index, 1, "10.2.0.0"))
            await eventually(lambda: len(told) > 1, "news is told again")
            assert told == ["overrun", "10.2.0.0"]
        monitor.close()

    with namespace() as ns:
        run(scenario(), loop)


@kernel
def test_a_flood_of_news_leaves_the_loop_to_others() -> None:
    async def scenario() -> None:
        told = 0
        most = 0

        def on_news(news: list[Message]) -> None:
            nonlocal told, most
            told += len(news)
            most = max(most, len(news))

        monitor = Monitor(RTNL_GROUPS, on_news, fail, netns=ns.name)
        with Requests(netns=ns.name) as requests:
            requests.batch("add", additions(eth0(requests), 1000))
        await eventually(lambda: told == 1000, "everything is told")
        assert most <= 32
        monitor.close()

    with namespace() as ns:
        run(scenario())


@kernel
def test_a_socket_of_another_protocol_can_be_asked_as_well() -> None:
    with namespace() as ns, Requests(16, ns.name) as requests:
        # NETLINK_GENERIC, CTRL_CMD_GETFAMILY of "nlctrl", the one family that is always there.
        answer = requests.request("find nlctrl", 16, 0, bytes((3, 1, 0, 0)) + attribute(2, b"nlctrl\0"))
        assert answer is not None
        assert attributes(answer, 4)[2] == b"nlctrl\0"
