"""When a Backup takes over, computed a second time: as slowly and as plainly as the RFC says it.

All times are multiples of 1/64 s and all intervals of 1/4 s, which floats hold exactly: the two must agree to the
last bit.
"""

from fractions import Fraction
from ipaddress import IPv4Address

import pytest
from attrs import frozen
from hypothesis import example, given
from hypothesis import strategies as st

from vrrpkit.election import AdvertReceived, Election, ElectionConfig, Startup, State, TimerFired
from vrrpkit.packet import Advertisement, Version

VIP = IPv4Address("192.0.2.1")
OWN = IPv4Address("192.0.2.5")
PEER = IPv4Address("192.0.2.9")


@frozen
class Said:
    """An advertisement in a script; `at` counts 1/64 s, `interval` 1/4 s."""

    at: int
    priority: int
    interval: int


@frozen(kw_only=True)
class Setting:
    version: Version = Version.V3
    priority: int = 100
    interval: int = 4
    preempt: bool = True
    preempt_delay: int = 0
    adverts: int = 3


def expected_takeover(setting: Setting, script: list[Said]) -> Fraction:
    """RFC 9568 section 6.4.2 and RFC 3768 section 6.4.2, with keepalived's preempt_delay."""
    active_adver_interval = Fraction(setting.interval, 4)
    timer = active_down_interval(setting, active_adver_interval)
    first_lower: Fraction | None = None
    resigned = False
    for said in script:
        now = Fraction(said.at, 64)
        if now > timer:
            break
        if said.priority == 0:
            after_skew = now + skew_time(setting, active_adver_interval)
            timer = min(timer, after_skew) if resigned else after_skew
            resigned = True
            continue
        lower = said.priority < setting.priority
        if lower and setting.preempt:
            delay_ends = (now if first_lower is None else first_lower) + setting.preempt_delay
            if now >= delay_ends:
                continue  # discard
        if not lower:
            first_lower = None
        elif first_lower is None:
            first_lower = now
        if setting.version is Version.V3:
            active_adver_interval = Fraction(said.interval, 4)
        timer = now + active_down_interval(setting, active_adver_interval)
        resigned = False
    return timer


def skew_time(setting: Setting, active_adver_interval: Fraction) -> Fraction:
    whole = Fraction(1) if setting.version is Version.V2 else active_adver_interval
    return (256 - setting.priority) * whole / 256


def active_down_interval(setting: Setting, active_adver_interval: Fraction) -> Fraction:
    return setting.adverts * active_adver_interval + skew_time(setting, active_adver_interval)


def takeover(setting: Setting, script: list[Said]) -> Fraction:
    """The same script, driven the way a runtime does: events first, ticks when they are due."""
    config = ElectionConfig(
        vrid=1,
        addresses=[VIP],
        version=setting.version,
        priority=setting.priority,
        advert_interval=setting.interval / 4,
        preempt=setting.preempt,
        preempt_delay=setting.preempt_delay,
        down_timer_adverts=setting.adverts,
    )
    election = Election(config, OWN)
    election.handle(Startup(), 0.0)
    for said in script:
        if said.at / 64 > due(election):
            break
        advert = Advertisement(
            vrid=1,
            priority=said.priority,
            interval=said.interval / 4,
            addresses=(VIP,),
            version=setting.version,
        )
        assert election.handle(AdvertReceived(advert, PEER), said.at / 64) == ()
        assert election.state is State.BACKUP
    deadline = due(election)
    election.handle(TimerFired(), deadline)
    assert election.state is State.ACTIVE
    return Fraction(deadline)


def due(election: Election) -> float:
    assert election.deadline is not None
    return election.deadline


@st.composite
def cases(draw: st.DrawFn) -> tuple[Setting, list[Said]]:
    version = draw(st.sampled_from(Version))
    quarters = st.sampled_from([4, 8, 20]) if version is Version.V2 else st.integers(1, 20)
    setting = Setting(
        version=version,
        priority=draw(st.integers(1, 254)),
        interval=draw(quarters),
        preempt=draw(st.booleans()),
        preempt_delay=draw(st.sampled_from([0, 0, 2, 10])),
        adverts=draw(st.sampled_from([3, 3, 1, 7])),
    )
    near = [0, setting.priority - 1, setting.priority, setting.priority + 1]
    priorities = st.sampled_from(near) | st.integers(0, 255)
    gaps = draw(st.lists(st.integers(0, 256), max_size=20))
    script = []
    at = 0
    for gap in gaps:
        at += gap
        interval = setting.interval if version is Version.V2 else draw(quarters)
        script.append(Said(at, draw(priorities), interval))
    return setting, script


@pytest.mark.conforms("9568 6.4.2-8", "9568 6.4.2-19")
@given(cases())
@example((Setting(), []))
@example((Setting(preempt_delay=5), [Said(64 * second, 50, 4) for second in range(1, 20)]))
@example((Setting(), [Said(64, 0, 4), Said(80, 50, 4), Said(96, 0, 4)]))
def test_takeover_comes_when_the_standard_says(case: tuple[Setting, list[Said]]) -> None:
    setting, script = case
    assert takeover(setting, script) == expected_takeover(setting, script)


@given(cases(), st.integers(1, 254))
def test_higher_priority_never_takes_over_later(case: tuple[Setting, list[Said]], other: int) -> None:
    """With nothing but resignations and silence to go by, a higher priority is never the slower one."""
    setting, script = case
    resignations = [said for said in script if said.priority == 0]
    higher, lower = max(setting.priority, other), min(setting.priority, other)

    def alone(priority: int) -> Fraction:
        config = Setting(version=setting.version, priority=priority, interval=setting.interval)
        return takeover(config, resignations)

    assert alone(higher) <= alone(lower)
