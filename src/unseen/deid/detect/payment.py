"""Cards, IBANs and crypto wallets: numbers that carry their own check."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator

from unseen.deid.detect.checksums import IBAN_LENGTHS, iban_holds, issuer, luhn_holds
from unseen.deid.detect.finding import Entity, Finding
from unseen.deid.detect.labels import Label, label_before
from unseen.deid.detect.recogniser import Recogniser

__all__ = ["Card", "Iban", "Wallet"]

# Digits, each after at most one blank or hyphen. More than a card has: an expiry date may stand beside it.
_CARD = re.compile(r"[0-9](?<![\w+].)(?<![0-9][.].)[0-9](?:[ -]?[0-9]){10,40}+", re.S)
_PIECE = re.compile("[0-9]+")
_IBAN = re.compile(r"[0-9](?<=[A-Za-z]{2}.)(?<![^\W_].{3})[0-9](?:[ -]?[0-9A-Za-z]){11,31}", re.S)
_BASE58 = re.compile(r"[13](?<!\w.)[1-9A-HJ-NP-Za-km-z]{25,34}(?!\w)", re.S)
_BECH32 = re.compile(r"bc1[02-9ac-hj-np-z]{11,71}(?!\w)|BC1[02-9AC-HJ-NP-Z]{11,71}(?!\w)")
_ETHEREUM = re.compile(r"0x(?<!\w..)[0-9a-fA-F]{40}(?!\w)", re.S)
_ALPHABET58 = {c: i for i, c in enumerate("123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz")}
_ALPHABET32 = {c: i for i, c in enumerate("qpzry9x8gf2tvdw0s3jn54khce6mua7l")}
_GROUPS = frozenset({(4, 4, 4, 4), (4, 6, 5), (4, 6, 4), (4, 4, 4, 4, 3), (4, 5, 6), (6, 13), (4, 4, 5)})


class Card(Recogniser):
    """Payment cards: the check digit, the network's first digits and the length all have to fit.

    Source: ISO/IEC 7812-1.
    """

    def find(self, text: str) -> Iterator[Finding]:
        """The card numbers in the batch; one with a broken check digit is told with a low score beside its label."""
        for found in _CARD.finditer(text):
            start, end = found.span()
            if text[end : end + 1].isalnum() or (text[end : end + 1] == "." and text[end + 1 : end + 2].isdigit()):
                continue
            for begin, stop, digits in _cards(found):
                if begin != start and text[begin - 1] == "-":
                    continue
                label = label_before(text, start)
                if luhn_holds(digits):
                    yield from _judged(begin, stop, digits, label)
                elif len(digits) >= 15 and label is Label.CARD:
                    yield Finding(Entity.CREDIT_CARD, begin, stop, 0.3, "label, broken checksum")


def _cards(found: re.Match[str]) -> Iterator[tuple[int, int, str]]:
    """The pieces of a run of digits that are written like a card: begin, end, digits."""
    written, offset = found.group(), found.start()
    if written.isdigit():
        if 12 <= len(written) <= 19:
            yield offset, found.end(), written
        return
    pieces = [piece.span() for piece in _PIECE.finditer(written)]
    lengths = tuple(stop - begin for begin, stop in pieces)
    first = 0
    while first < len(pieces):
        taken = 1
        for count in (5, 4, 3, 2, 1):
            if first + count > len(pieces):
                continue
            if lengths[first : first + count] in _GROUPS or (count == 1 and 12 <= lengths[first] <= 19):
                begin, stop = pieces[first][0], pieces[first + count - 1][1]
                yield offset + begin, offset + stop, written[begin:stop].replace(" ", "").replace("-", "")
                taken = count
                break
        first += taken


def _judged(start: int, end: int, digits: str, label: Label | None) -> Iterator[Finding]:
    if digits.count(digits[0]) == len(digits):
        return
    if not issuer(digits):
        known = label is Label.CARD
        score = 0.7 if known else 0.4
        yield Finding(
            Entity.CREDIT_CARD, start, end, score, "checksum, no issuer + label" if known else "checksum, no issuer"
        )
    elif end - start > len(digits):
        yield Finding(Entity.CREDIT_CARD, start, end, 0.98, "checksum + groups")
    elif label is Label.CARD:
        yield Finding(Entity.CREDIT_CARD, start, end, 0.99, "checksum + label")
    elif label is None or label in (Label.ACCOUNT, Label.ADDRESS, Label.DATE):
        yield Finding(Entity.CREDIT_CARD, start, end, 0.9, "checksum")
    else:
        yield Finding(Entity.CREDIT_CARD, start, end, 0.6, "checksum, other label")


class Iban(Recogniser):
    """International bank account numbers, in one piece or in groups, upper or lower case.

    Source: ISO 13616-1.
    """

    def find(self, text: str) -> Iterator[Finding]:
        """The account numbers in the batch; one with a broken check is told with a low score beside its label."""
        for found in _IBAN.finditer(text):
            start = found.start() - 2
            length = IBAN_LENGTHS.get(text[start : start + 2].upper())
            if length is None:
                continue
            end, seen = start, 0
            while seen < length and end < found.end():
                seen += text[end] not in " -"
                end += 1
            if seen < length or text[end : end + 1].isalnum():
                continue
            if iban_holds(text[start:end].replace(" ", "").replace("-", "").upper()):
                yield Finding(Entity.IBAN, start, end, 0.99, "checksum")
            elif label_before(text, start) is Label.IBAN:
                yield Finding(Entity.IBAN, start, end, 0.3, "label, broken checksum")


class Wallet(Recogniser):
    """Addresses of Bitcoin (base58check, bech32) and Ethereum wallets.

    Source: BIP 13, BIP 173 and BIP 350; EIP-55 for the form (its capital letters are not checked).
    """

    def find(self, text: str) -> Iterator[Finding]:
        """The wallets in the batch."""
        for found in _BASE58.finditer(text):
            if _base58_holds(found.group()):
                yield Finding(Entity.CRYPTO_WALLET, *found.span(), 0.99, "checksum")
        for found in _BECH32.finditer(text) if "bc1" in text or "BC1" in text else ():
            if _bech32_holds(found.group().lower()):
                yield Finding(Entity.CRYPTO_WALLET, *found.span(), 0.99, "checksum")
        for found in _ETHEREUM.finditer(text) if "0x" in text else ():
            yield Finding(Entity.CRYPTO_WALLET, *found.span(), 0.9, "form")


def _base58_holds(address: str) -> bool:
    value = 0
    for character in address:
        value = value * 58 + _ALPHABET58[character]
    if value >> 200:
        return False
    raw = value.to_bytes(25, "big")
    return hashlib.sha256(hashlib.sha256(raw[:21]).digest()).digest()[:4] == raw[21:]


def _bech32_holds(address: str) -> bool:
    values = [ord(c) >> 5 for c in "bc"] + [0] + [ord(c) & 31 for c in "bc"]
    check = 1
    for value in values + [_ALPHABET32[c] for c in address[3:]]:
        top = check >> 25
        check = (check & 0x1FFFFFF) << 5 ^ value
        for bit, generator in enumerate((0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)):
            check ^= generator if top >> bit & 1 else 0
    return check in (1, 0x2BC830A3)
