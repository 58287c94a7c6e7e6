"""Keeping addresses: when to renew, when to put back, and when to let be."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from vrrpkit.errors import ConfigError
from vrrpkit.keeping import (
    Action,
    ForeignDeletion,
    Held,
    Install,
    Keeping,
    KeepingDue,
    LetGo,
    Vanished,
    Yield,
)

DUE = KeepingDue()


def holding(*addresses: str, lease: float | None = 30.0) -> Keeping[str]:
    """A machine that holds these since 100.0."""
    keeping: Keeping[str] = Keeping(lease)
    assert keeping.handle(Held(addresses), 100.0) == ()
    return keeping


def test_nothing_held_needs_no_deadline() -> None:
    assert Keeping[str]().deadline is None


def test_leases_are_renewed_three_times_in_their_span() -> None:
    keeping = holding("a", "b")
    assert keeping.deadline == 110.0
    assert keeping.handle(DUE, 109.9) == ()
    assert keeping.handle(DUE, 110.0) == (Install(("a", "b"), 30.0),)
    assert keeping.deadline == 120.0


def test_a_late_address_joins_the_renewal_of_the_others() -> None:
    keeping = holding("a")
    keeping.handle(Held(("b",)), 109.0)
    assert keeping.handle(DUE, 110.0) == (Install(("a", "b"), 30.0),)


def test_after_a_stall_there_is_one_renewal_not_many() -> None:
    keeping = holding("a")
    assert keeping.handle(DUE, 175.0) == (Install(("a",), 30.0),)
    assert keeping.deadline == 185.0


def test_what_is_let_go_is_renewed_no_more() -> None:
    keeping = holding("a", "b")
    keeping.handle(LetGo(("a",)), 105.0)
    assert keeping.handle(DUE, 110.0) == (Install(("b",), 30.0),)
    keeping.handle(LetGo(("b",)), 111.0)
    assert keeping.deadline is None


def test_holding_again_after_letting_everything_go_starts_anew() -> None:
    keeping = holding("a")
    keeping.handle(LetGo(("a",)), 105.0)
    keeping.handle(Held(("a",)), 108.0)
    assert keeping.deadline == 118.0


def test_holding_nothing_or_letting_a_stranger_go_changes_nothing() -> None:
    keeping = holding()
    assert keeping.deadline is None
    keeping.handle(LetGo(("stranger",)), 101.0)
    assert keeping.deadline is None


def test_without_a_lease_nothing_is_renewed() -> None:
    keeping = holding("a", lease=None)
    assert keeping.deadline is None
    assert keeping.handle(DUE, 1e9) == ()


@pytest.mark.parametrize("lease", [2.9, 86401, "30"])
def test_a_lease_out_of_range_is_refused(lease: float) -> None:
    with pytest.raises(ConfigError, match=r"^lease must be 3-86400 seconds, got "):
        Keeping[str](lease)


def test_a_vanished_address_is_put_back_at_once() -> None:
    keeping = holding("a", "b", lease=None)
    assert keeping.handle(Vanished("a"), 101.0) == (Install(("a",), None),)
    assert keeping.deadline is None


def test_an_address_that_does_not_stay_is_put_back_after_growing_pauses() -> None:
    keeping = holding("a", lease=None)
    assert keeping.handle(Vanished("a"), 101.0) == (Install(("a",), None),)
    now, pauses = 101.0, []
    for _ in range(8):
        assert keeping.handle(Vanished("a"), now + 0.5) == ()
        deadline = keeping.deadline
        assert deadline is not None
        pauses.append(deadline - now - 0.5)
        assert keeping.handle(DUE, deadline - 0.01) == ()
        assert keeping.handle(DUE, deadline) == (Install(("a",), None),)
        assert keeping.deadline is None
        now = deadline
    assert pauses == [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0]


def test_an_address_that_stayed_for_a_second_is_put_back_at_once_again() -> None:
    keeping = holding("a", lease=None)
    keeping.handle(Vanished("a"), 101.0)
    keeping.handle(Vanished("a"), 101.5)
    assert keeping.handle(DUE, 102.5) == (Install(("a",), None),)
    assert keeping.handle(Vanished("a"), 103.5) == (Install(("a",), None),)
    assert keeping.handle(Vanished("a"), 103.75) == ()
    assert keeping.deadline == 104.75


def test_an_address_that_waits_to_be_put_back_does_not_wait_twice() -> None:
    keeping = holding("a", lease=None)
    keeping.handle(Vanished("a"), 101.0)
    keeping.handle(Vanished("a"), 101.5)
    assert keeping.handle(Vanished("a"), 102.0) == ()
    assert keeping.handle(DUE, 102.5) == (Install(("a",), None),)
    assert keeping.deadline is None


def test_a_renewal_does_not_put_back_what_has_to_wait() -> None:
    keeping = holding("a", "b", lease=3.0)
    keeping.handle(Vanished("a"), 100.5)
    keeping.handle(Vanished("a"), 100.75)  # back at 101.75
    assert keeping.handle(DUE, 101.0) == (Install(("b",), 3.0),)
    assert keeping.deadline == 101.75
    assert keeping.handle(DUE, 101.75) == (Install(("a",), 3.0),)
    assert keeping.handle(DUE, 102.0) == (Install(("a", "b"), 3.0),)


def test_what_is_due_together_is_one_action() -> None:
    keeping = holding("a", "b", lease=3.0)
    keeping.handle(Vanished("a"), 100.125)
    keeping.handle(Vanished("a"), 100.25)  # back at 101.25, after the renewal at 101.0
    assert keeping.handle(DUE, 101.5) == (Install(("a", "b"), 3.0),)


def test_what_is_let_go_while_it_waits_is_not_put_back() -> None:
    keeping = holding("a", "b", lease=None)
    keeping.handle(Vanished("a"), 101.0)
    keeping.handle(Vanished("a"), 101.5)
    keeping.handle(LetGo(("a",)), 102.0)
    assert keeping.deadline is None
    assert keeping.handle(DUE, 102.5) == ()


def test_a_wait_that_is_over_by_then_disturbs_nobody() -> None:
    keeping = holding("a", "b", lease=None)
    for address in ("a", "b"):
        keeping.handle(Vanished(address), 101.0)
        keeping.handle(Vanished(address), 101.5)
    keeping.handle(LetGo(("a",)), 102.0)
    assert keeping.handle(DUE, 102.5) == (Install(("b",), None),)


def test_a_new_holding_knows_nothing_of_an_old_fight() -> None:
    keeping = holding("a", lease=None)
    keeping.handle(Vanished("a"), 101.0)
    keeping.handle(Vanished("a"), 101.5)
    keeping.handle(LetGo(("a",)), 102.0)
    keeping.handle(Held(("a",)), 102.0)
    assert keeping.deadline is None
    assert keeping.handle(Vanished("a"), 102.1) == (Install(("a",), None),)


def test_what_is_not_ours_may_vanish() -> None:
    keeping = holding("a")
    assert keeping.handle(Vanished("b"), 101.0) == ()
    assert keeping.handle(DUE, 110.0) == (Install(("a",), 30.0),)


def test_yielding_is_said_once_and_ends_the_renewals() -> None:
    keeping: Keeping[str] = Keeping()
    keeping.handle(Held(("a",), ForeignDeletion.YIELD), 100.0)
    assert keeping.handle(Vanished("a"), 101.0) == (Yield("a"),)
    assert keeping.handle(Vanished("a"), 101.0) == ()
    assert keeping.deadline is None


def test_ignoring_ends_the_renewals_which_would_put_it_back() -> None:
    keeping: Keeping[str] = Keeping()
    keeping.handle(Held(("a", "b"), ForeignDeletion.IGNORE), 100.0)
    assert keeping.handle(Vanished("a"), 101.0) == ()
    assert keeping.handle(DUE, 110.0) == (Install(("b",), 30.0),)


def test_each_address_has_the_policy_it_came_with() -> None:
    keeping = holding("a", lease=None)
    keeping.handle(Held(("b",), ForeignDeletion.YIELD), 100.0)
    assert keeping.handle(Vanished("a"), 101.0) == (Install(("a",), None),)
    assert keeping.handle(Vanished("b"), 101.0) == (Yield("b"),)


ADDRESSES = st.sampled_from("abcd")


class KeptAddresses(RuleBasedStateMachine):
    """A kernel with somebody in it who deletes, and leases that end."""

    def __init__(self) -> None:
        super().__init__()
        self.keeping: Keeping[str] = Keeping(12.0)
        self.now = 0.0
        self.held: dict[str, ForeignDeletion] = {}
        self.kernel: dict[str, float] = {}
        self.installed_at: dict[str, list[float]] = {}

    def perform(self, actions: tuple[Action[str], ...]) -> None:
        for action in actions:
            match action:
                case Install(addresses, lease):
                    assert lease == 12.0
                    assert len(set(addresses)) == len(addresses)
                    for address in addresses:
                        assert address in self.held
                        if address not in self.kernel:
                            self.installed_at.setdefault(address, []).append(self.now)
                        self.kernel[address] = self.now + lease
                case Yield(address):
                    assert self.held.pop(address) is ForeignDeletion.YIELD

    @rule(address=ADDRESSES, policy=st.sampled_from(ForeignDeletion))
    def hold(self, address: str, policy: ForeignDeletion) -> None:
        if address not in self.held:
            self.held[address] = policy
            self.kernel[address] = self.now + 12.0
            self.installed_at[address] = []
            self.perform(self.keeping.handle(Held((address,), policy), self.now))

    @rule(address=ADDRESSES)
    def let_go(self, address: str) -> None:
        self.perform(self.keeping.handle(LetGo((address,)), self.now))
        self.held.pop(address, None)
        self.kernel.pop(address, None)

    @rule(address=ADDRESSES)
    def delete(self, address: str) -> None:
        if self.kernel.pop(address, None) is not None:
            if self.held.get(address) is ForeignDeletion.IGNORE:
                del self.held[address]
            self.perform(self.keeping.handle(Vanished(address), self.now))

    @rule(seconds=st.sampled_from((0.0, 0.25, 0.99, 1.0, 3.0, 40.0)))
    def wait(self, seconds: float) -> None:
        end = self.now + seconds
        while self.keeping.deadline is not None and self.keeping.deadline <= end:
            assert self.keeping.deadline > self.now, "it spins"
            self.now = self.keeping.deadline
            self.perform(self.keeping.handle(DUE, self.now))
        self.now = end

    @invariant()
    def no_lease_ends(self) -> None:
        assert all(self.now < end for end in self.kernel.values())

    @invariant()
    def the_kernel_has_nothing_that_is_not_held(self) -> None:
        assert self.kernel.keys() <= self.held.keys()

    @invariant()
    def in_the_end_it_has_all_that_is_held(self) -> None:
        if self.keeping.deadline is None or not self.held:
            assert self.kernel.keys() == self.held.keys()

    @invariant()
    def putting_back_never_spins(self) -> None:
        for times in self.installed_at.values():
            # At once, and then not again within a second.
            assert all(later - earlier >= 1.0 - 1e-9 for earlier, later in itertools.pairwise(times))

    def teardown(self) -> None:
        self.wait(40.0)
        assert self.kernel.keys() == self.held.keys()


TestKeptAddresses = KeptAddresses.TestCase
