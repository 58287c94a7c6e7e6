"""Every decision explains itself, and values compare as values."""

import pytest

from tests.election.helpers import PEER, VIP, config, heard, news, said, send
from vrrpkit.election import (
    AcquireAddresses,
    AdvertReceived,
    Event,
    FaultRaised,
    Heard,
    Reason,
    SendAdvertisement,
    Startup,
    State,
    StateChanged,
    TimerFired,
)
from vrrpkit.packet import Advertisement


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (
            news(State.INITIALIZE, State.BACKUP, Reason.STARTUP, 0.0),
            "initialize -> backup: startup (own priority 100)",
        ),
        (
            news(State.BACKUP, State.ACTIVE, Reason.ACTIVE_SILENT, 4.609375, heard=said(200, 1.0)),
            "backup -> active: active-silent (192.0.2.9 priority 200, last heard 3.609 s ago; own priority 100)",
        ),
        (
            news(State.ACTIVE, State.BACKUP, Reason.OUTRANKED, 0.5, heard=said(200, 0.5)),
            "active -> backup: outranked (192.0.2.9 priority 200; own priority 100)",
        ),
        (
            news(State.ACTIVE, State.FAULT, Reason.FAULT, 0.5, causes=["track:haproxy", "link:eth0"]),
            "active -> fault: fault (link:eth0, track:haproxy; own priority 100)",
        ),
    ],
)
def test_news_is_one_line_for_people(change: StateChanged, line: str) -> None:
    assert str(change) == line


def test_states_have_the_names_of_the_standard_and_keepalived_aliases() -> None:
    assert [str(state) for state in State] == ["initialize", "backup", "active", "fault"]
    assert State["MASTER"] is State.ACTIVE


def test_values_are_equal_by_content() -> None:
    events: list[Event] = [Startup(), TimerFired(), Startup()]
    assert [event == Startup() for event in events] == [True, False, True]
    assert FaultRaised("link:eth0") == FaultRaised("link:eth0") != FaultRaised("link:eth1")
    assert heard(100) == AdvertReceived(Advertisement(vrid=1, priority=100, addresses=(VIP,)), PEER)
    assert said(100, 1.0) == Heard(source=PEER, priority=100, interval=1.0, at=1.0)


def test_values_can_be_keys() -> None:
    seen = {send(), send(), send(0), AcquireAddresses((VIP,)), TimerFired(), TimerFired()}
    assert len(seen) == 4


def test_values_show_what_they_are() -> None:
    assert repr(FaultRaised("link:eth0")) == "FaultRaised(cause='link:eth0')"
    assert repr(AcquireAddresses((VIP,))) == "AcquireAddresses(addresses=(IPv4Address('192.0.2.1'),))"


def test_no_value_shows_a_password() -> None:
    secret = config(version=2, password=b"hunter2")
    advert = Advertisement(vrid=1, priority=100, addresses=(VIP,), version=secret.version, password=secret.password)
    shown = repr((secret, advert, SendAdvertisement(advert), AdvertReceived(advert, PEER)))
    assert "hunter2" not in shown
