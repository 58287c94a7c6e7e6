"""Several checks as one, in virtual time."""

from __future__ import annotations

import asyncio
import logging
from functools import partial

import pytest

from vrrpkit import ConfigError
from vrrpkit.checks import AtLeast, CallableChecker, CheckResult, all_of, any_of
from vrrpkit.testing import run_virtual


def says(ok: bool, *, after: float = 0.0, detail: str = "") -> CallableChecker:
    async def probe() -> CheckResult:
        await asyncio.sleep(after)
        return CheckResult(ok=ok, detail=detail or ("well" if ok else "sick"))

    return CallableChecker(probe)


def found(checker: AtLeast) -> CheckResult:
    return run_virtual(checker.check())


def test_all_must_be_well() -> None:
    assert found(all_of(says(True), says(True))) == CheckResult(ok=True, detail="2 of 2 are well")
    assert found(all_of(says(True), says(False))) == CheckResult(ok=False, detail="1 of 2 are well: sick")


def test_any_of_them_is_enough() -> None:
    assert found(any_of(says(False), says(True))) == CheckResult(ok=True, detail="1 of 2 are well: sick")
    assert found(any_of(says(False, detail="a"), says(False, detail="b"))) == CheckResult(
        ok=False, detail="0 of 2 are well: a; b"
    )


def test_so_many_of_them_must_be_well() -> None:
    assert not found(AtLeast(2, [says(True), says(False), says(False)])).ok
    assert found(AtLeast(2, [says(True), says(False), says(True)])).ok


def test_they_run_side_by_side() -> None:
    assert found(all_of(says(True, after=2), says(True, after=3))).elapsed == 3.0


def test_one_that_raises_has_failed_and_takes_no_other_along(caplog: pytest.LogCaptureFixture) -> None:
    async def broken() -> bool:
        raise ValueError("a defect")

    async def refused() -> bool:
        raise ConnectionRefusedError(111, "whatever")

    checker = any_of(CallableChecker(broken), CallableChecker(refused), says(True, after=1))
    assert found(checker) == CheckResult(
        ok=True, detail="1 of 3 are well: ValueError: a defect; Connection refused", elapsed=1.0
    )
    assert [record.levelno for record in caplog.records] == [logging.ERROR]


def test_the_first_success_is_enough_for_any_of_them() -> None:
    checker = any_of(says(False, after=1), says(True, after=2), says(True, after=3600))
    assert found(checker) == CheckResult(ok=True, detail="1 of 3 are well: sick; 1 not waited for", elapsed=2.0)


def test_the_first_failure_is_enough_for_all_of_them() -> None:
    checker = all_of(says(True, after=1), says(False, after=2), says(True, after=3600))
    assert found(checker) == CheckResult(ok=False, detail="1 of 3 are well: sick; 1 not waited for", elapsed=2.0)


def test_those_that_are_not_waited_for_have_ended() -> None:
    ended = []

    async def hangs() -> bool:
        try:
            await asyncio.sleep(3600)
        finally:
            ended.append(True)
        return True

    assert found(any_of(says(True, after=1), CallableChecker(hangs))).ok
    assert ended == [True]


def test_of_several_wishes_the_smallest_weight_counts() -> None:
    async def wish(weight: int | None, ok: bool = True) -> CheckResult:
        return CheckResult(ok=ok, weight=weight)

    wishes = [CallableChecker(partial(wish, weight)) for weight in (30, None, 20)]
    assert found(any_of(*wishes, CallableChecker(partial(wish, 5, False)))).weight == 20
    assert found(any_of(wishes[1])).weight is None


def test_what_can_never_be_well_is_refused() -> None:
    with pytest.raises(ConfigError, match="count must be 1-1, the number of checks, got 2"):
        AtLeast(2, [says(True)])
    with pytest.raises(ConfigError, match="count must be 1-1000000, got 0"):
        all_of()
