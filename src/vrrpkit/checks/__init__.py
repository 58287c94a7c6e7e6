"""Checks: what is probed, and when a result is believed."""

from __future__ import annotations

from vrrpkit.checks._agent import AgentChecker
from vrrpkit.checks._base import Checker, CheckResult
from vrrpkit.checks._callable import CallableChecker
from vrrpkit.checks._certificate import CertificateChecker
from vrrpkit.checks._combine import AtLeast, all_of, any_of
from vrrpkit.checks._dns import DNSChecker
from vrrpkit.checks._events import (
    CheckDue,
    CheckNow,
    ChecksHalted,
    ChecksResumed,
    Decided,
    Finished,
    Repaired,
    RunCheck,
    RunRepair,
    Stopped,
    StopRunning,
)
from vrrpkit.checks._file import FileChecker
from vrrpkit.checks._http import HTTPChecker
from vrrpkit.checks._http_expect import HTTPPath
from vrrpkit.checks._http_homes import close_http_connections
from vrrpkit.checks._ldap import LDAPChecker
from vrrpkit.checks._machine import CheckSchedule
from vrrpkit.checks._mysql import MySQLChecker
from vrrpkit.checks._ping import PingChecker
from vrrpkit.checks._postgresql import PostgreSQLChecker
from vrrpkit.checks._redis import RedisChecker, RedisRole
from vrrpkit.checks._schedule import Schedule
from vrrpkit.checks._script import ScriptChecker
from vrrpkit.checks._smtp import SMTPChecker
from vrrpkit.checks._tcp import TCPChecker
from vrrpkit.checks._tls import TLS
from vrrpkit.checks._udp import UDPChecker
from vrrpkit.checks._via import Via

__all__ = [
    "TLS",
    "AgentChecker",
    "AtLeast",
    "CallableChecker",
    "CertificateChecker",
    "CheckDue",
    "CheckNow",
    "CheckResult",
    "CheckSchedule",
    "Checker",
    "ChecksHalted",
    "ChecksResumed",
    "DNSChecker",
    "Decided",
    "FileChecker",
    "Finished",
    "HTTPChecker",
    "HTTPPath",
    "LDAPChecker",
    "MySQLChecker",
    "PingChecker",
    "PostgreSQLChecker",
    "RedisChecker",
    "RedisRole",
    "Repaired",
    "RunCheck",
    "RunRepair",
    "SMTPChecker",
    "Schedule",
    "ScriptChecker",
    "StopRunning",
    "Stopped",
    "TCPChecker",
    "UDPChecker",
    "Via",
    "all_of",
    "any_of",
    "close_http_connections",
]
