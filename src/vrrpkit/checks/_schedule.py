"""How often to check, and how many results make a verdict."""

from __future__ import annotations

import warnings
from typing import Final, Self

from attrs import field, frozen
from attrs.validators import optional

from vrrpkit.errors import ConfigError, ConfigWarning, InRange, Whole, check_flag
from vrrpkit.tracking import FirstResult
from vrrpkit.tracking._rise_fall import MAX_COUNT

__all__ = ["Schedule"]

_SPAN: Final = InRange(0.01, 86400, "seconds")
_COUNT: Final = Whole(1, MAX_COUNT)


@frozen(kw_only=True)
class Schedule:
    """How often to check, and how many results make a verdict.

    Attributes:
        interval: Seconds, 0.01-86400, from the beginning of one check to the beginning of the next.
        timeout: Seconds, 0.01-86400, after which a check has failed; the interval when None. More than the interval
            means that a hanging check makes the following ones fall out, which is warned of.
        rise: Successes in a row that make it up, 1-1000000.
        fall: Failures in a row that make it down, 1-1000000.
        first: What holds before there have been so many.
        fast_interval: Seconds, 0.01-86400, instead of `interval` while the last results speak against the verdict;
            HAProxy's `fastinter`, keepalived's `delay_before_retry`.
        down_interval: Seconds, 0.01-86400, instead of `interval` while it is down and none speaks against that;
            HAProxy's `downinter`.
        from_end: Whether the interval begins with the end of a check, and not with its beginning.
        warmup: Seconds, 0-86400: the first check begins at a random moment of so many seconds.
        jitter: 0-0.5, the share of an interval by which a check may begin earlier or later, at random.
        repair_timeout: Seconds, 0.01-86400, that a repair may take.
        recheck_after: Seconds, 0-86400, between a repair and the second look.

    Raises:
        ConfigError: A number is out of its range.
    """

    interval: float = field(default=1.0, validator=_SPAN)
    timeout: float | None = field(default=None, validator=optional(_SPAN))
    rise: int = field(default=1, validator=_COUNT)
    fall: int = field(default=1, validator=_COUNT)
    first: FirstResult = field(default=FirstResult.DECIDES, converter=FirstResult)
    fast_interval: float | None = field(default=None, validator=optional(_SPAN))
    down_interval: float | None = field(default=None, validator=optional(_SPAN))
    from_end: bool = field(default=False, validator=check_flag)
    warmup: float = field(default=0.0, validator=InRange(0, 86400, "seconds"))
    jitter: float = field(default=0.0, validator=InRange(0, 0.5))
    repair_timeout: float = field(default=30.0, validator=_SPAN)
    recheck_after: float = field(default=2.0, validator=InRange(0, 86400, "seconds"))

    def __attrs_post_init__(self) -> None:
        """Warn of what is allowed and seldom meant."""
        if self.timeout is not None and self.timeout > self.interval:
            text = f"timeout is {self.timeout:g} s and interval {self.interval:g} s: a check that hangs skips others"
            warnings.warn(text, ConfigWarning, stacklevel=3)

    @classmethod
    def keepalived(
        cls,
        *,
        delay_loop: float = 60.0,
        timeout: float = 5.0,
        retry: int = 1,
        delay_before_retry: float = 1.0,
        warmup: float | None = None,
        alpha: bool = False,
    ) -> Self:
        """The rules of keepalived's checkers (not of its `vrrp_script`), in its words and with its defaults.

        A failure while up is tried again `retry` times, `delay_before_retry` apart; while down, one success is
        enough. The first result decides; before it, a server is up unless `alpha`. `delay_loop` begins with the end
        of a check (with its beginning for keepalived's `MISC_CHECK` alone), and bounds the timeout.

        Raises:
            ConfigError: A number is out of its range.
        """
        if not 0 <= retry < MAX_COUNT:
            raise ConfigError(f"retry must be 0-{MAX_COUNT - 1}, got {retry!r}")
        return cls(
            interval=delay_loop,
            timeout=min(timeout, delay_loop),
            fall=retry + 1,
            first=FirstResult.DOWN_UNTIL_FIRST if alpha else FirstResult.UP_UNTIL_FIRST,
            fast_interval=delay_before_retry,
            from_end=True,
            warmup=delay_loop if warmup is None else warmup,
        )

    @classmethod
    def haproxy(
        cls,
        *,
        inter: float = 2.0,
        rise: int = 2,
        fall: int = 3,
        fastinter: float | None = None,
        downinter: float | None = None,
        first: FirstResult = FirstResult.UP_UNTIL_FIRST,
        jitter: float = 0.0,
    ) -> Self:
        """The rules of HAProxy's checks, in its words and with its defaults.

        Args:
            inter: Seconds from the end of a check to the next, and its timeout.
            rise: Successes in a row that make it up.
            fall: Failures in a row that make it down.
            fastinter: Instead of `inter` while moving.
            downinter: Instead of `inter` while down.
            first: HAProxy's `init-state`: `up`, `down`, `fully-up`, `fully-down` are `UP_UNTIL_FIRST`,
                `DOWN_UNTIL_FIRST`, `ASSUME_UP`, `ASSUME_DOWN`.
            jitter: HAProxy's `spread-checks`, as a share: 0-0.5.

        Raises:
            ConfigError: A number is out of its range.
        """
        return cls(
            interval=inter,
            rise=rise,
            fall=fall,
            first=first,
            fast_interval=fastinter,
            down_interval=downinter,
            from_end=True,
            jitter=jitter,
        )

    @property
    def patience(self) -> float:
        """After how many seconds a check has failed."""
        return self.interval if self.timeout is None else self.timeout
