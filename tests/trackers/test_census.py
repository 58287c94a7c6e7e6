"""Which processes count, and how many there are: the pure part, and the kernel's octets."""

from __future__ import annotations

import struct
from collections.abc import Sequence

import pytest
from attrs import define, field
from hypothesis import given
from hypothesis import strategies as st

from vrrpkit.linux._process_events import decode_change, decode_verdict
from vrrpkit.linux._process_table import parse_stat
from vrrpkit.trackers._census import ArgumentMatch, Census, Wanted

FORK, EXEC, UID, COMM, EXIT = 0x1, 0x2, 0x4, 0x200, 0x80000000


# Which count ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "name", "fits"),
    [
        (b"haproxy", b"haproxy", True),
        (b"haproxy", b"haproxy2", False),
        (b"haproxy2", b"haproxy", False),
        (b"a-name-of-twenty-one-", b"a-name-of-twent", True),
        (b"a-name-of-twenty-one-", b"a-name-of-twen", False),
        (b"kworker/0:1", b"kworker/0:1", True),
    ],
)
def test_by_name_the_first_15_octets_count(command: bytes, name: bytes, fits: bool) -> None:
    assert Wanted(command).fits(name, None) is fits
    assert Wanted(command).fits(name, (b"something", b"else")) is fits


@pytest.mark.parametrize(
    ("command", "first", "fits"),
    [
        (b"haproxy", b"haproxy", True),
        (b"haproxy", b"/usr/sbin/haproxy", True),
        (b"haproxy", b"/usr/sbin/nginx", False),
        (b"/usr/sbin/haproxy", b"/usr/sbin/haproxy", True),
        (b"/usr/sbin/haproxy", b"haproxy", False),
        (b"haproxy", b"", False),
    ],
)
def test_by_command_line_the_directory_counts_if_it_is_given(command: bytes, first: bytes, fits: bool) -> None:
    assert Wanted(command, ()).fits(b"x", (first,)) is fits


@pytest.mark.parametrize(
    ("match", "wanted", "given", "fits"),
    [
        ("exact", [], [], True),
        ("exact", [], [b"a"], False),
        ("exact", [b"a", b"b"], [b"a", b"b"], True),
        ("exact", [b"a", b"b"], [b"a"], False),
        ("exact", [b"a", b"b"], [b"a", b"b", b"c"], False),
        ("initial", [], [b"a"], True),
        ("initial", [b"a", b"b"], [b"a", b"b", b"c"], True),
        ("initial", [b"a", b"b"], [b"a"], False),
        ("initial", [b"a", b"b"], [b"c", b"a", b"b"], False),
        ("partial", [], [], True),
        ("partial", [b"a", b"b"], [b"c", b"a", b"b", b"d"], True),
        ("partial", [b"a", b"b"], [b"a", b"b"], True),
        ("partial", [b"a", b"b"], [b"a", b"c", b"b"], False),
        ("partial", [b"a", b"b"], [b"b", b"a"], False),
        ("partial", [b"a"], [b"ab"], False),
        ("partial", [b"a"], [], False),
    ],
)
def test_arguments_match(match: str, wanted: Sequence[bytes], given: Sequence[bytes], fits: bool) -> None:
    looked_for = Wanted(b"x", tuple(wanted), ArgumentMatch(match))
    assert looked_for.fits(b"anything", (b"/bin/x", *given)) is fits


def test_a_process_whose_command_line_is_not_known_does_not_count() -> None:
    assert not Wanted(b"x", ()).fits(b"x", None)


# /proc/PID/stat -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (b"7 (cat) R 1 7 7 0 -1 4194304 99 0", b"cat"),
        (b"7 (a) b (c)) S 1 7 7 0 -1 4194304 99 0", b"a) b (c)"),
        (b"7 (\n) R 3) S 1 7 7 0 -1 4194304 99 0", b"\n) R 3"),
        (b"7 () S 1 7 7 0 -1 0 99 0", b""),
        (b"7 (cat) Z 1 7 7 0 -1 4227084 99 0", None),
        (b"7 (cat) R 1 7 7 0 -1 4 99 0", None),
        (b"7 (cat) R 1 7 7 0 -1", None),
        (b"7 (cat R 1 7 7 0 -1 0 99 0", None),
        (b"", None),
    ],
)
def test_the_name_of_a_process_that_lives_is_in_its_status(content: bytes, name: bytes | None) -> None:
    assert parse_stat(content) == name


@given(st.binary())
def test_no_octets_upset_the_reading_of_a_status(content: bytes) -> None:
    parse_stat(content)
    parse_stat(b"1 (" + content + b") " + content)


# The kernel's events --------------------------------------------------------------------------------------------------


