"""Following links and their addresses."""

from __future__ import annotations

import asyncio
import errno
import logging
from collections.abc import Callable, Iterable
from typing import TypeAlias

from attrs import define, field

from vrrpkit.addresses import IPAddress
from vrrpkit.errors import KernelError
from vrrpkit.linux._dumps import Dumps, find_link, read_addresses, read_tables
from vrrpkit.linux._link_table import LinkTable
from vrrpkit.linux._link_view import LinkView, primary_address
from vrrpkit.linux._monitor import RECEIVE_BUFFER, Monitor
from vrrpkit.linux._netlink import Requests
from vrrpkit.linux._rereader import Rereader
from vrrpkit.linux._rtnetlink import (
    RTM_DELADDR,
    RTM_DELLINK,
    RTM_NEWADDR,
    RTM_NEWLINK,
    RTNL_GROUPS,
    AddressFact,
    LinkFact,
    decode_link,
)
from vrrpkit.linux._wire import Message

__all__ = ["LinkView", "LinkWatcher", "primary_address"]

log = logging.getLogger("vrrpkit.links")

_Loss: TypeAlias = tuple[AddressFact, int]


@define(eq=False)
class _Watch:
    """The view of a name that was reported last, and whom to report the next to."""

    view: LinkView
    callbacks: list[Callable[[LinkView], None]] = field(factory=list)


