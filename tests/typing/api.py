"""The public API of the pure packages, used the way a user would; read by type checkers, never run."""

from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address
from typing import assert_never, assert_type

from vrrpkit.addresses import (
    VRRP_GROUP_V4,
    Family,
    IPAddress,
    MACAddress,
    family_of,
    parse_address,
    virtual_mac,
    vrrp_group,
)
from vrrpkit.election import (
    AcquireAddresses,
    Action,
    Active,
    AdvertReceived,
    AnnounceAddresses,
    Backup,
    Difference,
    Election,
    ElectionConfig,
    Event,
    Fault,
    FaultCleared,
    FaultRaised,
    Heard,
    Initialize,
    Phase,
    PrimaryAddressChanged,
    PriorityChanged,
    Reason,
    Reconfigured,
    ReleaseAddresses,
    Resumed,
    SendAdvertisement,
    Shutdown,
    Startup,
    State,
    StateChanged,
    SteppedDown,
    Suspended,
    TimerFired,
    active_down_interval,
    differences,
    screen,
    skew_time,
)
from vrrpkit.errors import ConfigError, VRRPKitError
from vrrpkit.machine import Machine
from vrrpkit.packet import (
    Advertisement,
    ChecksumForm,
    Datagram,
    Decoder,
    PacketError,
    Reject,
    Version,
    announcement_frame,
    decode,
    encode,
    gratuitous_arp,
    internet_checksum,
    unsolicited_na,
)

PHRASE = "1111"

# Addresses come as text or as objects, versions and passwords in the form at hand.
plain = ElectionConfig(vrid=51, addresses=["192.0.2.10"])
typed = ElectionConfig(vrid=51, addresses=(IPv4Address("192.0.2.10"),), version=Version.V3)
mixed = ElectionConfig(vrid=51, addresses=["192.0.2.10", IPv4Address("192.0.2.11")], unadvertised={"2001:db8::1"})
secret = ElectionConfig(vrid=51, addresses=["192.0.2.10"], version=2, password=PHRASE, advert_interval=1)
octets = ElectionConfig(vrid=51, addresses=["192.0.2.10"], version=2, password=b"1111")
assert_type(plain.addresses, tuple[IPAddress, ...])
assert_type(plain.all_addresses, tuple[IPAddress, ...])
assert_type(plain.version, Version)
assert_type(plain.password, bytes | None)
assert_type(plain.family, Family)
assert_type(plain.is_owner, bool)
assert_type(plain.answers_losers, bool)

# An election is a machine, and reading it needs no casts.
election = Election(plain, IPv4Address("192.0.2.2"))
machine: Machine[Event, Action] = election
assert_type(machine.handle(Startup(), 0.0), tuple[Action, ...])
assert_type(election.deadline, float | None)
assert_type(election.state, State)
assert_type(election.phase, Phase)
assert_type(election.causes, frozenset[str])
assert_type(election.priority, int)
assert_type(election.config, ElectionConfig)
assert_type(election.primary_address, IPAddress | None)
unaddressed = Election(plain)

events: list[Event] = [
    Startup(),
    Shutdown(),
    TimerFired(),
    PriorityChanged(90),
    PrimaryAddressChanged(IPv6Address("fe80::2")),
    FaultRaised("link:eth0"),
    FaultCleared("link:eth0"),
    Reconfigured(plain),
    SteppedDown(),
    Suspended(),
    Resumed(),
]


def perform(action: Action, transmit: Callable[[Datagram], None]) -> str:
    """Actions are a closed union: a shell that forgets one does not pass the type checker."""
    match action:
        case SendAdvertisement(advert):
            transmit(encode(advert, source=IPv4Address("192.0.2.2"), destination=VRRP_GROUP_V4))
            return "sent"
        case AcquireAddresses(addresses) | ReleaseAddresses(addresses) | AnnounceAddresses(addresses):
            assert_type(addresses, tuple[IPAddress, ...])
            return "done"
        case StateChanged(old=old, new=new, reason=reason, heard=heard):
            assert_type(old, State)
            assert_type(reason, Reason)
            assert_type(heard, Heard | None)
            return f"{old} -> {new}: {action.explanation}"
        case unreachable:
            assert_never(unreachable)


