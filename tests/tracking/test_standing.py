"""Effective priority and causes of fault (keepalived's weights)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vrrpkit import ConfigError
from vrrpkit.tracking import Contribution, Level, Reading, Standing, Track, standing


def points(weight: int, reading: Reading, *, reverse: bool = False) -> int | str:
    """What one track does to priority 100: points, or its cause."""
    (one,) = standing(100, [Track("x", weight, reverse)], {"x": reading}).contributions
    return one.points if one.cause is None else one.cause


@pytest.mark.parametrize(
    ("weight", "reading", "effect"),
    [
        (20, True, 20),
        (20, False, 0),
        (-20, True, 0),
        (-20, False, -20),
        (0, True, 0),
        (0, False, "track:x"),
        (20, None, 0),
        (-20, None, 0),
        (0, None, "waiting:x"),
        (2, Level(10), 20),
        (-2, Level(10), -20),
        (2, Level(-10), -20),
        (1, Level(300), 253),
        (1, Level(-253), -253),
        (1, Level(-254), "track:x"),
        (-1, Level(254), "track:x"),
        (0, Level(0), 0),
        (0, Level(7), "track:x"),
    ],
)
def test_what_a_weight_does(weight: int, reading: Reading, effect: int | str) -> None:
    assert points(weight, reading) == effect


@pytest.mark.parametrize(
    ("weight", "reading", "effect"),
    [
        (20, True, -20),
        (20, False, 0),
        (-20, True, 0),
        (-20, False, 20),
        (0, True, "track:x"),
        (0, False, 0),
        (0, None, "waiting:x"),
        (2, Level(10), -20),
        (0, Level(0), "track:x"),
        (0, Level(7), 0),
    ],
)
def test_what_reverse_does(weight: int, reading: Reading, effect: int | str) -> None:
    assert points(weight, reading, reverse=True) == effect


def test_the_whole_answer_lists_every_contribution() -> None:
    tracks = [Track("haproxy", 2), Track("disk", -30), Track("uplink"), Track("file", 3)]
    answer = standing(50, tracks, {"haproxy": True, "disk": False, "uplink": False, "file": Level(4)})
    assert answer == Standing(
        50,
        34,
        (
            Contribution(tracks[0], True, 2),
            Contribution(tracks[1], False, -30),
            Contribution(tracks[2], False, 0, "track:uplink"),
            Contribution(tracks[3], Level(4), 12),
        ),
    )
    assert answer.causes == {"track:uplink"}
    assert answer.explanation == "priority 34 = 50 +2 (haproxy up) -30 (disk down) fault (uplink down) +12 (file 4)"


@pytest.mark.conforms("9568 5.2.4-2")
def test_the_priority_stays_between_1_and_254() -> None:
    low = standing(100, [Track("a", -253)], {"a": False})
    assert (low.priority, low.explanation) == (1, "priority 1 = 100 -253 (a down) = -153, limited to 1-254")
    assert standing(100, [Track("a", 200)], {"a": True}).priority == 254


@pytest.mark.conforms("9568 5.2.4-1")
def test_an_owner_keeps_255_and_can_be_in_fault() -> None:
    owner = standing(255, [Track("a", -200), Track("b")], {"a": False, "b": False})
    assert owner.priority == 255
    assert owner.causes == {"track:b"}
    assert owner.explanation == (
        "priority 255 = 255 -200 (a down) fault (b down), which an owner's weights do not change"
    )


def test_what_is_not_known_yet_is_said() -> None:
    assert standing(100, [Track("a", 5)], {}).explanation == "priority 100 = 100 +0 (a not known yet)"


@pytest.mark.parametrize(
    ("name", "weight", "text"),
    [
        ("x", 254, "weight must be -253 to 253 (0 makes a failure a fault), got 254"),
        ("x", -254, "weight must be -253 to 253 (0 makes a failure a fault), got -254"),
        ("x", True, "weight must be -253 to 253 (0 makes a failure a fault), got True"),
        ("", 0, "name of a track must be a text without white space, got ''"),
        ("a b", 0, "name of a track must be a text without white space, got 'a b'"),
        ("a\n", 0, "name of a track must be a text without white space, got 'a\\n'"),
    ],
)
def test_bad_tracks_are_refused(name: str, weight: int, text: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        Track(name, weight)
    assert str(refusal.value) == text


def test_reverse_must_be_a_flag() -> None:
    with pytest.raises(ConfigError, match="reverse must be True or False, got 1"):
        Track("x", reverse=1)  # type: ignore[arg-type]  # what a caller without types may pass


readings = st.one_of(st.none(), st.booleans(), st.integers(-300, 300).map(Level))
weights = st.integers(-253, 253)


@given(st.integers(1, 255), st.lists(st.tuples(weights, st.booleans(), readings), max_size=8))
def test_it_equals_a_second_obvious_implementation(base: int, things: list[tuple[int, bool, Reading]]) -> None:
    total, causes = base, set()
    for number, (weight, reverse, reading) in enumerate(things):
        sign = -1 if reverse else 1
        if isinstance(reading, Level):
            product = reading.value * weight * sign
            if (weight and product < -253) or (not weight and (reading.value != 0) != reverse):
                causes.add(f"track:t{number}")
            else:
                total += min(product, 253)
        elif reading is None:
            if weight == 0:
                causes.add(f"waiting:t{number}")
        elif weight == 0:
            if reading == reverse:
                causes.add(f"track:t{number}")
        elif (weight > 0 and reading) or (weight < 0 and not reading):
            total += sign * weight
    tracks = [Track(f"t{number}", weight, reverse) for number, (weight, reverse, _) in enumerate(things)]
    answer = standing(base, tracks, {f"t{number}": reading for number, (_, _, reading) in enumerate(things)})
    assert answer.priority == (255 if base == 255 else max(1, min(254, total)))
    assert answer.causes == causes


@given(st.integers(1, 255), st.lists(weights.filter(bool), max_size=8), st.data())
def test_weighted_tracks_without_levels_are_never_a_fault(
    base: int, given_weights: list[int], data: st.DataObject
) -> None:
    tracks = [Track(f"t{number}", weight) for number, weight in enumerate(given_weights)]
    known = {track.name: data.draw(st.one_of(st.none(), st.booleans())) for track in tracks}
    assert standing(base, tracks, known).causes == frozenset()
