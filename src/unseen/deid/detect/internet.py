"""E-mail addresses and URLs: found from the one character that each must have, then read to both sides."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import re
from collections.abc import Iterator

from unseen.deid.detect.finding import Entity, Finding
from unseen.deid.detect.recogniser import BREAK, Recogniser

__all__ = ["Email", "Url"]

_LOCAL = re.compile(r"[\w.!#$%&'*+/=?^`{|}~-]{1,64}")
_DOMAIN = re.compile(r"(?:[^\W_](?:[\w-]{0,62})\.){1,20}(?:xn--[a-z0-9-]{2,59}|[^\W\d_]{2,63})(?![\w-])", re.I)
# "jane (at) example [dot] org"
_SPELLED = re.compile(
    r"[\[({]\s?(?:at|@)\s?[\])}]\s{0,2}"
    r"((?:[^\W_][\w-]{0,62}(?:\.|\s{0,2}[\[({]\s?(?:dot|\.)\s?[\])}]\s{0,2})){1,8}[^\W\d_]{2,24})(?![\w-])",
    re.I,
)
_SPELLED_LOCAL = re.compile(r"\s{0,2}([\w.+-]{1,64})")
_SCHEMES_WORDS = """http https ftp ftps sftp ssh git ws wss rtsp ldap ldaps file smb s3 gs mongodb redis jdbc"""
_SCHEMES = frozenset(_SCHEMES_WORDS.split())
_LETTERS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,15}")
_HOST = r"(?:[\w.%~!$&'()*+,;=:-]{1,120}@)?(?:\[[0-9A-Fa-f:.]{2,45}\]|[\w-][\w.-]{0,252})(?::[0-9]{1,5})?"
_REST = r"(?:[/?#][^\s<>\"\0«»“”]*)?"
_AFTER_SCHEME = re.compile(_HOST + _REST)
_WWW = re.compile(r"[wW]{3}\.(?<![\w./@-]....)[\w-][\w.-]{0,250}(?::[0-9]{1,5})?" + _REST)
# Common endings only, and none that is also a file's or a word's: .py, .md, .rs, .sh, .it after a full stop and so on.
_ENDING = re.compile(
    r"\.(?:com|org|net|edu|gov|mil|int|info|biz|app|dev|online|shop|site|xyz|co\.uk|org\.uk|ac\.uk|gov\.uk|com\.au|com\.br"
    r"|co\.jp|eu|de|uk|fr|nl|se|dk|fi|pl|cz|hu|ch|at|es|pt|ie|ca|jp|cn|ru|br|au|nz|us|io|tv)(?![\w@-]|\.\w)" + _REST
)
_LABELS = re.compile(r"[a-z0-9](?:[a-z0-9-]|\.(?=[a-z0-9])){0,200}", re.I)
_TRAILING = ".,;:!?'’*_"


class Email(Recogniser):
    """E-mail addresses, international ones and those spelled with "(at)" too.

    Source: RFC 5322, section 3.4.1 (dot-atom), RFC 6531, RFC 1035 for the lengths.
    """

    def find(self, text: str) -> Iterator[Finding]:
        """The addresses in the batch."""
        at = text.find("@")
        while at >= 0:
            local = _LOCAL.match(text[at - 1 : max(0, at - 65) - 1 if at > 65 else None : -1]) if at else None
            domain = _DOMAIN.match(text, at + 1)
            if local and domain:
                name = local.group()
                length = len(name.rstrip(".'/|=*!`{?"))
                while length and ".." in name[:length]:
                    length = name.index("..")
                if length:
                    yield Finding(Entity.EMAIL_ADDRESS, at - length, domain.end(), 0.99, "form")
            at = text.find("@", at + 1)
        for spelled in _SPELLED.finditer(text):
            local = _SPELLED_LOCAL.match(text[max(0, spelled.start() - 66) : spelled.start()][::-1])
            if local:
                yield Finding(Entity.EMAIL_ADDRESS, spelled.start() - local.end(), spelled.end(), 0.9, "spelled form")


class Url(Recogniser):
    """Addresses of the web: with a scheme, with www, or a host with a common ending.

    Source: RFC 3986, section 3.
    """

    def find(self, text: str) -> Iterator[Finding]:
        """The addresses in the batch."""
        at = text.find("://")
        while at >= 0:
            scheme = re.match(r"[A-Za-z0-9+.-]{1,16}", text[max(0, at - 16) : at][::-1])
            rest = _AFTER_SCHEME.match(text, at + 3)
            if scheme and rest and _LETTERS.fullmatch(scheme.group()[::-1]):
                sure = 0.99 if scheme.group()[::-1].lower() in _SCHEMES else 0.8
                end = _trimmed(text, at + 3, rest.end())
                yield Finding(Entity.URL, at - scheme.end(), end, sure, "scheme")
                at = max(at, end - 3)
            at = text.find("://", at + 1)
        for found in _WWW.finditer(text):
            end = _trimmed(text, found.start(), found.end())
            if "." in text[found.start() + 4 : end]:
                yield Finding(Entity.URL, found.start(), end, 0.95, "www")
        for found in _ENDING.finditer(text):
            host = _LABELS.match(text[max(0, found.start() - 201) : found.start()][::-1])
            if host is None:
                continue
            start = found.start() - host.end()
            before = text[start - 1 : start]
            if before not in ("@", "/", ".", "-", "_") and not (before.isalnum() and before != BREAK):
                yield Finding(Entity.URL, start, _trimmed(text, start, found.end()), 0.75, "host")


def _trimmed(text: str, start: int, end: int) -> int:
    """Where a URL ends without the punctuation of the sentence around it."""
    while end > start:
        last = text[end - 1]
        if last in _TRAILING or (
            last in ")]}" and text.count(last, start, end) > text.count("([{"[")]}".index(last)], start, end)
        ):
            end -= 1
        else:
            break
    return end
