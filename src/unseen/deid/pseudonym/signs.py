"""Which characters of a value may stay where the others are hidden."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import unicodedata

__all__ = ["stays"]


def stays(sign: str) -> bool:
    """Whether a character is punctuation or space, by which nothing is written: no letter, mark, digit or symbol.

    Vowel signs are marks, and letters in circles symbols: both can be read. Of ASCII's symbols, such as the plus
    before a country code, none can.

    >>> [stays(sign) for sign in "-+ a\u093f\u24d0"]
    [True, True, True, False, False, False]
    """
    return not sign.isalnum() if sign.isascii() else unicodedata.category(sign)[0] in "PZ"
