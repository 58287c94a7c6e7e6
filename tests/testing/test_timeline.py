"""A simulation as a picture."""

from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from attrs import evolve

from tests.testing.helpers import A, B, C, config, pair
from tests.testing.test_determinism import eventful
from vrrpkit.election import ElectionConfig, FaultRaised, PriorityChanged
from vrrpkit.errors import ConfigError
from vrrpkit.testing import Flight, Simulation, Timeline
from vrrpkit.testing._flags import Flag, flags_of, stacked
from vrrpkit.testing._history import Tenure, active_spans, stretches, tenures, waiting_spans, without
from vrrpkit.testing._svg import Scale, num, tag

GOLDEN = Path(__file__).with_name("timeline.svg")
LOST = "#d55e00"


def split(until: float = 12.0) -> Simulation:
    """A small run with something of everything that matters."""
    sim = Simulation(seed=1)
    a, b = pair(sim)
    sim.at(5.3, sim.partition, "a")
    sim.at(9.5, sim.heal)
    sim.at(10.8, a.shutdown)
    sim.at(11.6, b.post, FaultRaised("link:eth0"))
    sim.run(until=until)
    return sim


def elements(svg: str, name: str) -> list[ET.Element]:
    return list(ET.fromstring(svg).iter(f"{{http://www.w3.org/2000/svg}}{name}"))  # noqa: S314 - our own picture


def texts(svg: str) -> list[str]:
    return [element.text or "" for element in elements(svg, "text")]


def titles(svg: str) -> list[str]:
    return [element.text or "" for element in elements(svg, "title")]


def test_picture_is_the_one_that_was_looked_at() -> None:
    """If it is to be another one: `split().timeline().save(GOLDEN)`, and look at it."""
    assert split().timeline().svg == GOLDEN.read_text("utf-8")


def test_words_say_what_was_done_and_why() -> None:
    said = texts(split().timeline().svg)
    assert [text for text in said if text in {"partition a", "healed", "shutdown", "fault raised link:eth0"}] == [
        "shutdown",
        "fault raised link:eth0",
        "partition a",
        "healed",
    ]
    assert said.count("active-silent") == 2
    assert "outranked" in said
    assert "startup" not in said
    assert "a and b" in " ".join(titles(split().timeline().svg))


def test_every_state_tells_its_time_when_one_points_at_it() -> None:
    told = titles(split().timeline().svg)
    assert "active, 3.219-10.800 s" in told
    assert "not started, 10.800-12.000 s" in told
    assert "a holds addresses, 3.219-8.829 s" in told
    assert "nobody, 0.000-3.219 s (3.219 s)" in told


def test_lost_advertisements_end_in_a_cross() -> None:
    sim = split()
    lost = [flight for flight in sim.flights if not flight.arrivals]
    crosses = [
        element.get("d") or "" for element in elements(sim.timeline().svg, "path") if element.get("stroke") == LOST
    ]
    assert len(lost) == 5
    assert sum(strokes.count("l6 6m0 -6l-6 6") for strokes in crosses) == 5 + 1  # one is in the legend


def test_zoom_shows_a_part() -> None:
    part = split().timeline(begin=5.0, end=9.0)
    assert repr(part) == "<Timeline of 2 routers, 5-9 s>"
    said = texts(part.svg)
    assert "partition a" in said
    assert "healed" not in said
    assert "9.0" in said
    assert "4.0" not in said


def test_end_that_has_not_come_yet_is_empty() -> None:
    assert "20" in texts(split().timeline(end=20.0).svg)


def test_notebooks_show_it_as_it_is() -> None:
    sim = Simulation()
    assert sim._repr_svg_() is None
    sim = split()
    assert sim._repr_svg_() == sim.timeline()._repr_svg_() == sim.timeline().svg
    assert Simulation(record=False)._repr_svg_() is None


def test_picture_is_saved_as_a_file(tmp_path: Path) -> None:
    timeline = split().timeline()
    timeline.save(tmp_path / "run.svg")
    assert (tmp_path / "run.svg").read_bytes() == timeline.svg.encode()


