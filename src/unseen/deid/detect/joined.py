"""Given name and surname written as one word: #JohnSmith, John_Smith.pdf, AnnaMeyer1."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import re
from collections.abc import Iterator

from unseen.deid.detect.finding import Entity, Finding
from unseen.deid.detect.lexicon import Lexicon
from unseen.deid.detect.piece import see
from unseen.deid.detect.vocabulary import WORD_GIVEN

__all__ = ["joined"]

_PART = r"[^\W\d_a-zß-öø-ÿ][^\W\d_A-Z]{2,20}"
_TWO = re.compile(rf"(?<![^\W_])(?P<given>{_PART})_?(?P<surname>{_PART})(?![^\W\d_])")
_SCORE = 0.7


def joined(text: str, lexicon: Lexicon) -> Iterator[Finding]:
    """A listed given name and a listed surname without a blank between them; each with its capital, not both words.

    Args:
        text: the batch.
        lexicon: what is known.
    """
    for found in _TWO.finditer(text):
        given, surname = see(found["given"], lexicon), see(found["surname"], lexicon)
        plain = given.given and (not given.common or (given.folded in WORD_GIVEN and not surname.common))
        if plain and surname.surname:
            yield Finding(Entity.PERSON, found.start(), found.end(), _SCORE, "given name and surname, joined")
