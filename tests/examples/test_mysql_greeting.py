from __future__ import annotations

import asyncio
import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Final

import pytest

from vrrpkit.checks import CheckResult

# What MariaDB 10.11 said, to a first connection and to one too many; the salt is left out.
WELCOME: Final = b"\x28\0\0\0\x0a5.5.5-10.11.19-MariaDB-0+deb12u1\0\x05\0\0\0\0\0"
TOO_MANY: Final = b"\x17\0\0\0\xff\x10\x04Too many connections"


def load_example() -> ModuleType:
    path = Path(__file__).parents[2] / "examples" / "mysql_failover.py"
    spec = importlib.util.spec_from_file_location("mysql_failover", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


async def check(octets: bytes) -> CheckResult:
    def greet(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(octets)
        writer.close()

    async with await asyncio.start_server(greet, "127.0.0.1", 0) as server:
        host, port = server.sockets[0].getsockname()
        result: CheckResult = await load_example().greeting(host, port)
        return result


HUNG_UP: Final = CheckResult(ok=False, detail="hung up without a greeting")


@pytest.mark.parametrize(
    ("octets", "result"),
    [
        pytest.param(WELCOME, CheckResult(ok=True, detail="5.5.5-10.11.19-MariaDB-0+deb12u1"), id="welcome"),
        pytest.param(TOO_MANY, CheckResult(ok=False, detail="Too many connections"), id="error"),
        pytest.param(TOO_MANY[:10], HUNG_UP, id="half"),
        pytest.param(b"", HUNG_UP, id="nothing"),
        pytest.param(b"\0\0\0\0", CheckResult(ok=False, detail="not a MySQL server: begins with b''"), id="empty"),
        pytest.param(
            b"\5\0\0\0hello", CheckResult(ok=False, detail="not a MySQL server: begins with b'h'"), id="other"
        ),
        pytest.param(b"SSH-2.0-OpenSSH_9.2p1\r\n", HUNG_UP, id="ssh"),
    ],
)
def test_what_a_server_says_first_decides(octets: bytes, result: CheckResult) -> None:
    assert asyncio.run(check(octets)) == result