def test_same_run_gives_the_same_octets() -> None:
    assert eventful(7).timeline().svg == eventful(7).timeline().svg


def test_names_and_notes_are_escaped() -> None:
    sim = Simulation()
    sim.add('<b> & "c"', config(), address=A)
    sim.start()
    sim.run(until=5)
    sim.note("", "<script>")
    svg = sim.timeline(end=6.0).svg
    assert '<b> & "c"' in texts(svg)
    assert "<script>" in texts(svg)
    assert "<script>" not in svg


def test_several_virtual_routers_are_told_apart() -> None:
    sim = Simulation()
    sim.add("a", config(200), address=A)
    sim.add("b", config(100, vrid=52), address=B)
    sim.start()
    sim.run(until=10)
    said = texts(sim.timeline().svg)
    assert "VRID 51, priority 200" in said
    assert "VRID 52, priority 100" in said
    assert {(flight.sender, flight.receiver) for flight in sim.flights} == set()


def test_size_is_bounded_however_long_the_run() -> None:
    sizes = []
    for until in (3000.0, 6000.0):
        sim = Simulation(seed=1, loss=0.4, jitter=0.2)
        for name, address in (("a", A), ("b", B), ("c", C)):
            sim.add(name, config(), address=address)
        sim.start()
        for second in range(10, int(until), 7):
            sim.at(second, sim.routers["a"].kill)
            sim.at(second + 1, sim.routers["a"].start)
        sim.run(until=until)
        sizes.append(len(sim.timeline(width=300).svg))
    assert sizes[1] < 1.2 * sizes[0] < 300_000


def test_dense_advertisements_become_a_band_with_their_number() -> None:
    sim = Simulation()
    pair(sim)
    sim.run(until=1003)
    assert titles(sim.timeline().svg).count("a: 1000 advertisements") == 1


def test_addresses_with_the_same_holders_share_a_line() -> None:
    sim = Simulation()
    addresses = [f"192.0.2.{number}" for number in range(1, 6)]
    sim.add("a", evolve(config(200), addresses=addresses), address=A)
    others = [ElectionConfig(vrid=vrid, addresses=[f"203.0.113.{vrid}"]) for vrid in range(1, 12)]
    for other in others:
        sim.add(f"o{other.vrid}", evolve(other, priority=100 + other.vrid), address=B)
    sim.start()
    sim.run(until=10)
    said = texts(sim.timeline().svg)
    assert "192.0.2.1 + 4" in said
    assert sum(text.startswith(("192.0.2.", "203.0.113.")) for text in said) == 8


def test_flights_tell_what_became_of_each_advertisement() -> None:
    sim = Simulation()
    a, b = pair(sim)
    sim.run(until=3.5)
    assert sim.flights == [Flight(3.21875, "a", "b", 200, (3.21925,))]
    sim.cut(a, b)
    sim.duplication = 1.0
    sim.run(until=4.5)
    sim.restore("a", "b")
    sim.restore("a", "b")
    sim.run(until=5.5)
    assert sim.flights[1:] == [
        Flight(4.21875, "a", "b", 200, ()),
        Flight(5.21875, "a", "b", 200, (5.21925, 5.21925)),
    ]
    assert "4.500 - a -> b restored" in str(sim.transcript)
    unrecorded = Simulation(record=False)
    pair(unrecorded)
    unrecorded.run(until=10)
    assert unrecorded.flights == []


def test_timeline_is_checked() -> None:
    sim = split()
    with pytest.raises(ConfigError, match=r"begin must be 0 or more and below end, got 5.0 and 5.0"):
        sim.timeline(begin=5.0, end=5.0)
    with pytest.raises(ConfigError, match=r"width must be 300-10000, got 10"):
        sim.timeline(width=10)
    with pytest.raises(ConfigError, match="record must be on for a timeline"):
        Simulation(record=False).timeline()
    assert isinstance(sim.timeline(), Timeline)


