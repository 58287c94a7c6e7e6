"""What a kernel refuses, and how that is told; the model of the kernel that does it."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Sequence
from typing import Final

import pytest
from attrs import evolve

from vrrpkit.errors import KernelError
from vrrpkit.ipvs import (
    AddServer,
    AddService,
    ApplyError,
    Connections,
    Endpoint,
    Operation,
    RealServer,
    Refused,
    RemoveServer,
    RemoveService,
    SetServer,
    SetService,
    Tunnel,
    VirtualService,
    table,
)
from vrrpkit.ipvs._failure import explain
from vrrpkit.testing import FakeServices

KEY: Final = Endpoint("tcp", "192.0.2.10", 80)
GONE: Final = Endpoint("tcp", "192.0.2.99", 80)
A: Final = RealServer("10.1.0.1", 80)
B: Final = RealServer("10.1.0.2", 80)
SIX: Final = RealServer("2001:db8::1", 80)
WEB: Final = VirtualService(KEY, servers=[A])


def kernel() -> FakeServices:
    return FakeServices(table([WEB]))


def applied(services: FakeServices, *operations: Operation) -> None:
    asyncio.run(services.apply(operations))


def refused(services: FakeServices, operations: Sequence[Operation]) -> ApplyError:
    with pytest.raises(ApplyError) as caught:
        asyncio.run(services.apply(operations))
    return caught.value


@pytest.mark.parametrize(
    ("operation", "code"),
    [
        (AddService(WEB), errno.EEXIST),
        (SetService(VirtualService(GONE)), errno.ESRCH),
        (RemoveService(GONE), errno.ESRCH),
        (AddServer(GONE, A), errno.ESRCH),
        (SetServer(GONE, A), errno.ESRCH),
        (RemoveServer(GONE, A), errno.ESRCH),
        (AddServer(KEY, A), errno.EEXIST),
        (SetServer(KEY, B), errno.ENOENT),
        (RemoveServer(KEY, B), errno.ENOENT),
        (AddServer(KEY, SIX), errno.EINVAL),
        (SetServer(KEY, SIX), errno.EINVAL),
        (RemoveServer(KEY, SIX), errno.ENOENT),
    ],
)
def test_the_model_has_the_rules_of_the_kernel(operation: Operation, code: int) -> None:
    services = kernel()
    assert services.carry_out(operation) == code
    assert services.table == table([WEB])
    assert services.log == [operation]


def test_what_is_there_is_set_and_what_is_gone_is_fine() -> None:
    services = kernel()
    heavier = evolve(A, weight=9)
    bare = VirtualService(KEY, scheduler="rr")
    applied(
        services,
        AddService(bare),
        AddServer(KEY, heavier),
        RemoveServer(KEY, B),
        RemoveServer(GONE, A),
        RemoveService(GONE),
    )
    assert services.table == table([evolve(bare, servers=[heavier])])
    assert services.log == [
        AddService(bare),
        SetService(bare),
        AddServer(KEY, heavier),
        SetServer(KEY, heavier),
        RemoveServer(KEY, B),
        RemoveServer(GONE, A),
        RemoveService(GONE),
    ]


def test_the_first_refusal_is_told_and_all_are_kept() -> None:
    services = FakeServices(refuse=lambda operation: errno.ENOENT if isinstance(operation, AddService) else None)
    other = VirtualService(GONE, scheduler="twos")
    error = refused(services, [RemoveService(KEY), AddService(other), AddServer(GONE, A)])
    lacking = "the kernel has no scheduler twos (modprobe ip_vs_twos)"
    assert error.refused == (
        Refused(AddService(other), errno.ENOENT, lacking),
        Refused(AddServer(GONE, A), errno.ESRCH, "there is no such service"),
    )
    assert error.done == (RemoveService(KEY),)
    assert str(error) == f"add tcp 192.0.2.99:80 by twos: {lacking} (errno 2); 2 of 3 operations refused"
    assert isinstance(error, KernelError)
    assert (error.operation, error.errno, error.strerror) == ("add tcp 192.0.2.99:80 by twos", errno.ENOENT, lacking)


def test_an_error_without_a_meaning_of_its_own_is_told_in_the_usual_words() -> None:
    services = kernel()
    services.refuse = lambda _operation: errno.ENOMEM
    assert str(refused(services, [AddServer(KEY, B)])) == (
        "add 10.1.0.2:80 with weight 1 by NAT to tcp 192.0.2.10:80: Cannot allocate memory (errno 12);"
        " 1 of 1 operations refused"
    )


def test_only_what_was_to_be_added_is_set_instead() -> None:
    services = kernel()
    services.refuse = lambda _operation: errno.EEXIST
    assert refused(services, [SetService(WEB), RemoveService(KEY)]).done == ()
    assert services.log == [SetService(WEB), RemoveService(KEY)]


@pytest.mark.parametrize(
    ("operation", "code", "text"),
    [
        (SetServer(KEY, B), errno.ENOENT, "the service has no such server"),
        (AddServer(KEY, SIX), errno.EINVAL, "a server of the other family needs a tunnel, and no sync daemon to run"),
        (AddServer(KEY, A), errno.EINVAL, "the kernel wants the address of one machine"),
        (AddServer(KEY, A), errno.ENOMEM, ""),
        (RemoveService(KEY), errno.EBUSY, ""),
        (
            AddService(VirtualService(KEY, scheduler="rr", persistence=9, persistence_engine="sip")),
            errno.ENOENT,
            "the kernel has no scheduler rr (modprobe ip_vs_rr), or no persistence engine sip (modprobe ip_vs_pe_sip)",
        ),
    ],
)
def test_an_error_means_something_for_an_operation(operation: Operation, code: int, text: str) -> None:
    assert explain(operation, code) == text


def test_only_what_is_asked_for_is_read() -> None:
    services = FakeServices(table([WEB, VirtualService(GONE)]))
    assert asyncio.run(services.read([KEY])) == {KEY: WEB}
    assert asyncio.run(services.read([Endpoint("udp", "192.0.2.10", 80)])) == {}


def test_connections_are_those_that_the_test_has_set() -> None:
    services = FakeServices(table([evolve(WEB, servers=[A, B])]))
    services.counts[KEY, B.place] = Connections(active=3)
    assert asyncio.run(services.connections(KEY)) == {A.place: Connections(), B.place: Connections(active=3)}
    assert asyncio.run(services.connections(GONE)) == {}


def test_a_tunnel_leads_to_the_other_family() -> None:
    services = kernel()
    tunnelled = evolve(SIX, forwarding=Tunnel())
    assert services.carry_out(AddServer(KEY, tunnelled)) == 0
    assert services.table == table([evolve(WEB, servers=[A, tunnelled])])
