"""Every keyword of keepalived's VRRP scripts, instances and sync groups as a building block, on real links.

The tests have the names of the keywords. Where keepalived can be asked, it runs beside and is told the same.
"""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from attrs import evolve

from tests.interop.article import in_lab, keepalived, priorities, until, write_script
from tests.support.capture import overlaps
from tests.support.lab import Lab
from tests.support.lab import Node as LabNode
from vrrpkit import ConfigError, ElectionConfig, State, Version
from vrrpkit.checks import Schedule
from vrrpkit.commands import Command
from vrrpkit.linux import Node, Placement
from vrrpkit.notifications import ScriptNotifier
from vrrpkit.packet import Advertisement
from vrrpkit.trackers import InterfaceTracker, ScriptTracker
from vrrpkit.tracking import FirstResult

pytestmark = pytest.mark.interop

FIRST, SECOND = IPv4Address("10.77.0.100"), IPv4Address("10.77.0.101")
CONFIG = ElectionConfig(vrid=51, addresses=[FIRST], priority=50, advert_interval=0.1)
OFTEN = Schedule(interval=0.5)

# The article's instance with two addresses. Its password has to be quoted: for keepalived an ! begins a comment.
ARTICLE = """
vrrp_instance VR_150_IPV4 {
    state MASTER
    interface eth0
    virtual_router_id 150
    priority 50
    advert_int 1
    authentication {
        auth_type PASS
        auth_pass "k@l!ve12"
    }
    virtual_ipaddress {
        10.77.0.100/24
        10.77.0.101/24
    }
}
"""
SHARED = "k@l!ve12"
OURS = ElectionConfig(vrid=150, addresses=[FIRST, SECOND], priority=50, version=Version.V2, password=SHARED)
PLACEMENTS = [Placement(address=f"{FIRST}/24"), Placement(address=f"{SECOND}/24")]


# VRRP scripts


@pytest.mark.conforms("keyword vrrp_script/script", "keyword vrrp_script/weight")
@in_lab()
async def test_script(lab: Lab) -> None:
    well = lab.folder / "well"
    check = ScriptTracker("check", Command(["/usr/bin/test", "-e", well]), OFTEN)
    async with Node(netns=lab.one.namespace) as node, check:
        router = await node.add_router("eth0", CONFIG, tracks=[check])
        await until(lab, lambda: check.reading is False, "exit code 1 is a failure")
        assert router.state is State.FAULT
        well.touch()
        await until(lab, lambda: router.state is State.ACTIVE, "exit code 0 is a success")
        await until(lab, lambda: FIRST in lab.one.held(), "the address is here")
        well.unlink()
        await until(lab, lambda: router.state is State.FAULT, "a failure is a fault")
        await until(lab, lambda: FIRST not in lab.one.held(), "the address has gone")


@pytest.mark.conforms("keyword vrrp_script/interval")
@in_lab()
async def test_interval(lab: Lab) -> None:
    assert Schedule().interval == 1.0
    clock = lab.folder / "clock"
    clock.touch()
    line = f"read -r now rest < /proc/uptime; echo $now >> {clock}"
    async with ScriptTracker("check", Command.shell(line), Schedule(interval=0.4)):
        times = await until(lab, lambda: clock.read_text().split()[5:], "it has run six times")
    assert float(times[0]) - float(clock.read_text().split()[0]) > 5 * 0.4 - 0.3  # the first may have been late


@pytest.mark.conforms("keyword vrrp_script/timeout")
@in_lab()
async def test_timeout(lab: Lab) -> None:
    number = lab.folder / "number"
    line = f"echo $$ > {number}; exec sleep 15"
    async with ScriptTracker("check", Command.shell(line), Schedule(interval=2, timeout=1)) as check:
        await until(lab, lambda: check.reading is False, "what takes longer has failed")
        assert check.detail == "timed out after 1 s"
        await until(lab, lambda: not Path("/proc", number.read_text().strip()).exists(), "it has been ended")


@pytest.mark.conforms("keyword vrrp_script/weight")
@in_lab()
async def test_weight(lab: Lab) -> None:
    well = lab.folder / "well"
    check = ScriptTracker("check", Command(["/usr/bin/test", "-e", well]), OFTEN, weight=2)
    async with Node(netns=lab.one.namespace) as node, check:
        router = await node.add_router("eth0", CONFIG, tracks=[check])
        await until(lab, lambda: priorities(lab) == [50], "a failure is no fault")
        well.touch()
        await until(lab, lambda: priorities(lab) == [50, 52], "a success counts")
        assert router.standing.explanation == "priority 52 = 50 +2 (check up)"
        well.unlink()
        await until(lab, lambda: priorities(lab) == [50, 52, 50], "and counts no more")
    with pytest.raises(ConfigError, match="weight must be -253 to 253"):
        ScriptTracker("check", Command(["true"]), weight=-254)