def event(what: int, *numbers: int, acknowledged: int = 0) -> bytes:
    """A message of the kernel's connector."""
    body = struct.pack("=IIQ", what, 0, 123456789) + struct.pack(f"={len(numbers)}I", *numbers).ljust(24, b"\0")
    return struct.pack("=IIIIHH", 1, 1, 99, acknowledged, len(body), 0) + body


@pytest.mark.parametrize(
    ("octets", "change"),
    [
        (event(FORK, 1, 1, 7, 7), (7, True)),
        (event(FORK, 2, 1, 7, 7), (7, True)),
        (event(FORK, 1, 1, 7, 1), None),
        (event(EXEC, 7, 7), (7, True)),
        (event(COMM, 7, 7), (7, True)),
        (event(COMM, 8, 7), None),
        (event(EXIT, 7, 7, 0, 17), (7, False)),
        (event(EXIT, 8, 7, 0, 17), None),
        (event(UID, 7, 7, 0, 0), None),
        (event(0, 0), None),
        (event(EXIT, 7, 7)[:51], None),
        (b"\2" + event(EXIT, 7, 7)[1:], None),
    ],
)
def test_only_what_concerns_a_whole_process_is_a_change(octets: bytes, change: tuple[int, bool] | None) -> None:
    assert decode_change(octets) == change


def test_an_answer_is_known_by_what_it_acknowledges() -> None:
    assert decode_verdict(event(0, 0, acknowledged=43), 42) == 0
    assert decode_verdict(event(0, 1, acknowledged=43), 42) == 1
    assert decode_verdict(event(0, 0, acknowledged=0), 0xFFFFFFFF) == 0
    assert decode_verdict(event(0, 0, acknowledged=44), 42) is None
    assert decode_verdict(event(EXIT, 7, 7, acknowledged=43), 42) is None


@given(st.binary(max_size=100))
def test_no_octets_upset_the_codec(octets: bytes) -> None:
    decode_change(octets)
    decode_verdict(octets, 42)


# Counting -------------------------------------------------------------------------------------------------------------


def test_a_scan_says_it_all_and_a_change_says_what_is_new() -> None:
    census = Census()
    assert [census.count] == [0]
    census.scanned([1, 2, 3])
    census.changed({3: False, 4: True, 5: False, 1: True})
    assert [census.count] == [3]
    census.scanned([4])
    assert [census.count] == [1]


@define
class Machine:
    """Processes as the kernel has them, and what it would say of them."""

    names: dict[int, str] = field(factory=lambda: {1: "init"})
    threads: dict[int, int] = field(factory=dict)

    def step(self, verb: str, pick: int, name: str) -> list[bytes]:
        """Let one thing happen to one of the processes; return the messages."""
        process = sorted(self.names)[pick % len(self.names)]
        thread = next((number for number, owner in self.threads.items() if owner == process), None)
        free = min(set(range(2, 12)) - self.names.keys() - self.threads.keys(), default=None)
        match verb:
            case "fork" if free is not None:
                self.names[free] = self.names[process]
                return [event(FORK, process, process, free, free)]
            case "exec":
                self.names[process] = name
                return [event(EXEC, process, process)]
            case "rename":
                self.names[process] = name
                return [event(COMM, process, process)]
            case "exit" if process != 1:
                del self.names[process]
                ended = [number for number, owner in self.threads.items() if owner == process]
                for number in ended:
                    del self.threads[number]
                return [*(event(EXIT, number, process) for number in ended), event(EXIT, process, process)]
            case "begin-thread" if free is not None:
                self.threads[free] = process
                return [event(FORK, process, process, free, process)]
            case "rename-thread" if thread is not None:
                return [event(COMM, thread, process)]
            case "end-thread" if thread is not None:
                del self.threads[thread]
                return [event(EXIT, thread, process)]
            case _:
                return []


VERBS = ["fork", "exec", "rename", "exit", "begin-thread", "rename-thread", "end-thread", "read", "scan"]
STEPS = st.lists(st.tuples(st.sampled_from(VERBS), st.integers(0, 9), st.sampled_from(["init", "wanted"])), max_size=60)


@given(STEPS)
def test_the_count_is_what_counting_everything_gives(script: list[tuple[str, int, str]]) -> None:
    machine, census = Machine(), Census()
    wanted = Wanted(b"wanted")
    waiting: dict[int, bool] = {}
    for verb, pick, name in [*script, ("read", 0, "")]:
        for octets in machine.step(verb, pick, name):
            change = decode_change(octets)
            waiting.update([change] if change is not None else [])
        if verb in {"read", "scan"}:
            fitting = {number for number, called in machine.names.items() if wanted.fits(called.encode(), None)}
            if verb == "scan":
                census.scanned(fitting)
            census.changed({number: lives and number in fitting for number, lives in waiting.items()})
            waiting.clear()
            assert census.count == len(fitting)
