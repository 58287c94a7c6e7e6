"""keepalived's checkers and ours ask the same servers, which fall ill and recover, and come to the same verdicts."""

from __future__ import annotations

import asyncio
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from typing import Final, TypeAlias

import pytest
from attrs import evolve, frozen

from tests.checks.talks import credentials
from tests.linux.support import eventually
from tests.uml.inside.cases import Case, Turn, cases
from tests.uml.inside.daemon import Checkers, RealServer, checkers, weights
from tests.uml.inside.rigs import CLIENTS, ScriptRig
from vrrpkit.checks import CheckResult, FileChecker, Schedule, ScriptChecker
from vrrpkit.commands import Command
from vrrpkit.trackers import CheckTracker

pytestmark = pytest.mark.uml

_PATIENCE: Final = 30.0
_EVERY: Final = 0.02

# So many more checks than it takes to believe a failure, and nothing has changed: then nothing will.
_SURPLUS: Final = 2

_Played: TypeAlias = dict[str, tuple[Case, tuple[Turn, ...], str]]


@frozen
class _Side:
    """One of the two who check."""

    client: str
    up: Callable[[], bool]


@contextmanager
def _swallowing_interface() -> Iterator[None]:
    for line in ("link add dummy0 type dummy", "link set dummy0 arp off up", "route add 10.98.0.0/24 dev dummy0"):
        subprocess.run(["ip", *line.split()], check=True)
    yield
    subprocess.run(["ip", "link", "delete", "dummy0"], check=True)


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> _Played:
    """All cases, played at the same time."""
    home = tmp_path_factory.mktemp("script")
    everything = tuple(cases(home, credentials()))
    with _swallowing_interface():
        return asyncio.run(_play(everything, tmp_path_factory.mktemp("keepalived")))


async def _play(everything: Sequence[Case], folder: Path) -> _Played:
    for case in everything:
        await case.rig.become(case.turns[0].state)
    async with AsyncExitStack() as stack:
        for case in everything:
            stack.push_async_callback(case.rig.close)
        daemon = stack.enter_context(checkers([_real_server(case) for case in everything], folder))
        async with asyncio.TaskGroup() as group:
            listening = group.create_task(_listen(daemon))
            playing = [group.create_task(_play_one(case, daemon)) for case in everything]
            try:
                await asyncio.gather(*playing)
            finally:
                listening.cancel()
        logged = (daemon.about(case.host, case.port) for case in everything)
        return {
            case.name: (case, task.result(), log) for case, task, log in zip(everything, playing, logged, strict=True)
        }


def _real_server(case: Case) -> RealServer:
    kind, _, rest = case.block.partition(" ")
    tries = f"retry {case.retry}\ndelay_before_retry 1"
    timeout = "" if kind == "MISC_CHECK" else "connect_timeout 1"
    block = f"{kind} {{\n{rest}\n{tries}\n{timeout}\n}}"
    return RealServer(case.host, case.port, block, case.alpha, case.delay_loop, udp=kind in {"UDP_CHECK", "DNS_CHECK"})


async def _listen(daemon: Checkers) -> None:
    while True:
        daemon.listen()
        await asyncio.sleep(_EVERY)


async def _play_one(case: Case, daemon: Checkers) -> tuple[Turn, ...]:
    said = daemon.verdicts.setdefault((case.host, case.port), [])
    schedule = Schedule.keepalived(
        delay_loop=case.delay_loop, timeout=1, retry=case.retry, delay_before_retry=1, alpha=case.alpha
    )
    async with CheckTracker(case.name.replace(" ", "-"), case.checker, schedule) as tracker:
        theirs = _Side(CLIENTS["keepalived"], lambda: said[-1] if said else not case.alpha)
        ours = _Side(CLIENTS["ours"], lambda: tracker.reading is True)
        before = dict.fromkeys((theirs, ours), not case.alpha)
        seen = [await _outcome(case, case.turns[0].state, before)]
        for turn in case.turns[1:]:
            before = {side: side.up() for side in (theirs, ours)}
            await case.rig.become(turn.state)
            seen.append(await _outcome(case, turn.state, before))
    return tuple(seen)


async def _outcome(case: Case, state: str, before: Mapping[_Side, bool]) -> Turn:
    """Wait until both have another verdict, or have asked so often that they will not get to another one."""
    found: dict[_Side, str] = {}
    deadline = time.monotonic() + _PATIENCE
    while len(found) < len(before) and time.monotonic() < deadline:
        await asyncio.sleep(_EVERY)
        for side in before.keys() - found.keys():
            word = "up" if side.up() else "down"
            if side.up() is not before[side]:
                await asyncio.sleep(_EVERY)  # who connects knows of it before the server does
                asked = case.rig.asked(side.client)
                found[side] = f"{word} after {asked}" if asked else word
            elif case.rig.asked(side.client) > case.retry + 1 + _SURPLUS:
                found[side] = f"stays {word}"
    return Turn(state, *(found.get(side, "undecided") for side in before))