@pytest.mark.conforms("keyword vrrp_script/rise")
@in_lab()
async def test_rise(lab: Lab) -> None:
    assert await verdicts(lab, "1 0 0 0", Schedule(interval=0.5, rise=3)) == [(1, False), (4, True)]


@pytest.mark.conforms("keyword vrrp_script/fall")
@in_lab()
async def test_fall(lab: Lab) -> None:
    assert await verdicts(lab, "0 1 1 1", Schedule(interval=0.5, fall=3)) == [(1, True), (4, False)]


@pytest.mark.conforms("keyword vrrp_script/init_fail")
@in_lab()
async def test_init_fail(lab: Lab) -> None:
    schedule = Schedule(interval=0.5, rise=3, first=FirstResult.ASSUME_DOWN)
    assert await verdicts(lab, "0 0 0 1", schedule) == [(0, False), (3, True), (4, False)]


async def verdicts(lab: Lab, codes: str, schedule: Schedule) -> list[tuple[int, object]]:
    """What a script's exit codes lead to, and after which run; the last code is repeated."""
    runs = lab.folder / "runs"
    runs.touch()
    line = f'echo >> {runs}; n=$(wc -l < {runs}); set -- {codes}; shift $((n > $# ? $# - 1 : n - 1)); exit "$1"'
    check = ScriptTracker("check", Command.shell(line), schedule)
    found: list[tuple[int, object]] = []
    check.watch(lambda: found.append((runs.read_text().count("\n"), check.reading)))
    async with check:
        await until(lab, lambda: runs.read_text().count("\n") > len(codes.split()), "all codes were returned")
    return found


@pytest.mark.conforms("keyword vrrp_script/user")
@in_lab()
async def test_user_and_the_group_that_defaults_to_the_users(lab: Lab) -> None:
    lab.folder.chmod(0o755)
    script = write_script(lab.folder / "whoami", 'echo "$(id -u):$(id -g)" > "$1"')
    names = ("theirs-user", "theirs-group", "ours-user", "ours-group")
    notes = {name: note_for_all(lab.folder / name) for name in names}
    text = f"""
vrrp_script user {{
    script "{script} {notes["theirs-user"]}"
    user nobody
}}
vrrp_script group {{
    script "{script} {notes["theirs-group"]}"
    user nobody daemon
}}
"""
    keepalived(lab.two, text + instance("track_script {", "user", "group", "}"))
    user = ScriptTracker("user", Command([script, notes["ours-user"]], user="nobody"))
    group = ScriptTracker("group", Command([script, notes["ours-group"]], user="nobody", group="daemon"))
    async with user, group:
        await until(lab, lambda: all(note.read_text() for note in notes.values()), "all have run")
    assert {name: note.read_text().strip() for name, note in notes.items()} == {
        "theirs-user": "65534:65534",
        "theirs-group": "65534:1",
        "ours-user": "65534:65534",
        "ours-group": "65534:1",
    }


def note_for_all(path: Path) -> Path:
    """A file to which everybody may write."""
    path.touch()
    path.chmod(0o666)
    return path


# VRRP instances


@pytest.mark.conforms("keyword vrrp_instance/state")
@in_lab()
async def test_state(lab: Lab) -> None:
    """A wish of keepalived's that decides nothing, so ours cannot be wished: the priority decides, and 255 at once."""
    async with Node(netns=lab.one.namespace) as node:
        router = await node.add_router("eth0", evolve(OURS, priority=255), placements=PLACEMENTS)
        assert router.state is State.ACTIVE
        router.set_priority(60)
        theirs = keepalived(lab.two, ARTICLE)
        await until(lab, lambda: theirs.state(150) == "backup", "the wish does not make it Active")
        heard = len(lab.capture.adverts(150))
        await until(lab, lambda: len(lab.capture.adverts(150)) > heard + 3, "three intervals and more")
        assert [change.state for change in theirs.changes] == ["backup"]
        router.set_priority(40)
        await until(lab, lambda: theirs.state(150) == "active", "the priority does")
        await until(lab, lambda: router.state is State.BACKUP, "and the other one yields")


