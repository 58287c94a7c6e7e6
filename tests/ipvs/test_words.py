"""Operations in words: ours, and those of ipvsadm."""

from __future__ import annotations

from typing import Final

import pytest

from vrrpkit.addresses import Family
from vrrpkit.ipvs import (
    AddServer,
    AddService,
    Checksum,
    Endpoint,
    FirewallMark,
    Forwarding,
    Operation,
    RealServer,
    RemoveServer,
    RemoveService,
    SchedulerFlags,
    SetServer,
    SetService,
    Tunnel,
    TunnelKind,
    VirtualService,
    Way,
    as_ipvsadm,
)
from vrrpkit.linux._ipvs_found import found

WEB: Final = Endpoint("tcp", "192.0.2.10", 80)
DNS6: Final = Endpoint("udp", "2001:db8::10", 53)
SIP: Final = Endpoint("sctp", "192.0.2.10", 5060)
MARK: Final = FirewallMark(7)
MARK6: Final = FirewallMark(7, Family.IPV6)
ALL_FLAGS: Final = SchedulerFlags.FLAG_1 | SchedulerFlags.FLAG_2 | SchedulerFlags.FLAG_3


def server(way: Way = Forwarding.NAT, weight: int = 1, **thresholds: int) -> RealServer:
    return RealServer("10.1.0.1", 80, weight=weight, forwarding=way, **thresholds)


@pytest.mark.parametrize(
    ("operation", "words", "line"),
    [
        (AddService(VirtualService(WEB)), "add tcp 192.0.2.10:80 by wlc", "-A -t 192.0.2.10:80 -s wlc"),
        (
            SetService(VirtualService(DNS6, scheduler="rr", one_packet=True)),
            "set udp [2001:db8::10]:53 by rr, one packet",
            "-E -u [2001:db8::10]:53 -s rr -o",
        ),
        (
            AddService(
                VirtualService(SIP, persistence=60, persistence_prefix=24, persistence_engine="sip", flags=ALL_FLAGS)
            ),
            "add sctp 192.0.2.10:5060 by wlc, flags 0x38, persistent 60 s for /24 by sip",
            "-A --sctp-service 192.0.2.10:5060 -s wlc -p 60 -M 255.255.255.0 --pe sip -b flag-1,flag-2,flag-3",
        ),
        (
            AddService(VirtualService(MARK, scheduler="sh", flags=ALL_FLAGS)),
            "add mark 7 by sh, flags 0x38",
            "-A -f 7 -s sh -b sh-fallback,sh-port,flag-3",
        ),
        (
            AddService(
                VirtualService(MARK6, scheduler="mh", flags=SchedulerFlags.PORT, persistence=9, persistence_prefix=64)
            ),
            "add mark 7 of IPv6 by mh, flags 0x10, persistent 9 s for /64",
            "-A -f 7 -6 -s mh -p 9 -M 64 -b mh-port",
        ),
        (RemoveService(MARK6), "remove mark 7 of IPv6", "-D -f 7 -6"),
        (
            AddServer(WEB, server(weight=3)),
            "add 10.1.0.1:80 with weight 3 by NAT to tcp 192.0.2.10:80",
            "-a -t 192.0.2.10:80 -r 10.1.0.1:80 -m -w 3",
        ),
        (
            SetServer(WEB, server(Forwarding.DIRECT, 0, upper_threshold=9, lower_threshold=5)),
            "set 10.1.0.1:80 with weight 0 by DIRECT, thresholds 5-9 of tcp 192.0.2.10:80",
            "-e -t 192.0.2.10:80 -r 10.1.0.1:80 -g -w 0 -x 9 -y 5",
        ),
        (
            AddServer(WEB, RealServer("2001:db8::1", 80, forwarding=Tunnel())),
            "add [2001:db8::1]:80 with weight 1 by IPIP to tcp 192.0.2.10:80",
            "-a -t 192.0.2.10:80 -r [2001:db8::1]:80 -i -w 1",
        ),
        (
            SetServer(MARK, server(Tunnel(TunnelKind.GUE, 6080, Checksum.REMOTE))),
            "set 10.1.0.1:80 with weight 1 by GUE to port 6080 with checksum REMOTE of mark 7",
            "-e -f 7 -r 10.1.0.1:80 -i -w 1 --tun-type gue --tun-port 6080 --tun-remcsum",
        ),
        (
            SetServer(MARK, server(Tunnel(TunnelKind.GUE, 6080))),
            "set 10.1.0.1:80 with weight 1 by GUE to port 6080 of mark 7",
            "-e -f 7 -r 10.1.0.1:80 -i -w 1 --tun-type gue --tun-port 6080 --tun-nocsum",
        ),
        (
            AddServer(WEB, server(Tunnel(TunnelKind.GRE, checksum=Checksum.FULL))),
            "add 10.1.0.1:80 with weight 1 by GRE with checksum FULL to tcp 192.0.2.10:80",
            "-a -t 192.0.2.10:80 -r 10.1.0.1:80 -i -w 1 --tun-type gre --tun-csum",
        ),
        (
            RemoveServer(WEB, server()),
            "remove 10.1.0.1:80 from tcp 192.0.2.10:80",
            "-d -t 192.0.2.10:80 -r 10.1.0.1:80",
        ),
    ],
)
def test_an_operation_can_be_told(operation: Operation, words: str, line: str) -> None:
    assert (str(operation), as_ipvsadm(operation)) == (words, line)


def test_a_mask_of_others_that_is_no_prefix_is_told_as_it_is() -> None:
    odd = found(
        VirtualService,
        key=WEB,
        scheduler="rr",
        flags=SchedulerFlags.NONE,
        persistence=60,
        persistence_prefix=-0xFF00FF00,
        persistence_engine=None,
        one_packet=False,
        servers=(),
    )
    assert as_ipvsadm(AddService(odd)) == "-A -t 192.0.2.10:80 -s rr -p 60 -M 255.0.255.0"
