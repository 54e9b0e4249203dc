"""Network addresses of people's devices: IPv4, IPv6, MAC."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator

from unseen.deid.detect.finding import Entity, Finding
from unseen.deid.detect.labels import last_words
from unseen.deid.detect.recogniser import Recogniser

__all__ = ["IpAddress", "MacAddress"]

_IPV4 = re.compile(r"\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}(?!\w|\.[0-9])(?:/[0-9]{1,2}(?![0-9]))?")
_FIRST = re.compile(r"[0-9]{1,3}(?![\w.])")
_COLONS = re.compile(r":[0-9A-Fa-f]{0,4}:")
_HEX = re.compile(r"[0-9A-Fa-f:]{0,39}")
_HEX_ON = re.compile(
    r"[0-9A-Fa-f:]{0,39}(?:(?<=:)[0-9]{1,3}(?:\.[0-9]{1,3}){3})?(?:%[\w.-]{1,15})?(?:/[0-9]{1,3}(?![0-9]))?"
)
_VERSION = frozenset({"version", "v", "release", "build", "ver", "firmware"})
_MAC = re.compile(
    r":[0-9A-Fa-f]{2}(?<![0-9A-Fa-f:-].{5})(?<=[0-9A-Fa-f]{2}...)(?::[0-9A-Fa-f]{2}){4}(?![0-9A-Za-z]|:[0-9A-Fa-f])"
    r"|-[0-9A-Fa-f]{2}(?<![0-9A-Za-z:-].{5})(?<=[0-9A-Fa-f]{2}...)(?:-[0-9A-Fa-f]{2}){4}(?![0-9A-Za-z]|-[0-9A-Fa-f])",
    re.S,
)
_MAC_DOTTED = re.compile(
    r"\.[0-9A-Fa-f]{4}(?<![\w.].{9})(?<=[0-9A-Fa-f]{4}.....)\.[0-9A-Fa-f]{4}(?![\w]|\.[0-9A-Fa-f])", re.S
)


class IpAddress(Recogniser):
    """IPv4 and IPv6 addresses, with a prefix length or a zone if there is one.

    Source: RFC 4291, section 2.2, as the standard library's `ipaddress` reads it.
    """

    def find(self, text: str) -> Iterator[Finding]:
        """The addresses in the batch."""
        for found in _IPV4.finditer(text):
            back = _FIRST.match(text[max(0, found.start() - 4) : found.start()][::-1])
            if back is None:
                continue
            start = found.start() - back.end()
            number, _, prefix = text[start : found.end()].partition("/")
            if _reads(number) and (not prefix or int(prefix) <= 32):
                named = _VERSION.intersection(last_words(text, start, 1))
                yield Finding(Entity.IP_ADDRESS, start, found.end(), 0.3 if named else 0.97, "form")
        after = 0
        for found in _COLONS.finditer(text):
            if found.start() < after:
                continue
            back = _HEX.match(text[max(0, found.start() - 39) : found.start()][::-1])
            start = found.start() - (back.end() if back else 0)
            onward = _HEX_ON.match(text, found.start())
            after = onward.end() if onward else found.end()
            end = after - (text[after - 1] == ":" and text[after - 2] != ":")
            number = text[start:end].partition("/")[0]
            if not 5 <= len(number) <= 60 or (number.count(":") != 7 and "::" not in number and "." not in number):
                continue
            joined = text[start - 1 : start].isalnum() if start else False
            if joined or text[end : end + 1].isalnum() or not any(map(str.isdigit, number)):
                continue
            if _reads(number):
                yield Finding(Entity.IP_ADDRESS, start, end, 0.98, "form")


class MacAddress(Recogniser):
    """Hardware addresses of network cards (EUI-48), written with colons, hyphens or as three dotted groups.

    Source: IEEE 802-2014, section 8.1.
    """

    def find(self, text: str) -> Iterator[Finding]:
        """The addresses in the batch."""
        for found in _MAC.finditer(text):
            yield Finding(Entity.MAC_ADDRESS, found.start() - 2, found.end(), 0.98, "form")
        for found in _MAC_DOTTED.finditer(text):
            yield Finding(Entity.MAC_ADDRESS, found.start() - 4, found.end(), 0.9, "form")


def _reads(number: str) -> bool:
    try:
        ipaddress.ip_address(number)
    except ValueError:
        return False
    return True
