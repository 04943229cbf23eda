"""Where a request came from, seen past our own proxies. Pure."""

from collections.abc import Sequence
from ipaddress import IPv6Address, ip_address


def client_address(peer: str, forwarded: Sequence[str], trusted_hops: int) -> str:
    """The address that the outermost of our proxies saw; `forwarded`: the values of X-Forwarded-For.

    Each proxy adds whom it saw at the end, and everything before that may be invented by the client.
    """
    told = [part.strip() for value in forwarded for part in value.split(",") if part.strip()]
    if trusted_hops and len(told) >= trusted_hops:
        return _plain(told[-trusted_hops])
    return _plain(peer)


def neighbourhood(address: str) -> str:
    """What one customer of a provider has: an IPv4 address, or an IPv6 network of 64 bits."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    return f"{parsed.exploded[:19]}::/64" if isinstance(parsed, IPv6Address) else address


def _plain(address: str) -> str:
    """Without a port or brackets; an IPv4 address in IPv6 clothes is one of IPv4."""
    bare = address.strip().partition("%")[0]
    if bare.startswith("["):
        bare = bare[1:].partition("]")[0]
    elif bare.count(":") == 1:
        bare = bare.partition(":")[0]
    try:
        parsed = ip_address(bare)
    except ValueError:
        return bare[:64]
    mapped = parsed.ipv4_mapped if isinstance(parsed, IPv6Address) else None
    return str(mapped or parsed)