@pytest.mark.conforms("keyword vrrp_instance/interface")
@in_lab(links=2)
async def test_interface(lab: Lab) -> None:
    async with Node(netns=lab.one.namespace) as node:
        router = await node.add_router("eth1", CONFIG)
        await until(lab, lambda: router.state is State.ACTIVE, "it is Active")
        await until(lab, lambda: len(lab.capture.adverts(51)) > 3, "it advertises")
        shown = lab.one.run("ip", "address", "show", "dev", "eth1")
        assert f"inet {FIRST}/32" in shown
    assert {(seen.node, seen.source) for seen in lab.capture.adverts(51)} == {("one.1", lab.one.address(1))}


@pytest.mark.conforms(
    "keyword vrrp_instance/virtual_router_id",
    "keyword vrrp_instance/priority",
    "keyword vrrp_instance/advert_int",
    "keyword vrrp_instance/authentication",
)
@in_lab()
async def test_virtual_router_id_priority_advert_int_and_authentication(lab: Lab) -> None:
    async with Node(netns=lab.one.namespace) as node:
        with lab.two.isolated():
            theirs = keepalived(lab.two, ARTICLE)
            ours = await node.add_router("eth0", OURS, placements=PLACEMENTS)
            await until(lab, lambda: ours.state is State.ACTIVE and theirs.state(150) == "active", "both are Active")
            sent = await until(lab, lambda: sent_by(lab, "one") & sent_by(lab, "two"), "both send the same")
        (advert,) = sent
        assert (advert.vrid, advert.priority, advert.interval, advert.version) == (150, 50, 1.0, Version.V2)
        assert (advert.addresses, advert.password) == ((FIRST, SECOND), SHARED.encode())
        await until(lab, lambda: ours.state is State.BACKUP, "it hears and believes the one with the higher address")
    with pytest.raises(ConfigError, match="password must be"):
        evolve(OURS, password=f"{SHARED}3")


def sent_by(lab: Lab, node: str) -> set[Advertisement]:
    return {seen.advert for seen in lab.capture.adverts(150) if seen.node == node}


@pytest.mark.conforms("keyword vrrp_instance/virtual_ipaddress")
@in_lab()
async def test_virtual_ipaddress(lab: Lab) -> None:
    async with Node(netns=lab.one.namespace) as node:
        router = await node.add_router("eth0", evolve(OURS, priority=40), placements=PLACEMENTS)
        await until(lab, lambda: router.state is State.ACTIVE, "it is Active")
        await until(lab, lambda: held(lab.one) == {f"{FIRST}/24", f"{SECOND}/24"}, "it has both addresses")
        theirs = keepalived(lab.two, ARTICLE)
        await until(lab, lambda: theirs.state(150) == "active", "keepalived takes over")
        await until(lab, lambda: held(lab.two) == {f"{FIRST}/24", f"{SECOND}/24"}, "it has both addresses")
        await until(lab, lambda: held(lab.one) == set(), "and we have none")


@pytest.mark.conforms("keyword vrrp_instance/track_interface")
@in_lab(links=2)
async def test_track_interface(lab: Lab) -> None:
    netns = lab.one.namespace
    async with Node(netns=netns) as node, InterfaceTracker("eth1", netns=netns) as uplink:
        router = await node.add_router("eth0", CONFIG, tracks=[uplink])
        await until(lab, lambda: router.state is State.ACTIVE, "it is up")
        lab.one.cut(1)
        await until(lab, lambda: router.state is State.FAULT, "down is a fault")
        assert router.snapshot().causes == {"track:eth1"}
        lab.one.repair(1)
        await until(lab, lambda: router.state is State.ACTIVE, "it is up again")


@pytest.mark.conforms("keyword vrrp_instance/track_interface")
@in_lab(links=2)
async def test_track_interface_weight(lab: Lab) -> None:
    netns = lab.one.namespace
    async with Node(netns=netns) as node, InterfaceTracker("eth1", netns=netns, weight=-20) as uplink:
        await node.add_router("eth0", CONFIG, tracks=[uplink])
        await until(lab, lambda: priorities(lab) == [50], "it is up")
        lab.one.cut(1)
        await until(lab, lambda: priorities(lab) == [50, 30], "down costs 20")
        lab.one.repair(1)
        await until(lab, lambda: priorities(lab) == [50, 30, 50], "it is up again")