def describe(phase: Phase) -> float | None:
    """Phases carry what is true in them, and nothing else."""
    match phase:
        case Backup(down_at=down_at, heard=heard):
            return down_at if heard is None else heard.at
        case Active(advert_at=advert_at, sent_at=sent_at):
            return advert_at - sent_at
        case Initialize() | Fault():
            return phase.deadline
        case unreachable:
            assert_never(unreachable)


def receive(datagram: Datagram, decoder: Decoder, count: Callable[[Reject], None]) -> tuple[Action, ...]:
    """The way of a datagram: octets, configuration, election."""
    try:
        advert = decoder.decode(datagram)
    except PacketError as error:
        count(error.reason)
        return ()
    if (reject := screen(advert, plain)) is not None:
        assert_type(reject, Reject)
        count(reject)
        return ()
    assert_type(differences(advert, plain), tuple[Difference, ...])
    return election.handle(AdvertReceived(advert, datagram.source), 1.0)


def build() -> Datagram:
    advert = Advertisement(
        vrid=51,
        priority=100,
        interval=1,
        addresses=(IPv4Address("192.0.2.10"),),
        form=ChecksumForm.MESSAGE_ONLY,
    )
    assert_type(decode(Datagram(b"", IPv4Address(1), VRRP_GROUP_V4)), Advertisement)
    return encode(advert, source=IPv4Address("192.0.2.2"), destination=vrrp_group(advert.family))


def word(state: State) -> str:
    """Four states: keepalived's word for one of them is an alias, not a fifth."""
    match state:
        case State.INITIALIZE:
            return "INIT"
        case State.BACKUP:
            return "BACKUP"
        case State.ACTIVE:
            return "MASTER"
        case State.FAULT:
            return "FAULT"
        case unreachable:
            assert_never(unreachable)


def announce(address: IPAddress) -> bytes:
    mac = virtual_mac(51, family_of(address))
    assert_type(mac, MACAddress)
    if isinstance(address, IPv4Address):
        return gratuitous_arp(mac, address)
    return unsolicited_na(mac, address, router=False) or announcement_frame(mac, address)


def from_the_command_line(text: str) -> IPAddress | None:
    """Both families of errors may be caught: ours, or the builtin one."""
    try:
        return parse_address("addresses", text)
    except ConfigError as error:
        ours: VRRPKitError = error
        builtin: ValueError = error
        print(ours, builtin)  # noqa: T201
        return None


assert_type(skew_time(100, 1.0, Version.V3), float)
assert_type(active_down_interval(100, 1.0, Version.V2, adverts=5), float)
assert_type(internet_checksum(b"\x00\x01", 0xFFFF), int)

# What a user gets wrong is an error of the type checker; an ignore that is not needed would be one, too.
ElectionConfig(vrid="51", addresses=["192.0.2.10"])  # type: ignore[arg-type] # a number
ElectionConfig(vrid=51, addresses=[10])  # type: ignore[list-item] # text or an address
ElectionConfig(vrid=51)  # type: ignore[call-arg] # addresses are needed
plain.priority = 7  # type: ignore[misc] # frozen
Startup().x = 1  # type: ignore[attr-defined] # and slotted
FaultRaised("link:eth0").cause = "other"  # type: ignore[misc] # frozen for the type checker
election.handle("startup", 0.0)  # type: ignore[arg-type] # events are values, not words
Advertisement(51, 100)  # type: ignore[call-arg] # by name only
ElectionConfig(51, ["192.0.2.10"])  # type: ignore[call-arg] # by name only
Election(plain, None, Initialize())  # type: ignore[call-arg] # every election begins at the beginning
StateChanged(State.BACKUP, State.ACTIVE, Reason.OWNER, 0.0, 255)  # type: ignore[call-arg] # by name only
decode(b"")  # type: ignore[arg-type] # a checksum needs the addresses