class LinkWatcher:
    """Follows the links of one network namespace, on the running event loop.

    A view follows a name: its link may be deleted and made anew, or renamed. Addresses are kept of watched names
    only; news of others costs a look at its header.

    When the kernel says that news was lost, everything is read again in a thread. Until that is done the last views
    stand; then the difference is reported.

    Args:
        netns: The network namespace by name or path; None for the process's own.
        receive_buffer: For news that waits, in octets.

    Raises:
        KernelError: There is no such network namespace.
    """

    def __init__(self, netns: str | None = None, *, receive_buffer: int = RECEIVE_BUFFER) -> None:
        self._loop = asyncio.get_running_loop()
        self._watches: dict[str, _Watch] = {}
        self._mourners: list[Callable[[AddressFact, int], None]] = []
        self._changed: set[str] = set()
        self._requests = Requests(netns=netns)
        self._rereader = Rereader(self._reread, netns)
        # Subscribed first and read second: nothing happens unseen in between.
        self._monitor = Monitor(
            RTNL_GROUPS, self._take, self._rereader.begin, netns=netns, receive_buffer=receive_buffer
        )
        self._table = _table_of(read_tables(self._requests), ())

    def close(self) -> None:
        """Report nothing any more; twice is a no-op."""
        self._monitor.close()
        self._rereader.close()
        self._requests.close()

    def index(self, name: str) -> int | None:
        """The number of the link of this name, also of one that was made a moment ago; None if there is none."""
        index = self._table.index(name)
        return find_link(self._requests, name) if index is None else index

    def link(self, name: str) -> LinkFact | None:
        """The link of this name, by the news so far."""
        return self._table.link(name)

    def links(self) -> tuple[LinkFact, ...]:
        """All links, by the news so far."""
        return self._table.links()

    def find(self, name: str, address: IPAddress) -> list[AddressFact]:
        """An address on the link of a watched name: nothing, or once for each prefix length it has there."""
        index = self._table.index(name)
        return [] if index is None else self._table.find(index, address)

    def view(self, name: str) -> LinkView:
        """The link of this name; as it was reported last, if it is watched."""
        watch = self._watches.get(name)
        if watch is not None:
            return watch.view
        index = self._table.index(name)
        if index is not None:
            self._follow(index)
        view = self._table.view(name)
        self._settle(index)
        return view

    def watch(self, name: str, on_change: Callable[[LinkView], None]) -> Callable[[], None]:
        """Call `on_change` with every view of this name that differs from the last one; returns how to stop.

        The first to be reported differs from `view()` now.
        """
        watch = self._watches.get(name)
        if watch is None:
            watch = self._watches[name] = _Watch(LinkView(name))
            self._settle(self._table.index(name))
            watch.view = self._table.view(name)
        watch.callbacks.append(on_change)

        def unwatch() -> None:
            if on_change in watch.callbacks:
                watch.callbacks.remove(on_change)
            if not watch.callbacks and self._watches.get(name) is watch:
                del self._watches[name]
                self._settle(self._table.index(name))

        return unwatch

    def on_address_gone(self, callback: Callable[[AddressFact, int], None]) -> Callable[[], None]:
        """Call `callback` with each address that disappears from a watched link; returns how to stop.

        It is also told the port id of the socket that had it removed, by itself or along with another one; 0 for the
        kernel's own decisions, and where news was lost. What the links look like then has been reported before.
        """
        self._mourners.append(callback)

        def stop() -> None:
            if callback in self._mourners:
                self._mourners.remove(callback)

        return stop

    def _take(self, news: Iterable[Message]) -> None:
        if self._rereader.busy:
            self._rereader.keep(news)
        else:
            gone = [loss for loss in map(self._apply, news) if loss is not None]
            self._report()
            self._mourn(gone)

    def _reread(self, dumps: Dumps, news: Iterable[Message]) -> None:
        before = self._table
        self._table = _table_of(dumps, self._watches)
        for message in news:
            self._apply(message)
        self._changed.update(self._watches)
        self._report()
        self._mourn([(fact, 0) for fact in before.followed() if not self._table.knows(fact)])

    def _apply(self, message: Message) -> _Loss | None:
        """Take one message; return the address that it says is gone."""
        if message.kind == RTM_NEWADDR:
            self._note(self._table.put_address(message.payload))
        elif message.kind == RTM_DELADDR:
            fact = self._note(self._table.drop_address(message.payload))
            return None if fact is None else (fact, message.port)
        elif message.kind in {RTM_NEWLINK, RTM_DELLINK}:
            link = decode_link(message.payload)
            if link is not None:
                self._link_news(link, lives=message.kind == RTM_NEWLINK)
        return None

    def _note(self, fact: AddressFact | None) -> AddressFact | None:
        if fact is not None and not fact.virtual:
            self._changed.add(self._table.name(fact.index))
        return fact

    def _link_news(self, link: LinkFact, *, lives: bool) -> None:
        before = self._table.put_link(link) if lives else self._table.drop_link(link.index)
        self._changed.add(link.name)
        if before is not None:
            self._changed.add(before.name)
        self._settle(link.index)

    def _settle(self, index: int | None) -> None:
        """Keep the addresses of a link that is watched, and of no other."""
        if index is None:
            return
        if self._table.name(index) not in self._watches:
            self._table.unfollow(index)
        elif not self._table.follows(index):
            self._follow(index)

    def _follow(self, index: int) -> None:
        addresses: list[bytes] = []
        try:
            addresses = read_addresses(self._requests, index)
        except KernelError as error:
            if error.errno != errno.ENODEV:  # that is news already on its way
                log.warning("%s; reading everything", error)
                self._rereader.begin()
        self._table.follow(index, addresses)

    def _report(self) -> None:
        while self._changed:
            name = self._changed.pop()
            watch = self._watches.get(name)
            view = self._table.view(name)
            if watch is not None and watch.view != view:
                watch.view = view
                for callback in tuple(watch.callbacks):
                    self._shielded(callback, view)

    def _mourn(self, gone: Iterable[_Loss]) -> None:
        for fact, port in gone:
            for callback in tuple(self._mourners):
                self._shielded(callback, fact, port)

    def _shielded(self, callback: Callable[..., None], *news: LinkView | AddressFact | int) -> None:
        """A defect in one listener must not silence the others."""
        try:
            callback(*news)
        except Exception as error:  # noqa: BLE001 - told to the loop's handler, as for any callback
            context = {"message": f"vrrpkit link watcher: {callback!r} failed", "exception": error}
            self._loop.call_exception_handler(context)


def _table_of(dumps: Dumps, names: Iterable[str]) -> LinkTable:
    """A table that follows these names."""
    links, addresses = dumps
    table = LinkTable()
    for link in map(decode_link, links):
        if link is not None:
            table.put_link(link)
    for index in map(table.index, names):
        if index is not None:
            table.follow(index, addresses)
    return table
