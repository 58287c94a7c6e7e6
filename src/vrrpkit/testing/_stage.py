"""A simulation of a scenario's machines, and what is done to them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, assert_never

from attrs import define, field

from vrrpkit.addresses import Family, IPAddress
from vrrpkit.election import FaultCleared, FaultRaised, State
from vrrpkit.packet import Datagram
from vrrpkit.testing._mishaps import Act, Burst, Drift, Heal, Lose, Mishap, Post, Split, Strike
from vrrpkit.testing._scenario import Machine, Scenario, router_name
from vrrpkit.testing._simulated import SimulatedRouter
from vrrpkit.testing._simulation import Simulation

__all__ = ["LINK", "Stage"]

LINK: Final = "link:eth0"


@define(eq=False)
class Stage:
    """Sets up a simulation, and lets mishaps befall it.

    Attributes:
        sim: The simulation.
    """

    scenario: Scenario
    _simulation: Callable[..., Simulation]
    sim: Simulation = field(init=False)
    _crews: dict[str, list[SimulatedRouter]] = field(factory=dict, init=False)
    _split: bool = field(default=False, init=False)
    _lossy: dict[tuple[str, str], float] = field(factory=dict, init=False)
    _down: set[str] = field(factory=set, init=False)
    _said: dict[IPAddress, Datagram] = field(factory=dict, init=False)

    def __attrs_post_init__(self) -> None:
        """Add the routers and start them."""
        play = self.scenario
        self.sim = self._simulation(
            play.seed,
            delay=play.delay,
            jitter=play.jitter,
            loss=play.loss,
            duplication=play.duplication,
            reordering=play.reordering,
            lateness=play.lateness,
        )
        for machine in play.machines:
            self._crews[machine.name] = self._add(machine)
        if any(isinstance(each, Strike) and each.act is Act.REPLAY for each in play.mishaps):
            self.sim.listen(self._remember)
        self.sim.start()

    @property
    def is_whole(self) -> bool:
        """Whether nothing gets lost between machines whose links are up."""
        return not (self._split or self.sim.loss or any(self._lossy.values()))

    def befall(self, mishap: Mishap) -> None:
        """Let it happen, now."""
        match mishap:
            case Strike():
                self._strike(mishap.machine, mishap.act)
            case Post():
                for router in self._crews[mishap.machine]:
                    router.post(mishap.event)
            case Drift():
                for router in self._crews[mishap.machine]:
                    router.skew = mishap.rate
            case Lose():
                self._lossy[mishap.sender, mishap.receiver] = mishap.probability
                self._connect(mishap.sender, mishap.receiver)
            case Split():
                self._split = True
                self.sim.partition(*[[r for name in group for r in self._crews[name]] for group in mishap.groups])
            case Heal():
                self.heal()
            case Burst():
                self.sim.loss = mishap.loss
                self.sim.note("", f"everybody loses {mishap.loss:g}")
            case unreachable:
                assert_never(unreachable)

    def heal(self) -> None:
        """The network is one again; what a link that is down keeps away stays away."""
        self._split, self._lossy = False, {}
        self.sim.heal()
        for name in sorted(self._down):
            self._connect_all(name)

    def make_peace(self) -> None:
        """From now on nothing is lost, and nobody is stopped."""
        self.heal()
        self.sim.loss = 0.0
        for router in self.sim.routers.values():
            router.resume()

    def _add(self, machine: Machine) -> list[SimulatedRouter]:
        crew = []
        for config in machine.routers:
            others = [each for each in self.scenario.machines if each is not machine]
            router = self.sim.add(
                router_name(machine, config),
                config,
                address=self.scenario.address(machine, config.family),
                peers=[self.scenario.address(each, config.family) for each in others] if self.scenario.unicast else (),
            )
            router.skew = machine.skew
            crew.append(router)
        return crew

    def _strike(self, name: str, act: Act) -> None:
        crew = self._crews[name]
        match act:
            case Act.START:
                self._start(name)
            case Act.KILL:
                for router in crew:
                    router.kill()
            case Act.STOP:
                for router in crew:
                    router.shutdown()
            case Act.PAUSE:
                for router in crew:
                    router.pause()
            case Act.RESUME:
                for router in crew:
                    router.resume()
            case Act.LINK_DOWN:
                self._switch_link(name, down=True)
            case Act.LINK_UP:
                self._switch_link(name, down=False)
            case Act.REPLAY:
                self._replay(name)
            case unreachable:
                assert_never(unreachable)

    def _start(self, name: str) -> None:
        for router in self._crews[name]:
            if not router.alive or router.state is State.INITIALIZE:
                router.start()
                if name in self._down:
                    router.post(FaultRaised(LINK))

    def _switch_link(self, name: str, *, down: bool) -> None:
        if down is (name in self._down):
            return
        self._down ^= {name}
        self._connect_all(name)
        for router in self._crews[name]:
            router.post(FaultRaised(LINK) if down else FaultCleared(LINK))

    def _connect_all(self, name: str) -> None:
        for other in self._crews:
            if other != name:
                self._connect(name, other)
                self._connect(other, name)

    def _connect(self, sender: str, receiver: str) -> None:
        """Let as much through from one machine to another as there should be."""
        loss = 1.0 if self._down & {sender, receiver} else self._lossy.get((sender, receiver))
        for one in self._crews[sender]:
            for other in self._crews[receiver]:
                if loss is None:
                    self.sim.restore(one, other)
                else:
                    self.sim.lose(one, other, loss)

    def _remember(self, datagram: Datagram) -> None:
        self._said[datagram.source] = datagram

    def _replay(self, name: str) -> None:
        machine = next(each for each in self.scenario.machines if each.name == name)
        for family in Family:
            datagram = self._said.get(self.scenario.address(machine, family))
            if datagram is not None:
                self.sim.inject(datagram)
