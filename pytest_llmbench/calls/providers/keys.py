"""Where the key of an online service comes from."""

from __future__ import annotations

import ipaddress
import os
import subprocess
from functools import cache
from typing import TYPE_CHECKING, Final, NoReturn, final
from urllib.parse import urlsplit

from typing_extensions import override

from pytest_llmbench.checks.shown import one_line
from pytest_llmbench.errors import Unauthorised
from pytest_llmbench.masking import MASK, masks

if TYPE_CHECKING:
    from pytest_llmbench.calls.request import Target

FROM_ENV: Final = "env:"
"""Begins a header's value that is a variable's name."""

COMMAND_S: Final = 30.0
"""How long a command that prints a key may take."""

_TABLE: Final = "[tool.llmbench.models.<alias>]"


@final
class Secret:
    """A key that no text shows; equal to nothing but itself, and never pickled.

    Attributes:
        source: the variable that it was read from; `api_key_command` for a
            command.
    """

    __slots__ = ("_value", "source")

    def __init__(self, value: str, source: str = "") -> None:
        self._value = value
        self.source = source
        masks.add(value)

    def reveal(self) -> str:
        """Return the key itself, for the one header that it is sent in."""
        return self._value

    @override
    def __repr__(self) -> str:
        return MASK

    @override
    def __format__(self, spec: str) -> str:
        return MASK

    @override
    def __reduce__(self) -> NoReturn:
        msg = "a key does not leave its process: read it anew in the other one"
        raise TypeError(msg)


def read_key(target: Target, *, default_env: str | tuple[str, ...]) -> Secret:
    """Read the key of a target's service.

    From `key_command`, else from the variable `key_env`, else from the first of
    the dialect's own variables that is not empty. A command is run once per process,
    without a shell, and may take 30 s: this call waits for it.

    Args:
        default_env: the dialect's own variables, the preferred one first.

    Raises:
        Unauthorised: there is none, or none that can be sent; the message names
            the variables or the command and never shows a value.
    """
    if target.key_command:
        return _told_by(target.key_command)
    defaults = (default_env,) if isinstance(default_env, str) else default_env
    names = (target.key_env,) if target.key_env else defaults
    name = next((name for name in names if os.environ.get(name)), None)
    if name is None:
        raise Unauthorised(_no_key(target.provider, names))
    return Secret(_checked(os.environ[name], name), name)


def check_recipient(target: Target, vendor_url: str) -> None:
    """See that the environment's key goes to nobody but whom it is for.

    That is the vendor, a server on this machine, and wherever the vendor's own
    variable leads. An address in an alias takes a key that the alias names.

    Raises:
        Unauthorised: the alias names an address and no key.
    """
    if not target.base_url or target.key_env or target.key_command:
        return
    host = urlsplit(target.base_url).hostname or ""
    if host != urlsplit(vendor_url).hostname and not is_loopback(host):
        msg = (
            f"{target.provider}: base_url leads to {host}, which is not the vendor's,"
            f" and the environment's key is not shown to others; name the key to send"
            f" there as api_key_env in {_TABLE}"
        )
        raise Unauthorised(msg)


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine's own."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def sent_headers(target: Target) -> dict[str, str]:
    """Return the target's own headers, each value as it is sent, names in lower case.

    A value `env:NAME` is read from the environment, here and not before.

    Raises:
        Unauthorised: a variable is not set, or holds what no header can.
    """
    headers = {}
    for name, value in target.headers:
        variable = value.removeprefix(FROM_ENV)
        if variable == value:
            headers[name.lower()] = value
            continue
        text = os.environ.get(variable, "")
        if not text.strip() or not (text.isascii() and text.isprintable()):
            found = "is not set" if not text else "holds no text of one line"
            msg = (
                f"header {name} of {target.provider}: {variable} {found}; set it, or"
                f" take the header out of {_TABLE}"
            )
            raise Unauthorised(msg)
        masks.add_header(text)
        headers[name.lower()] = text
    return headers


def headers_of_local(target: Target) -> dict[str, str]:
    """Return the headers for a server that wants no key, but may stand behind a proxy.

    Raises:
        Unauthorised: as for `read_key`, where a key is configured, and `sent_headers`.
    """
    headers = {}
    if target.key_env or target.key_command:
        key = read_key(target, default_env=())
        headers["authorization"] = f"Bearer {key.reveal()}"
    return {**headers, **sent_headers(target)}


def _no_key(provider: str, names: tuple[str, ...]) -> str:
    wanted = " or ".join(names)
    empty = [name for name in names if name in os.environ]
    found = f"{empty[0]} is empty" if empty else f"{wanted} is not set"
    return (
        f"no key for {provider}: {found}; set {wanted}, or have api_key_env or"
        f" api_key_command in {_TABLE} name where the key is"
    )


def _checked(value: str, source: str) -> str:
    """Return the key if it can be sent in a header.

    Raises:
        Unauthorised: says what is wrong with it, not what it is.
    """
    fault = ""
    if not value.strip():
        fault = "holds nothing but blanks"
    elif not value.isprintable():
        fault = "holds a line end or another control character"
    elif " " in value or not value.isascii():
        fault = "holds a blank or a character beyond ASCII"
    if fault:
        msg = f"the key in {source} {fault}; set it to the key alone, on one line"
        raise Unauthorised(msg)
    return value


@cache
def _told_by(command: tuple[str, ...]) -> Secret:
    # Its arguments are not shown: a password may be among them.
    where = f"api_key_command `{one_line(command[0])}`"
    try:
        ended = subprocess.run(  # noqa: S603 - the user's own command, no shell
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=COMMAND_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        msg = f"{where} gave no key in {COMMAND_S:g} s; does it wait for a password?"
        raise Unauthorised(msg) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        msg = f"{where} cannot be run: {reason}; name a program with its arguments"
        raise Unauthorised(msg) from None
    lines = ended.stdout.decode(errors="replace").splitlines()
    for line in lines:
        masks.add(line.strip())
    if ended.returncode:
        said = one_line(ended.stderr.decode(errors="replace").strip())
        msg = (
            f"{where} ended with status {ended.returncode}:"
            f" {said or 'it said nothing on stderr'}"
        )
        raise Unauthorised(msg)
    if not lines:
        msg = f"{where} printed nothing; its first line must be the key"
        raise Unauthorised(msg)
    return Secret(_checked(lines[0], f"the first line of {where}"), "api_key_command")