def test_life_of_a_router_is_read_from_its_transcript() -> None:
    sim = Simulation()
    a, _b = pair(sim)
    sim.at(5, a.pause)
    sim.at(6, a.resume)
    sim.at(8, a.kill)
    sim.at(9, a.start)
    sim.run(until=10)
    life = stretches(sim.transcript, ["a"], sim.now)["a"]
    assert [(each.start, each.end, str(each.state), each.runs) for each in life] == [
        (0.0, 3.21875, "backup", True),
        (3.21875, 5, "active", True),
        (5, 6, "active", False),
        (6, 8, "active", True),
        (8, 9, "initialize", False),
        (9, 10, "backup", True),
    ]
    assert active_spans(life) == [(3.21875, 5), (6, 8)]
    assert waiting_spans(life) == [(0.0, 3.21875), (9, 10)]
    [held] = tenures(sim.transcript, sim.now).values()
    assert held == [Tenure(0.0, 3.21875, ()), Tenure(3.21875, 8, ("a",)), Tenure(8, 10, ())]


def test_what_is_left_of_a_span() -> None:
    assert without((0.0, 10.0), []) == [(0.0, 10.0)]
    assert without((0.0, 10.0), [(8.0, 12.0), (2.0, 3.0), (2.5, 4.0)]) == [(0.0, 2.0), (4.0, 8.0)]
    assert without((0.0, 10.0), [(-1.0, 11.0)]) == []
    assert without((0.0, 10.0), [(5.0, 5.0)]) == [(0.0, 5.0), (5.0, 10.0)]


def test_reason_is_left_out_where_the_deed_says_it() -> None:
    sim = Simulation()
    a, _b = pair(sim)
    sim.at(5, a.shutdown)
    sim.at(7, a.start)
    sim.at(7.5, a.kill)
    sim.at(8, a.start)
    sim.at(8.5, a.post, PriorityChanged(10))
    sim.run(until=9)
    assert [flag for flag in flags_of(sim.transcript) if flag.router == "a"] == [
        Flag(3.21875, "a", "active-silent", is_reason=True),
        Flag(5, "a", "shutdown"),
        Flag(7, "a", "started"),
        Flag(7.5, "a", "killed"),
        Flag(8, "a", "restarted"),
        Flag(8.5, "a", "priority changed 10"),
    ]


def test_words_that_would_touch_are_stacked() -> None:
    spans = [(0.0, 5.0, "a"), (4.0, 8.0, "b"), (4.5, 6.0, "c"), (5.0, 6.0, "d")]
    assert list(stacked(spans, 2)) == [(0, "a"), (1, "b"), (None, "c"), (0, "d")]


@pytest.mark.parametrize(
    ("begin", "end", "expected"),
    [
        (0.0, 12.0, ["0", "2", "4", "6", "8", "10", "12"]),
        (0.1, 0.5, ["0.1", "0.2", "0.3", "0.4", "0.5"]),
        (3.0, 4.0, ["3.0", "3.2", "3.4", "3.6", "3.8", "4.0"]),
        (0.0, 86400.0, ["0", "20000", "40000", "60000", "80000"]),
    ],
)
def test_ticks_are_round_numbers(begin: float, end: float, expected: list[str]) -> None:
    assert [text for _time, text in Scale(begin, end, 0.0, 500.0).ticks()] == expected


def test_pieces_of_a_picture() -> None:
    assert [num(value) for value in (1.0, 1.25, -0.04, 0.0, -1.0, 10.06)] == ["1", "1.2", "0", "0", "-1", "10.1"]
    assert tag("a", stroke_width=2, id='"<') == '<a stroke-width="2" id=\'"&lt;\'/>'
    scale = Scale(10.0, 20.0, 100.0, 200.0)
    assert (scale.x(5.0), scale.x(15.0), scale.x(25.0)) == (100.0, 150.0, 200.0)
    assert (scale.shows(10.0), scale.shows(20.1)) == (True, False)
