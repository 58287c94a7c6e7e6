"""A network that loses, doubles, delays and repeats what routers say."""

from __future__ import annotations

import pytest

from tests.faults.trial import KINDS, trial
from tests.support.hub import Hub
from tests.support.lab import Router

pytestmark = pytest.mark.interop


@pytest.mark.parametrize("share", [0.1, 0.3, 0.5])
@pytest.mark.parametrize("kind", KINDS)
def test_losses_make_two_active_only_after_a_whole_silence_and_until_the_next_word(
    kind: type[Router], share: float
) -> None:
    with trial(kind) as tried, Hub(tried.lab, seed=7) as hub:
        for source, target in (("one", "two"), ("two", "one")):
            hub.rule(source, target, drop=share)
        tried.further(20)
        hub.clear()
        tried.further(2)
        assert tried.intrusions() == ()
        assert all(silence >= 3.609375 - 0.005 for silence in tried.silences())
        terms = tried.terms()
        tried.record(f"loss of {share:.0%}", f"{len(terms)} times two, longest {max(terms, default=0):.3f} s")


@pytest.mark.parametrize("kind", KINDS)
def test_backup_that_hears_nothing_is_answered_in_vain_and_yields_to_the_first_word(kind: type[Router]) -> None:
    with trial(kind) as tried, Hub(tried.lab) as hub:
        hub.rule("one", "two", drop=1.0)
        tried.lab.until(lambda: tried.backup.state() == "active", "the deaf router takes over")
        tried.duel.further(tried.backup, 5)
        answers = len(tried.sent(tried.lab.one))
        heard = len(tried.heard(tried.lab.one))
        hub.clear()
        tried.lab.until(lambda: tried.backup.state() == "backup", "it yields")
        assert tried.intrusions() == ()
        # One a second of its own, and one answer to each that it heard.
        spoken = tried.sent(tried.lab.one)[:answers]
        assert answers <= spoken[-1].at - spoken[0].at + 2 + heard
        (term,) = tried.terms()
        tried.record("one way: the Backup is deaf", f"two for {term:.1f} s, {answers} sent for {heard} heard")


@pytest.mark.parametrize("kind", KINDS)
def test_active_that_hears_nothing_does_not_notice_and_nothing_happens(kind: type[Router]) -> None:
    with trial(kind) as tried, Hub(tried.lab) as hub:
        hub.rule("two", "one", drop=1.0)
        tried.further(5)
        assert tried.sent(tried.lab.two) == ()
        tried.record("one way: the Active is deaf", "nothing happens")
        left = [one.at for one in tried.sent(tried.lab.one)]
        heard = [one.at for one in tried.heard(tried.lab.two)]
        spent = sorted(at - max(moment for moment in left if moment <= at) for at in heard if at >= left[0])
        assert spent[0] < 0.001
        tried.record("the bridge itself", f"a frame spends {spent[len(spent) // 2] * 1000:.2f} ms in it (median)")


@pytest.mark.parametrize("kind", KINDS)
def test_doubled_and_delayed_advertisements_change_nothing(kind: type[Router]) -> None:
    with trial(kind) as tried, Hub(tried.lab) as hub:
        hub.rule("one", "two", copies=3, delay=0.7)
        tried.further(5)
        hub.clear()
        tried.further(2)
        arrived = len(tried.heard(tried.lab.two))
        assert arrived >= 12  # of those five the last may still be under way
        assert tried.sent(tried.lab.two) == ()
        tried.record("tripled, and late by 0.7 s", "nothing happens")


@pytest.mark.parametrize("kind", KINDS)
def test_replayed_resignation_makes_two_active_for_one_answer(kind: type[Router]) -> None:
    with trial(kind) as tried, Hub(tried.lab) as hub:
        tried.active.stop()
        tried.duel.settle(tried.backup)
        tried.active = tried.duel.start(tried.lab.one, kind, 200)
        tried.duel.settle(tried.active)
        tried.further(1)  # so there is most of a second until the next
        before = len(tried.sent(tried.lab.two))
        hub.replay("one", "two", priority=0)
        tried.lab.until(lambda: len(tried.sent(tried.lab.two)) > before, "the lower router believes it")
        tried.further(3)
        assert tried.intrusions() == ()
        *_, term = tried.terms()
        tried.record("a resignation replayed", f"two for {term * 1000:.1f} ms")


@pytest.mark.parametrize("kind", KINDS)
def test_replayed_advertisements_keep_a_backup_waiting_for_as_long_as_they_come(kind: type[Router]) -> None:
    with trial(kind) as tried, Hub(tried.lab) as hub:
        tried.further(1)  # for the hub to know it
        tried.duel.kill(tried.active)
        hub.replay("one", "two", priority=200, times=5)
        tried.duel.settle(tried.backup)
        (first, *_) = tried.sent(tried.lab.two)
        *_, last = (one.at for one in tried.heard(tried.lab.two) if one.at < first.at)
        assert first.at - last >= 3.609375 - 0.005
        tried.record("advertisements of a dead router replayed", f"down {first.at - last:.3f} s after the last")
        tried.active = tried.duel.start(tried.lab.one, kind, 200)
