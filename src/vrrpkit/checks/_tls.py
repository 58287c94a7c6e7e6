"""How TLS connections are made: whom to believe, and who we are."""

from __future__ import annotations

import os
import ssl
from functools import lru_cache
from pathlib import Path
from typing import Final, TypeAlias

from attrs import evolve, field, frozen

from vrrpkit.checks._hosts import check_host
from vrrpkit.checks._words import printable
from vrrpkit.errors import ConfigError, check_flag

__all__ = ["TLS", "context_of", "tls_in_words"]

_VERSIONS: Final = (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)
_OP_LEGACY_SERVER_CONNECT: Final = 0x4  # in ssl from Python 3.12

_Stamp: TypeAlias = tuple[int, int, int]


def _to_path(value: str | os.PathLike[str] | None) -> str | None:
    return None if value is None else os.fspath(value)


def _check_server_name(_instance: object, _attribute: object, name: str | None) -> None:
    if name is not None:
        check_host("server_name", name)


def _check_version(_instance: object, _attribute: object, version: ssl.TLSVersion | None) -> None:
    if version is not None and version not in _VERSIONS:
        raise ConfigError(f"minimum_version must be TLSVersion.TLSv1_2 or TLSv1_3, got {version!r}")


@frozen(kw_only=True)
class TLS:
    """How to speak TLS. The default is to verify the certificate against the system's authorities.

    Checkers with equal values share one context; with the system's authorities it takes 30 ms to make and 0.8 MB.
    Files are read when a checker is constructed: after a certificate was renewed, make the checkers that use it anew.

    Attributes:
        verify: Whether the server's certificate must be valid, and for the right name; keepalived's `SSL_GET` never
            asks.
        ca_file: A file of authorities (PEM) to believe, instead of the system's.
        ca_path: A directory of such files, by OpenSSL's hashed names; read at each handshake.
        ca_data: Authorities themselves: PEM as text, or DER.
        certificate: A file with one's own certificate and its chain (PEM), for servers that ask for it.
        key: A file with its key; the certificate's file when None.
        password: What the key is encrypted with.
        server_name: The name to ask for (SNI) and to verify; the one that the checker asks for when None.
        minimum_version: The oldest version to speak; TLS 1.2 when None, and with `legacy` the oldest that OpenSSL has.
        legacy: Whether to take whatever an old server can: any version, weak ciphers and keys, renegotiation without
            RFC 5746, and certificates that are not quite as RFC 5280 wants them.

    Raises:
        ConfigError: Settings do not fit together.
    """

    verify: bool = field(default=True, validator=check_flag)
    ca_file: str | None = field(default=None, converter=_to_path)
    ca_path: str | None = field(default=None, converter=_to_path)
    ca_data: str | bytes | None = field(default=None, repr=False)
    certificate: str | None = field(default=None, converter=_to_path)
    key: str | None = field(default=None, converter=_to_path)
    password: str | None = field(default=None, repr=False)
    server_name: str | None = field(default=None, validator=_check_server_name)
    minimum_version: ssl.TLSVersion | None = field(default=None, validator=_check_version)
    legacy: bool = field(default=False, validator=check_flag)

    def __attrs_post_init__(self) -> None:
        """Check what one field alone cannot tell."""
        if not self.verify and (self.ca_file or self.ca_path or self.ca_data):
            raise ConfigError("ca_file, ca_path and ca_data are of no use with verify=False")
        if self.certificate is None and (self.key or self.password):
            raise ConfigError("key and password need a certificate")


def context_of(tls: TLS) -> ssl.SSLContext:
    """The context for these settings, made once for all that differ in no more than the name.

    Raises:
        ConfigError: A file cannot be read, or holds something else.
    """
    stamps = tuple(_stamp(name, getattr(tls, name)) for name in ("ca_file", "ca_path", "certificate", "key"))
    return _make(evolve(tls, server_name=None), stamps)


def tls_in_words(error: ssl.SSLError) -> str:
    """What went wrong, for people."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"TLS: {printable(error.verify_message)}"
    reason: str | None = error.reason
    return f"TLS: {reason.replace('_', ' ').lower() if reason else printable(str(error))}"


def _stamp(name: str, path: str | None) -> _Stamp | None:
    """Tells a file from the one that has replaced it."""
    if path is None:
        return None
    try:
        found = Path(path).stat()
    except OSError as error:
        raise ConfigError(f"{name} {path} cannot be read: {error.strerror}") from error
    return found.st_mtime_ns, found.st_size, found.st_ino


@lru_cache(64)
def _make(tls: TLS, _stamps: tuple[_Stamp | None, ...]) -> ssl.SSLContext:
    context = _verifying(tls) if tls.verify else _believing()
    oldest = ssl.TLSVersion.MINIMUM_SUPPORTED if tls.legacy else ssl.TLSVersion.TLSv1_2
    context.minimum_version = tls.minimum_version or oldest
    if tls.legacy:
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.options |= _OP_LEGACY_SERVER_CONNECT
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if tls.certificate is not None:
        try:
            # Without a password OpenSSL would ask for it on the terminal.
            context.load_cert_chain(tls.certificate, tls.key, tls.password or "")
        except OSError as error:
            raise ConfigError(f"certificate {tls.certificate} cannot be used: {_why(error)}") from error
    return context


def _verifying(tls: TLS) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=tls.ca_file, capath=tls.ca_path, cadata=tls.ca_data)
    except (OSError, ValueError) as error:
        sources = [name for name in ("ca_file", "ca_path", "ca_data") if getattr(tls, name)]
        raise ConfigError(f"{' and '.join(sources)} cannot be used: {_why(error)}") from error


def _believing() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False  # before the next line, or it is refused
    context.verify_mode = ssl.CERT_NONE
    return context


def _why(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return tls_in_words(error)
    return (isinstance(error, OSError) and error.strerror) or str(error)
