"""FF1: NIST's samples, an independent reading of the standard, and a permutation of every domain."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from hypothesis import given, settings
from hypothesis import strategies as st

from unseen.core.errors import InvalidRequest
from unseen.deid.pseudonym import FF1

KEY = bytes.fromhex("2B7E151628AED2A6ABF7158809CF4F3CEF4359D8D580AA4F7F036D6F04FC6A94")
SIGNS = "0123456789abcdefghijklmnopqrstuvwxyz"
SAMPLES = [
    (16, 10, "", "0123456789", "2433477484"),
    (16, 10, "39383736353433323130", "0123456789", "6124200773"),
    (16, 36, "3737373770717273373737", "0123456789abcdefghi", "a9tv40mll9kdu509eum"),
    (24, 10, "", "0123456789", "2830668132"),
    (24, 10, "39383736353433323130", "0123456789", "2496655549"),
    (24, 36, "3737373770717273373737", "0123456789abcdefghi", "xbj3kv35jrawxv32ysr"),
    (32, 10, "", "0123456789", "6657667009"),
    (32, 10, "39383736353433323130", "0123456789", "1001623463"),
    (32, 36, "3737373770717273373737", "0123456789abcdefghi", "xs8a0azh2avyalyzuwd"),
]


@pytest.mark.parametrize(("size", "radix", "tweak", "plain", "sealed"), SAMPLES)
def test_the_nine_samples_of_nist_hold(size: int, radix: int, tweak: str, plain: str, sealed: str) -> None:
    """FF1 samples 1 to 9 of NIST's examples with intermediate values for SP 800-38G."""
    cipher = FF1(KEY[:size], radix)
    made = cipher.encrypt([SIGNS.index(sign) for sign in plain], bytes.fromhex(tweak))
    assert "".join(SIGNS[numeral] for numeral in made) == sealed
    assert cipher.decrypt(made, bytes.fromhex(tweak)).tolist() == [SIGNS.index(sign) for sign in plain]


