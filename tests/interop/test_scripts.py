"""Check scripts: keepalived and vrrpkit run the same ones side by side, and agree but for what is said here."""

from __future__ import annotations

from itertools import groupby

import pytest

from tests.interop.tables import Ours, Side, Table, Theirs, play, start
from tests.support.lab import Lab

pytestmark = pytest.mark.interop


@pytest.mark.conforms("keyword vrrp_script/rise", "keyword vrrp_script/fall")
def test_rise_and_fall_count_results_in_a_row() -> None:
    tables = (
        Table("each", "0 1 0 1 1 0", "1 BACKUP, 2 FAULT, 3 BACKUP, 4 FAULT, 6 BACKUP"),
        Table("fall-3", "0 1 1 0 1 1 1 0 0", "1 BACKUP, 7 FAULT, 9 BACKUP", rise=2, fall=3),
        Table("rise-3", "1 0 1 0 0 0 1 0 1 1", "1 FAULT, 6 BACKUP, 10 FAULT", rise=3, fall=2),
        Table("first-is-up", "0 1 1 1 0 0 0", "1 BACKUP, 4 FAULT, 7 BACKUP", rise=3, fall=3),
        Table("first-is-down", "1 0 0 0 1 1 1", "1 FAULT, 4 BACKUP, 7 FAULT", rise=3, fall=3),
        Table("flapping-up", "0 1 0 1 0 1 0 1", "1 BACKUP", rise=2, fall=2),
        Table("flapping-down", "1 0 1 0 1 0 1 0", "1 FAULT", rise=2, fall=2),
    )
    with Lab() as lab:
        play(lab, tables)


@pytest.mark.conforms("keyword vrrp_script/script")
def test_anything_but_exit_0_in_time_is_a_failure() -> None:
    failing = ", ".join(f"{run} BACKUP, {run + 1} FAULT" for run in (1, 3, 5, 7, 9))
    codes = Table("codes", "0 1 0 2 0 126 0 127 0 255", failing)
    signals = Table("signals", "0 KILL 0 SEGV 0 TERM", failing.partition(", 7")[0])
    hanging = Table("hanging", "0 hang 0 0", "1 BACKUP, 2 FAULT, 4 BACKUP", interval=2, timeout=1, rise=2)
    with Lab() as lab:
        ours = play(lab, (codes, signals, hanging))
        assert ours.reasons(codes)[1::2] == [
            "down: exit 1",
            "down: exit 2",
            "down: exit 126 (not executable)",
            "down: exit 127 (not found)",
            "down: exit 255",
        ]
        assert ours.reasons(signals)[1::2] == [
            "down: killed by SIGKILL",
            "down: killed by SIGSEGV",
            "down: killed by SIGTERM",
        ]
        assert ours.reasons(hanging) == ["up: exit 0", "down: timed out after 1 s", "up: exit 0"]


@pytest.mark.conforms("keyword vrrp_script/weight")
def test_weights_count_while_up_or_while_down() -> None:
    tables = (
        Table("plus", "0 1 0", "1 120, 2 100, 3 120", weight=20),
        Table("minus", "0 1 0", "2 80, 3 100", weight=-20),
        Table("most", "0 1 0", "1 254, 2 100, 3 254", weight=253),
        Table("least", "0 1 0", "2 1, 3 100", weight=-253),
        Table("plus-fall-2", "0 1 0 1 1", "1 120, 5 100", weight=20, fall=2),
        Table("plus-reverse", "0 1 0", "1 80, 2 100, 3 80", weight=20, reverse=True),
        Table("minus-reverse", "0 1 0", "2 120, 3 100", weight=-20, reverse=True),
        Table("none-reverse", "0 1 0", "1 FAULT, 2 BACKUP, 3 FAULT", reverse=True),
    )
    with Lab() as lab:
        play(lab, tables)


def test_script_without_a_result_holds_its_router_back_unless_it_has_a_weight() -> None:
    none = Table("none", "wait-0", "", advert_interval=0.2, timeout=60)
    plus = Table("plus", "wait-0", "", advert_interval=0.2, timeout=60, weight=20)
    minus = Table("minus", "wait-1", "", advert_interval=0.2, timeout=60, weight=-20)
    tables = (none, plus, minus)
    with Lab() as lab:
        sides = (start(lab.one, Ours, tables), start(lab.two, Theirs, tables))

        def sent() -> list[list[list[int]]]:
            return [[priorities(lab, side, table) for table in tables] for side in sides]

        quiet = [[], [100], [100]]
        lab.until(lambda: sent() == [quiet, quiet], "those with a weight are Active with what they have")
        seen = len(lab.capture.seen)
        lab.until(lambda: len(lab.capture.seen) > seen + 20, "a while goes by")
        assert sent() == [quiet, quiet]

        for side in sides:
            side.open_gate()
        loud = [[100], [100, 120], [100, 80]]
        lab.until(lambda: sent() == [loud, loud], "the first results count")
        for side in sides:
            side.stop()


def priorities(lab: Lab, side: Side, table: Table) -> list[int]:
    """The priorities that one side has advertised for a table, in order; what is repeated counts once."""
    adverts = lab.capture.adverts(side.vrid(table))
    return [priority for priority, _ in groupby(seen.advert.priority for seen in adverts)]