@pytest.mark.conforms("keyword vrrp_instance/track_script")
@in_lab()
async def test_track_script_with_a_weight_of_its_own(lab: Lab) -> None:
    well = lab.folder / "well"
    check = ScriptTracker("check", Command(["/usr/bin/test", "-e", well]), OFTEN, weight=10)
    async with Node(netns=lab.one.namespace) as node, check:
        await node.add_router("eth0", CONFIG, tracks=[check])
        other = evolve(CONFIG, vrid=52, addresses=[SECOND])
        await node.add_router("eth0", other, tracks=[check.weighing(-30)])
        await until(lab, lambda: (priorities(lab, 51), priorities(lab, 52)) == ([50], [20]), "it fails")
        well.touch()
        await until(lab, lambda: (priorities(lab, 51), priorities(lab, 52)) == ([50, 60], [20, 50]), "it is well")


@pytest.mark.conforms("keyword vrrp_instance/notify_master, notify_backup, notify_fault, notify_stop")
@in_lab()
async def test_notify_master_backup_fault_and_stop(lab: Lab) -> None:
    script, theirs, ours = notes(lab, 'note=$1; shift; echo "$(id -u):$(id -g) $*" >> "$note"')
    notifier = ScriptNotifier(
        notify_master=Command([script, ours, "it", "is", "master"]),
        notify_backup=Command([script, ours, "it", "is", "backup"], user="nobody"),
        notify_fault=Command([script, ours, "it", "is", "fault"], user="nobody", group="daemon"),
        notify_stop=Command([script, ours, "it", "is", "stop"]),
    )
    async with notifier, Node(netns=lab.one.namespace) as node:
        router = await node.add_router("eth0", CONFIG, notify=[notifier])
        await live(lab, lab.one, lambda: router.state)
    told = instance(
        f'notify_master "{script} {theirs} it is master"',
        f'notify_backup "{script} {theirs} it is backup" nobody',
        f'notify_fault "{script} {theirs} it is fault" nobody daemon',
        f'notify_stop "{script} {theirs} it is stop"',
    )
    await live_keepalived(lab, lab.two, told)
    master, backup, fault = "0:0 it is master", "65534:65534 it is backup", "65534:1 it is fault"
    assert lines(ours) == [backup, master, fault, backup, master, "0:0 it is stop"]
    await until(lab, lambda: sorted(lines(theirs)) == sorted(lines(ours)), "keepalived runs the same, in any order")


@pytest.mark.conforms("keyword vrrp_instance/notify")
@in_lab()
async def test_notify(lab: Lab) -> None:
    script, theirs, ours = notes(lab, 'note=$1; shift; echo "$*" >> "$note"')
    notifier = ScriptNotifier(
        notify_master=Command([script, ours, "first", "this"]), notify=Command([script, ours, "my", "own"])
    )
    async with notifier, Node(netns=lab.one.namespace) as node:
        router = await node.add_router("eth0", CONFIG, name="VR_51_IPV4", notify=[notifier])
        await live(lab, lab.one, lambda: router.state)
    text = instance(f'notify_master "{script} {theirs} first this"', f'notify "{script} {theirs} my own"')
    await live_keepalived(lab, lab.two, text)
    told = "my own INSTANCE VR_51_IPV4"
    assert lines(ours) == [
        f"{told} BACKUP 50",
        "first this",
        f"{told} MASTER 50",
        f"{told} FAULT 50",
        f"{told} BACKUP 50",
        "first this",
        f"{told} MASTER 50",
        f"{told} STOP 50",
    ]
    await until(lab, lambda: sorted(lines(theirs)) == sorted(lines(ours)), "keepalived runs the same, in any order")


def notes(lab: Lab, text: str) -> tuple[Path, Path, Path]:
    """A script that writes to the file that is its first argument, and two such files."""
    lab.folder.chmod(0o755)
    theirs, ours = (note_for_all(lab.folder / name) for name in ("theirs", "ours"))
    return write_script(lab.folder / "note", text), theirs, ours


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines()


async def live(lab: Lab, node: LabNode, state: Callable[[], str], link: int = 0) -> None:
    """Let a router become Active, lose its link, and become Active again."""
    await until(lab, lambda: state() == "active", "it is Active")
    node.cut(link)
    await until(lab, lambda: state() == "fault", "it is in fault")
    node.repair(link)
    await until(lab, lambda: state() == "active", "it is Active again")


async def live_keepalived(lab: Lab, node: LabNode, text: str, link: int = 0) -> None:
    """The same for keepalived, to its end."""
    theirs = keepalived(node, text)
    await live(lab, node, lambda: theirs.state(51), link)
    theirs.stop()


# Sync groups