def by_the_letter(key: bytes, radix: int, tweak: bytes, numerals: list[int], rounds: int = 10) -> list[int]:
    """Algorithm 7 step by step on Python's integers and the library's CBC mode, one string at a time."""

    def num(digits: list[int]) -> int:
        total = 0
        for digit in digits:
            total = total * radix + digit
        return total

    def string(value: int, width: int) -> list[int]:
        digits = []
        for _ in range(width):
            value, digit = divmod(value, radix)
            digits.append(digit)
        return digits[::-1]

    def encrypted(mode: Any, content: bytes) -> bytes:
        made: bytes = Cipher(algorithms.AES(key), mode).encryptor().update(content)
        return made

    n, t = len(numerals), len(tweak)
    u = n // 2
    v = n - u
    a, b = numerals[:u], numerals[u:]
    bits = 0
    while 2**bits < radix**v:
        bits += 1
    size = -(-bits // 8)
    d = 4 * -(-size // 4) + 4
    p = bytes([1, 2, 1, *radix.to_bytes(3, "big"), 10, u % 256, *n.to_bytes(4, "big"), *t.to_bytes(4, "big")])
    for i in range(rounds):
        q = tweak + bytes((-t - size - 1) % 16) + bytes([i]) + num(b).to_bytes(size, "big")
        r = encrypted(modes.CBC(bytes(16)), p + q)[-16:]
        s = r
        for j in range(1, -(-d // 16)):
            s += encrypted(modes.ECB(), bytes(x ^ y for x, y in zip(r, j.to_bytes(16, "big"), strict=True)))
        m = u if i % 2 == 0 else v
        a, b = b, string((num(a) + int.from_bytes(s[:d], "big")) % radix**m, m)
    return a + b


@st.composite
def cases(draw: st.DrawFn) -> tuple[bytes, int, bytes, list[list[int]]]:
    key = draw(st.sampled_from([16, 24, 32]).flatmap(lambda size: st.binary(min_size=size, max_size=size)))
    radix = draw(st.sampled_from([2, 10, 16, 26, 36, 62, 255, 256, 257, 65535, 65536]) | st.integers(2, 65536))
    shortest = FF1(key, radix).shortest
    length = draw(st.integers(shortest, shortest + 40))
    row = st.lists(st.integers(0, radix - 1), min_size=length, max_size=length)
    return key, radix, draw(st.binary(max_size=40)), draw(st.lists(row, min_size=1, max_size=3))


@given(cases())
def test_many_strings_at_once_are_encrypted_by_the_letter_of_the_standard_and_back(
    case: tuple[bytes, int, bytes, list[list[int]]],
) -> None:
    key, radix, tweak, rows = case
    made = FF1(key, radix).encrypt(rows, tweak)
    assert made.tolist() == [by_the_letter(key, radix, tweak, row) for row in rows]
    assert FF1(key, radix).decrypt(made, tweak).tolist() == rows


@pytest.mark.parametrize(("radix", "length"), [(10, 18), (10, 19), (10, 28), (10, 29), (2, 96), (2, 97), (65536, 6)])
def test_where_words_become_too_short_nothing_changes(radix: int, length: int) -> None:
    """Halves of up to 2^32, up to 2^48 and beyond are counted in three ways."""
    row = [radix - 1] * length
    assert FF1(KEY, radix).encrypt(row).tolist() == by_the_letter(KEY, radix, b"", row)


def test_a_whole_domain_is_permuted() -> None:
    every = np.arange(10**6)[:, None] // 10 ** np.arange(5, -1, -1) % 10
    made = FF1(KEY, 10).encrypt(every) @ 10 ** np.arange(5, -1, -1)
    assert np.array_equal(np.sort(made), np.arange(10**6)) and not np.array_equal(made, np.arange(10**6))


def test_a_round_less_would_be_seen() -> None:
    row = list(range(10))
    assert by_the_letter(KEY, 10, b"", row, rounds=9) != FF1(KEY, 10).encrypt(row).tolist()


@given(st.binary(max_size=8), st.binary(max_size=8))
@settings(max_examples=20)
def test_another_tweak_is_another_permutation(one: bytes, other: bytes) -> None:
    row = [[0] * 20, [1] * 20]
    assert (FF1(KEY, 10).encrypt(row, one).tolist() == FF1(KEY, 10).encrypt(row, other).tolist()) is (one == other)


@pytest.mark.parametrize(("radix", "shortest"), [(2, 20), (10, 6), (36, 4), (1000, 2), (65536, 2)])
def test_domains_below_a_million_are_refused(radix: int, shortest: int) -> None:
    cipher = FF1(KEY, radix)
    assert cipher.shortest == shortest and radix**shortest >= 10**6
    cipher.encrypt([0] * shortest)
    with pytest.raises(InvalidRequest, match="at least"):
        cipher.encrypt([0] * (shortest - 1))


@pytest.mark.parametrize(
    "act",
    [
        lambda: FF1(KEY[:15], 10),
        lambda: FF1(KEY, 1),
        lambda: FF1(KEY, 65537),
        lambda: FF1(KEY, 10).encrypt([10] * 6),
        lambda: FF1(KEY, 10).encrypt([-1] * 6),
        lambda: FF1(KEY, 10).encrypt([0.5] * 6),
        lambda: FF1(KEY, 10).encrypt("123456"),
    ],
)
def test_what_is_no_string_of_the_radix_is_refused(act: Any) -> None:
    with pytest.raises(InvalidRequest):
        act()


def test_no_strings_give_no_strings_and_a_cipher_shows_no_key() -> None:
    cipher = FF1(KEY, 10)
    assert cipher.encrypt(np.zeros((0, 6), dtype=np.int64)).shape == (0, 6)
    assert KEY.hex() not in repr(cipher) and str(KEY) not in repr(cipher)
    with pytest.raises(TypeError):
        pickle.dumps(cipher)
