"""National identity numbers, told by how they are written and by their check digits."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import re

from unseen.core.errors import extra
from unseen.deid.detect.finding import Entity

__all__ = ["SHORTEST", "identify"]

# How a number is written (9 for a digit, A for a letter), the module of python-stdnum that checks it, and how sure a
# number is that is written so and passes: little where any tenth run of digits would pass, much for two check digits.
_FORMS = """
AAAAAA99A99A999A it.codicefiscale 99 | 99999999A es.dni 90 | 99999999-A es.dni 95 | A9999999A es.nie 95
A-9999999-A es.nie 96 | 999999-999A fi.hetu 96 | 999999-9999 se.personnummer 85 | 99999999-9999 se.personnummer 92
999999-9999 dk.cpr 75 | 99999999999 no.fodselsnummer 80 | 999999 99999 no.fodselsnummer 93 | 99999999999 pl.pesel 70
999999/9999 cz.rc 93 | 999999/999 cz.rc 80 | 999.999.999-99 br.cpf 98 | 99999999999 br.cpf 70
AAAA999999AAAAAA99 mx.curp 98 | AAAA999999AAAAAAA9 mx.curp 98 | 999999999999999999 cn.ric 95
99999999999999999A cn.ric 97 | 999999-9999999 kr.rrn 95 | 999 999 9999 gb.nhs 55 | 999-999-9999 gb.nhs 10
999 999 999 ca.sin 50 | 999-999-999 ca.sin 60 | 9999 9999 9999 in_.aadhaar 75 | 9999-9999-9999 in_.aadhaar 60
AAAAA9999A in_.pan 85 | 9999999A ie.pps 75 | 9999999AA ie.pps 80 | 99.99.99-999.99 be.nn 98 | 99999999999 be.nn 70
999.9999.9999.99 ch.ssn 98 | 9999999999999 si.emso 75 | 9999999999999 ro.cnp 75 | 99999999999 tr.tckimlik 70
9999999999999 za.idnr 75 | 99.999.999-9 cl.rut 93 | 99.999.999-A cl.rut 95 | 9.999.999-9 cl.rut 93
9.999.999-A cl.rut 95 | 999999-99-9999 my.nric 88 | 99999-9999999-9 pk.cnic 90 | 9-9999-99999-99-9 th.pin 97
999999999999999 fr.nir 85 | 9 99 99 99 999 999 99 fr.nir 98 | 9 99 99 99 999 999 fr.nir 60 | 99999999999 ee.ik 65
999-9999999-9 do.cedula 90 | 99 999 999 999 de.idnr 85
"""


def _read() -> dict[str, list[tuple[str, float]]]:
    table: dict[str, list[tuple[str, float]]] = {}
    for entry in re.split(r" \| |\n", _FORMS.strip()):
        shape, module, score = entry.rsplit(" ", 2)
        table.setdefault(shape, []).append((f"stdnum.{module}", int(score) / 100))
    return table


_TABLE = _read()
_SHAPE = bytes.maketrans(
    b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", b"9" * 10 + b"A" * 26 + b"a" * 26
)
SHORTEST = min(map(len, _TABLE))
"""How many characters the shortest of them has."""
_LONGEST = max(map(len, _TABLE))
_NINO = re.compile(r"(?!BG|GB|KN|NK|NT|TN|ZZ)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?[0-9]{2} ?[0-9]{2} ?[0-9]{2} ?[A-D]")
_L, _LN = "[AC-HJKMNPQRT-Y]", "[AC-HJKMNPQRT-Y0-9]"
_MBI = re.compile(f"[1-9]{_L}{_LN}[0-9]-?{_L}{_LN}[0-9]-?{_L}{_L}[0-9]{{2}}")


def identify(whole: str) -> tuple[Entity, float, int] | None:
    """What national number this is, if its form and its check digits fit one: kind, score, how many characters.

    Args:
        whole: a run of letters and digits with single separators, as it is written; ASCII.

    Source: the issuing states' rules as python-stdnum has them; for the National Insurance number HMRC's NIM39110,
    for the Medicare beneficiary identifier CMS's format of 2018.
    """
    shape = whole.encode().translate(_SHAPE).decode()
    if shape.isdigit() and shape not in _TABLE:
        return None
    if len(whole) <= _LONGEST:
        best = _checked(shape, whole) if shape in _TABLE else 0.0
        if best:
            return Entity.NATIONAL_ID, best, len(whole)
        if 9 <= len(whole) <= 13 and shape.startswith("AA"):
            found = _NINO.match(whole)
            if found:
                return Entity.NATIONAL_ID, 0.9, found.end()
        if 11 <= len(whole) <= 13 and shape.startswith("9A") and _MBI.fullmatch(whole):
            return Entity.HEALTH_PLAN_NUMBER, 0.9, len(whole)
    cut = shape.rfind(" ", 0, _LONGEST + 1)
    while cut >= SHORTEST:
        if shape[:cut] in _TABLE:
            best = _checked(shape[:cut], whole[:cut])
            if best:
                return Entity.NATIONAL_ID, best, cut
        cut = shape.rfind(" ", 0, cut)
    return None


def _checked(shape: str, written: str) -> float:
    return max(
        (score for module, score in _TABLE.get(shape, ()) if extra(module, "deid").is_valid(written)),
        default=0.0,
    )