@pytest.mark.conforms(
    "keyword vrrp_sync_group/group", "keyword vrrp_sync_group/notify_master, notify_backup, notify_fault, notify"
)
@in_lab(links=2)
async def test_sync_group_and_its_notify(lab: Lab) -> None:
    script, theirs, ours = notes(lab, 'note=$1; shift; echo "$*" >> "$note"')
    notifier = ScriptNotifier(
        notify_master=Command([script, ours, "all", "master"]),
        notify_backup=Command([script, ours, "all", "backup"]),
        notify_fault=Command([script, ours, "all", "fault"]),
        notify_stop=Command([script, ours, "all", "stop"]),
        notify=Command([script, ours]),
    )
    async with notifier, Node(netns=lab.one.namespace) as node:
        group = node.add_group("VG_1", notify=[notifier])
        inside = await node.add_router("eth0", CONFIG, group=group)
        outside = await node.add_router("eth1", evolve(CONFIG, vrid=52, addresses=[SECOND]), group=group)
        group.start()
        await until(lab, lambda: group.state is State.ACTIVE, "all are Active")
        assert (inside.state, outside.state) == (State.ACTIVE, State.ACTIVE)
        await until(lab, lambda: held(lab.one) == {f"{FIRST}/32", f"{SECOND}/32"}, "all addresses are here")
        lab.one.cut(1)
        await until(lab, lambda: group.state is State.FAULT, "one is in fault, and so are all")
        assert (inside.state, outside.state) == (State.FAULT, State.FAULT)
        await until(lab, lambda: held(lab.one) == set(), "no address is here")
        lab.one.repair(1)
        await until(lab, lambda: group.state is State.ACTIVE, "all are Active again")
    group_text = "\n".join(
        [
            instance(),
            instance(vrid=52, interface="eth1", address=SECOND),
            "vrrp_sync_group VG_1 { group { VR_51_IPV4 VR_52_IPV4 }",
            *(f'notify_{word} "{script} {theirs} all {word}"' for word in ("master", "backup", "fault", "stop")),
            f'notify "{script} {theirs}"',
            "}",
        ]
    )
    await live_keepalived(lab, lab.two, group_text, link=1)
    told = [f"GROUP VG_1 {word} 0" for word in ("BACKUP", "MASTER", "FAULT", "BACKUP", "MASTER", "STOP")]
    assert [line for line in lines(ours) if line.startswith("GROUP")] == told
    assert len(lines(ours)) == 12
    await until(lab, lambda: sorted(lines(theirs)) == sorted(lines(ours)), "keepalived runs the same, in any order")


# The article's whole example


@pytest.mark.conforms("keyword vrrp_instance/track_script")
@in_lab()
async def test_addresses_follow_the_check_scripts(lab: Lab) -> None:
    """Priority 101 here, 100 there, and 2 more for whoever is well."""
    ours, theirs = lab.folder / "ours-is-well", lab.folder / "theirs-is-well"
    text = f"""
vrrp_script check {{
    script "/usr/bin/test -e {theirs}"
    interval 1
    weight 2
}}
{instance("track_script { check }", priority=100)}
"""
    check = ScriptTracker("check", Command(["/usr/bin/test", "-e", ours]), Schedule(interval=1), weight=2)
    lab.client.ask(FIRST)
    async with Node(netns=lab.one.namespace) as node, check:
        await node.add_router("eth0", evolve(CONFIG, priority=101), tracks=[check])
        other = keepalived(lab.two, f"global_defs {{\nscript_user root\n}}\n{text}")

        async def follows(node: LabNode) -> None:
            await until(lab, lambda: lab.holders(FIRST) == {node.name}, f"{node.name} has the address")
            await until(lab, lambda: lab.client.reaches(FIRST) == node.name, f"the client reaches {node.name}")

        ours.touch()
        theirs.touch()
        await follows(lab.one)
        ours.unlink()
        await follows(lab.two)
        theirs.unlink()
        await follows(lab.one)
        theirs.touch()
        await follows(lab.two)
        ours.touch()
        await follows(lab.one)
        other.stop()
    assert overlaps(lab.capture.adverts(51)) == ()


def instance(
    *more: str, vrid: int = 51, interface: str = "eth0", address: IPv4Address = FIRST, priority: int = 50
) -> str:
    """The same instance in keepalived's words."""
    lines = [
        f"vrrp_instance VR_{vrid}_IPV4 {{",
        f"interface {interface}",
        f"virtual_router_id {vrid}",
        f"priority {priority}",
        "version 3",
        "advert_int 0.1",
        f"virtual_ipaddress {{ {address}/32 }}",
        *more,
        "}",
    ]
    return "\n".join(lines)


def held(node: LabNode) -> set[str]:
    """The addresses of a node beyond its own, with their prefix lengths."""
    return {f"{address}/{one.prefix_length}" for address, one in node.held().items()}
