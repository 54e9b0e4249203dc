"""Pseudonyms: consistent between tables and texts, apart between projects, undone by the key alone."""
# SPDX-License-Identifier: Apache-2.0

from unseen.deid.pseudonym.alike import Alike
from unseen.deid.pseudonym.dates import DateShift
from unseen.deid.pseudonym.encrypt import Encrypt
from unseen.deid.pseudonym.ff1 import FF1
from unseen.deid.pseudonym.formats import FormatPreserving
from unseen.deid.pseudonym.key import Key
from unseen.deid.pseudonym.mask import Drop, FreeText, GeneralizeTo, Keep, Mask, Redact, Truncate
from unseen.deid.pseudonym.operation import Operation
from unseen.deid.pseudonym.policy import Policy
from unseen.deid.pseudonym.pseudonymize import Pseudonymize, Pseudonymous, PseudonymProof, reidentify
from unseen.deid.pseudonym.surrogate import Surrogate
from unseen.deid.pseudonym.token import Token

__all__ = [
    "FF1",
    "Alike",
    "DateShift",
    "Drop",
    "Encrypt",
    "FormatPreserving",
    "FreeText",
    "GeneralizeTo",
    "Keep",
    "Key",
    "Mask",
    "Operation",
    "Policy",
    "PseudonymProof",
    "Pseudonymize",
    "Pseudonymous",
    "Redact",
    "Surrogate",
    "Token",
    "Truncate",
    "reidentify",
]