_NAMES: Final = (
    "TCP_CHECK",
    "TCP_CHECK of a server that is dead from the start, and assumed to be up",
    "HTTP_GET with status_code",
    "HTTP_GET, and answers that do not end, or too early",
    "HTTP_GET with digest",
    "HTTP_GET of a server that is ill from the start, and assumed to be up",
    "SSL_GET, which verifies nothing",
    "SSL_GET, and a certificate that nobody has signed",
    "SMTP_CHECK",
    "SMTP_CHECK, and a server that says too little, or too much",
    "SMTP_CHECK of a server that is ill from the start, and assumed to be up",
    "UDP_CHECK",
    "UDP_CHECK with a reply",
    "DNS_CHECK",
    "MISC_CHECK",
    "PING_CHECK",
    "TCP_CHECK of a host that is gone",
)


@pytest.mark.parametrize("name", _NAMES)
def test_the_verdicts_are_those_of_keepalived_but_for_what_is_known(name: str, played: _Played) -> None:
    case, seen, log = played[name]
    assert seen == case.turns, log


def test_every_case_is_told_of(played: _Played) -> None:
    assert tuple(played) == _NAMES


def test_a_script_gives_the_same_weight(tmp_path: Path) -> None:
    rig = ScriptRig(tmp_path)
    script = f'misc_path "{rig.script} {CLIENTS["keepalived"]}"'
    server = RealServer("127.0.0.1", 8041, f"MISC_CHECK {{\n{script}\nmisc_timeout 1\nmisc_dynamic\n}}", alpha=False)
    command = Command([str(rig.script), CLIENTS["ours"]])

    async def weigh() -> dict[str, tuple[int | None, int | None]]:
        found = {}
        await rig.become("exit 0")
        with checkers([server], tmp_path):
            checker = ScriptChecker(command=command, timeout=1, dynamic=True)
            async with CheckTracker("weight", checker, Schedule.keepalived(delay_loop=1, retry=0)) as tracker:
                for code in (0, 12, 2, 255, 1, 3):
                    await rig.become(f"exit {code}")
                    await eventually(lambda: _asked_again(rig), "both have asked again", _PATIENCE)
                    last = tracker.last
                    assert last is not None
                    ours = last.weight if last.weight is not None else (5 if last.ok else None)
                    found[f"exit {code}"] = (weights().get(("127.0.0.1", 8041)), ours)
        return found

    assert asyncio.run(weigh()) == {
        "exit 0": (5, 5),
        "exit 12": (10, 10),
        "exit 2": (0, 0),
        "exit 255": (253, 253),
        "exit 1": (None, None),
        "exit 3": (1, 1),
    }


def _asked_again(rig: ScriptRig) -> bool:
    return all(rig.asked(client) >= 2 for client in CLIENTS.values())


def test_a_file_gives_the_same_weight_but_less_than_nothing_is_a_failure(tmp_path: Path) -> None:
    tracked = tmp_path / "number"
    server = RealServer("127.0.0.1", 8042, "FILE_CHECK {\ntrack_file tracked\nweight 1\n}", alpha=False)
    checker = FileChecker(path=tracked, base_weight=5)

    async def weigh(number: int, theirs: int) -> CheckResult:
        tracked.write_text(f"{number}\n", encoding="ascii")
        what = f"keepalived makes a weight of {theirs} of {number}"
        await eventually(lambda: weights().get(("127.0.0.1", 8042)) == theirs, what, _PATIENCE)
        return evolve(await checker.check(), elapsed=0.0)

    async def weigh_all() -> None:
        assert await weigh(0, 5) == CheckResult(ok=True, detail="the number is 0", weight=5)
        assert await weigh(3, 8) == CheckResult(ok=True, detail="the number is 3", weight=8)
        assert await weigh(-2, 3) == CheckResult(ok=True, detail="the number is -2", weight=3)
        assert await weigh(1000, 1005) == CheckResult(ok=True, detail="the number is 1000", weight=1005)
        assert await weigh(-5, 0) == CheckResult(ok=True, detail="the number is -5", weight=0)
        assert await weigh(1, 6) == CheckResult(ok=True, detail="the number is 1", weight=6)
        assert await weigh(-6, 0) == CheckResult(ok=False, detail="the number is -6")

    tracked.write_text("0\n", encoding="ascii")
    with checkers([server], tmp_path, tracked):
        asyncio.run(weigh_all())