def test_what_cannot_be_run_has_failed() -> None:
    """keepalived takes it for a success, or does not track it: a typing error in its name is never found."""
    exits = "its child ends with exit code 0 when it cannot become the program"
    drops = "it looks for the program at the start, and no longer tracks a script that it does not find fit"
    with Lab() as lab:
        make_programs(lab)

        def table(name: str, program: str, theirs: str, why: str) -> Table:
            return Table(name, "", "0 FAULT", theirs=theirs, why=why, program=program.format(lab.folder))

        tables = (
            Table("control", "0 0 0", "1 BACKUP"),
            table("bad-interpreter", "{}/bad-interpreter", "0 BACKUP", exits),
            table("no-interpreter", "{}/no-interpreter", "0 BACKUP", exits),
            table("not-executable", "{}/not-executable", "0 BACKUP", drops),
            table("missing", "{}/missing", "0 BACKUP", drops),
            table("not-on-path", "no-such-program", "0 BACKUP", drops),
            table("directory", "{}/open", "0 BACKUP", drops),
            table("insecure", "{}/open/insecure", "0 BACKUP", "it looks only with enable_script_security"),
            table("missing-for-a-shell", "/bin/sh -c {}/missing", "0 FAULT", "the shell ends with exit code 127"),
        )
        ours = play(lab, tables)
        reasons = {table.name: " ".join(ours.reasons(table)) for table in tables}
        fragments = {
            "bad-interpreter": "there is no interpreter '/nowhere/interpreter'",
            "no-interpreter": "neither a program nor a script that begins with #!",
            "not-executable": "not executable",
            "missing": "no such file",
            "not-on-path": "not found on PATH",
            "directory": "not a file",
            "insecure": "others than root may write",
            "missing-for-a-shell": "exit 127 (not found)",
        }
        assert [reasons[name] for name, fragment in fragments.items() if fragment not in reasons[name]] == []


def make_programs(lab: Lab) -> None:
    """Programs that cannot be run, and one that should not."""
    (lab.folder / "open").mkdir()
    (lab.folder / "open").chmod(0o777)
    for name, text, mode in (
        ("bad-interpreter", "#!/nowhere/interpreter\n", 0o755),
        ("no-interpreter", "exit 1\n", 0o755),
        ("not-executable", "#!/bin/sh\n", 0o644),
        ("open/insecure", "#!/bin/sh\n", 0o755),
    ):
        (lab.folder / name).write_text(text)
        (lab.folder / name).chmod(mode)


@pytest.mark.conforms("keyword vrrp_script/timeout")
def test_script_that_takes_too_long_has_failed_whatever_it_does_then() -> None:
    failing = "1 BACKUP, 2 FAULT, 3 BACKUP, 4 FAULT"
    polite = Table(
        "polite",
        "0 polite 0 1",
        failing,
        theirs="1 BACKUP, 4 FAULT",
        why="exits with 0 after SIGTERM, which is a success like any other",
        interval=2,
        timeout=1,
    )
    deaf = Table(
        "deaf",
        "0 deaf 0 1",
        failing,
        theirs="1 BACKUP, 4 FAULT",
        why="runs on beside the next one, and its own end is never noticed",
        timeout=1,
    )
    deaf_for_long = Table(
        "deaf-for-long",
        "0 deaf 0",
        "1 BACKUP, 2 FAULT, 3 BACKUP",
        theirs="1 BACKUP",
        why="counts as one failure at most; here as one for each interval that it lasts",
        timeout=1,
        fall=2,
    )
    deaf_in_time = Table("deaf-in-time", "deaf 0", "1 FAULT, 2 BACKUP", interval=4, timeout=1)
    with Lab() as lab:
        play(lab, (polite, deaf, deaf_for_long, deaf_in_time))


def test_script_never_runs_twice_at_once() -> None:
    """keepalived 2.2.7 says in its log that it skips a run, and then runs it beside the one before."""
    slow = Table("slow", "slow slow 1", "1 BACKUP, 3 FAULT")
    with Lab() as lab:
        ours, theirs = start(lab.one, Ours, (slow,)), start(lab.two, Theirs, (slow,))
        lab.until(lambda: ours.is_over(slow) and theirs.is_over(slow), "both are over")
        assert ours.told(slow) == slow.ours
        assert runs(ours, slow)[:5] == ["RUN 1", "END 1", "RUN 2", "END 2", "RUN 3"]
        assert runs(theirs, slow)[:2] == ["RUN 1", "RUN 2"]
        assert "Track script slow is already running, expect idle - skipping run" in theirs.log


def runs(side: Side, table: Table) -> list[str]:
    return [" ".join(words) for words in side.of(table) if words[0] in {"RUN", "END"}]


@pytest.mark.conforms("keyword vrrp_script/init_fail")
def test_init_fail_means_down_until_there_have_been_successes_enough() -> None:
    table = Table(
        "init-fail",
        "0 0 0 1 0 0 0",
        "0 FAULT, 3 BACKUP, 4 FAULT, 7 BACKUP",
        theirs="1 BACKUP, 4 FAULT, 7 BACKUP",
        why="forgets init_fail when an instance tracks the script, so that the first result decides",
        rise=3,
        init_fail=True,
    )
    with Lab() as lab:
        play(lab, (table,))
