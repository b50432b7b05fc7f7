"""The kinds of network addresses: as PostgreSQL prints them."""

from __future__ import annotations

import ipaddress
import re
from typing import Any

from alkey._names.kinds import Kind, refused

_NETWORK = (ipaddress.IPv4Network, ipaddress.IPv6Network)


def inet(value: Any) -> bytes:
    """Of a host, which may say its network."""
    if isinstance(value, str) or hasattr(value, "packed"):
        try:
            interface = ipaddress.ip_interface(value.strip() if isinstance(value, str) else value)
        except ValueError:
            pass
        else:
            if getattr(interface, "scope_id", None) is None:
                length = interface.network.prefixlen
                return _address(interface.ip) + (
                    b"" if length == interface.max_prefixlen else b"/%d" % length
                )
    raise refused(value, "an address, as in 10.0.0.1 or 10.0.0.1/8")


def cidr(value: Any) -> bytes:
    """Of a network."""
    if isinstance(value, (str, *_NETWORK)):
        try:
            network = ipaddress.ip_network(value.strip() if isinstance(value, str) else value)
        except ValueError:
            pass
        else:
            return _address(network.network_address) + b"/%d" % network.prefixlen
    raise refused(value, "a network, as in 10.0.0.0/8")


def macaddr_of(octets: int) -> Kind:
    """Of 6 octets or 8."""
    pattern = re.compile(rf"\s*([0-9a-f]{{2}}[:.-]?){{{octets}}}\s*", re.IGNORECASE | re.ASCII)

    def encode(value: Any) -> bytes:
        if not isinstance(value, str) or not pattern.fullmatch(value):
            raise refused(value, f"an address of {octets} octets, as in 08:00:2b:01:02:03")
        digits = re.sub(r"[^0-9a-f]", "", value.lower())
        return ":".join(re.findall("..", digits)).encode()

    return encode


def _address(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bytes:
    """An address of version 6 that holds one of version 4 shows it."""
    if isinstance(address, ipaddress.IPv4Address):
        return str(address).encode()
    high, low = divmod(int(address), 1 << 32)
    if high == 0xFFFF or (high == 0 and low >= 1 << 16):
        return b"::%b%b" % (b"ffff:" if high else b"", str(ipaddress.IPv4Address(low)).encode())
    return address.compressed.encode()
