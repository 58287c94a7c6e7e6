from __future__ import annotations

from vrrpkit.lvs._lookout import ChangeRefused, Look, LookDue, Looked, Lookout, LookoutOpened


def test_it_looks_every_so_often() -> None:
    lookout = Lookout(30.0)
    assert (lookout.handle(LookoutOpened(), 100.0), lookout.deadline) == ((), 130.0)
    assert (lookout.handle(LookDue(), 129.9), lookout.deadline) == ((), 130.0)
    assert (lookout.handle(LookDue(), 130.0), lookout.deadline) == ((Look(),), None)
    assert (lookout.handle(Looked(ok=True), 130.5), lookout.deadline) == ((), 160.5)


def test_without_a_span_it_looks_after_refusals_only() -> None:
    lookout = Lookout(None)
    assert (lookout.handle(LookoutOpened(), 0.0), lookout.deadline) == ((), None)
    assert (lookout.handle(ChangeRefused(), 10.0), lookout.deadline) == ((), 11.0)
    assert lookout.handle(LookDue(), 11.0) == (Look(),)
    lookout.handle(Looked(ok=True), 11.0)
    assert (lookout.deadline, lookout.handle(LookDue(), 99.0)) == (None, ())


def test_the_pause_after_refusals_doubles_up_to_a_minute_and_begins_anew_once_all_is_well() -> None:
    lookout, now, pauses = Lookout(30.0), 0.0, []
    lookout.handle(ChangeRefused(), now)
    for _ in range(8):
        assert lookout.deadline is not None
        pauses.append(lookout.deadline - now)
        now = lookout.deadline
        lookout.handle(LookDue(), now)
        lookout.handle(Looked(ok=False), now)
    assert pauses == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0]
    lookout.handle(Looked(ok=True), now)
    lookout.handle(ChangeRefused(), now)
    assert lookout.deadline == now + 1.0


def test_further_refusals_do_not_put_the_look_off() -> None:
    lookout = Lookout(30.0)
    lookout.handle(ChangeRefused(), 10.0)
    lookout.handle(ChangeRefused(), 10.9)
    assert lookout.deadline == 11.0
