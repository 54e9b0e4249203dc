"""Detection in texts: valid identifiers are found wherever they stand, broken ones are not, and time stays linear."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import datetime
import ipaddress
import string
import sys
from itertools import pairwise
from types import FrameType

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from unseen.deid.detect.batches import found_in
from unseen.deid.detect.defaults import patterns
from unseen.deid.detect.finding import Entity, Finding
from unseen.deid.detect.overlap import settled
from unseen.deid.detect.recogniser import BREAK

PATTERNS = patterns()
QUICK = settings(max_examples=60, deadline=None)

# Any text that touches no identifier. It has no ASCII letters but in words that announce nothing: "plate" would.
signs = st.text(st.characters(codec="utf-8", exclude_characters=string.digits + string.ascii_letters), max_size=30)
neutral = st.sampled_from(["", "Anna wrote", "he said and", "und so weiter", "Well then", "x"])
around = st.builds(lambda first, word, last: f"{first} {word}{last} ", signs, neutral, signs)
behind = around.map(lambda text: " " + text)


def found(text: str, least: float = 0.5) -> list[Finding]:
    return list(found_in([text], PATTERNS, least))


def holds(text: str, value: str, entity: Entity, least: float = 0.5) -> bool:
    start = text.index(value)
    return any(f.entity is entity and f.start <= start and f.end >= start + len(value) for f in found(text, least))


# Independent of the package: check digits by search, not by formula.
def luhn_total(number: str) -> int:
    total = 0
    for place, digit in enumerate(reversed(number)):
        value = int(digit) * (1 + place % 2)
        total += value // 10 + value % 10
    return total


def with_luhn(body: str) -> str:
    return next(body + last for last in string.digits if luhn_total(body + last) % 10 == 0)


def with_mod97(country: str, body: str) -> str:
    from stdnum.iso7064 import mod_97_10

    return country + mod_97_10.calc_check_digits(body + country) + body


@st.composite
def cards(draw: st.DrawFn) -> str:
    head, length = draw(
        st.sampled_from(
            [
                ("4", 16),
                ("4", 13),
                ("51", 16),
                ("55", 16),
                ("2221", 16),
                ("34", 15),
                ("37", 15),
                ("36", 14),
                ("6011", 16),
                ("3530", 16),
                ("65", 16),
                ("4", 19),
            ]
        )
    )
    count = length - 1 - len(head)
    return with_luhn(head + draw(st.text(string.digits, min_size=count, max_size=count)))


@st.composite
def ibans(draw: st.DrawFn) -> str:
    country, shape = draw(
        st.sampled_from([("DE", "9" * 18), ("GB", "A" * 4 + "9" * 14), ("NL", "A" * 4 + "9" * 10), ("AT", "9" * 16)])
    )
    body = "".join(draw(st.sampled_from(string.digits if c == "9" else string.ascii_uppercase)) for c in shape)
    return with_mod97(country, body)


@st.composite
def vins(draw: st.DrawFn) -> str:
    alphabet = "ABCDEFGHJKLMNPRSTUVWXYZ0123456789"
    body = draw(st.text(alphabet, min_size=13, max_size=13)) + draw(st.text(string.digits, min_size=4, max_size=4))
    assume(any(map(str.isalpha, body)))
    values = dict(
        zip(
            "ABCDEFGHJKLMNPRSTUVWXYZ",
            [1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 7, 9, 2, 3, 4, 5, 6, 7, 8, 9],
            strict=True,
        )
    )
    weights = [8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2]
    total = sum(int(values.get(c, c)) * w for c, w in zip(body, weights, strict=True))
    number = body[:8] + "0123456789X"[total % 11] + body[9:]
    assume(not number.isalpha())
    return number


@QUICK
@given(cards(), around, behind)
def test_a_card_is_found_in_any_text(card: str, before: str, after: str) -> None:
    assume(len(set(card)) > 1)
    assert holds(before + card + after, card, Entity.CREDIT_CARD)
    if len(card) == 16:
        grouped = " ".join(card[i : i + 4] for i in range(0, 16, 4))
        assert holds(before + grouped + after, grouped, Entity.CREDIT_CARD)


@QUICK
@given(cards(), st.data())
def test_a_card_with_one_wrong_digit_never_has_a_high_score(card: str, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(card) - 1))
    wrong = data.draw(st.sampled_from([d for d in string.digits if d != card[place]]))
    text = "my credit card " + card[:place] + wrong + card[place + 1 :]
    assert all(f.score < 0.5 for f in found(text, 0.0) if f.entity is Entity.CREDIT_CARD)


@QUICK
@given(ibans(), around, behind)
def test_an_iban_is_found_in_any_text_in_three_notations(iban: str, before: str, after: str) -> None:
    grouped = " ".join(iban[i : i + 4] for i in range(0, len(iban), 4))
    for written in (iban, iban.lower(), grouped):
        assert holds(before + written + after, written, Entity.IBAN)


@QUICK
@given(ibans(), st.data())
def test_an_iban_with_one_wrong_character_never_has_a_high_score(iban: str, data: st.DataObject) -> None:
    place = data.draw(st.integers(2, len(iban) - 1))
    pool = string.digits if iban[place].isdigit() else string.ascii_uppercase
    wrong = data.draw(st.sampled_from([c for c in pool if c != iban[place]]))
    text = "IBAN " + iban[:place] + wrong + iban[place + 1 :]
    assert all(f.score < 0.5 for f in found(text, 0.0) if f.entity is Entity.IBAN)


@QUICK
@given(vins(), around, behind)
def test_a_vin_is_found_in_any_text_and_a_broken_one_is_not(vin: str, before: str, after: str) -> None:
    assert holds(before + vin + after, vin, Entity.VEHICLE_ID)
    american = "1" + vin[1:8] + vin[9:]
    checks = [
        mark for mark in "0123456789X" if holds(american[:8] + mark + american[8:], american[:8], Entity.VEHICLE_ID)
    ]
    assert len(checks) == 1
    broken = american[:8] + ("1" if checks != ["1"] else "2") + american[8:]
    assert all(f.score < 0.5 for f in found(f"VIN {broken}", 0.0) if f.entity is Entity.VEHICLE_ID)


@QUICK
@given(st.text(string.digits, min_size=12, max_size=12))
def test_an_imei_is_found_beside_its_label_and_a_broken_one_is_not(body: str) -> None:
    imei = with_luhn("35" + body)
    assert holds(f"IMEI: {imei}.", imei, Entity.DEVICE_ID)
    broken = imei[:-1] + str((int(imei[-1]) + 1) % 10)
    assert all(f.score < 0.5 for f in found(f"IMEI: {broken}.", 0.0) if f.entity is Entity.DEVICE_ID)


@QUICK
@given(st.integers(1, 899), st.integers(1, 99), st.integers(1, 9999), around, behind)
def test_a_social_security_number_that_is_issued_is_found(a: int, g: int, s: int, before: str, after: str) -> None:
    number = f"{a:03}-{g:02}-{s:04}"
    assume(a != 666 and number not in ("078-05-1120", "457-55-5462", "219-09-9999"))
    assert holds(before + number + after, number, Entity.US_SSN)


@pytest.mark.parametrize("number", ["000-12-3456", "666-12-3456", "123-00-4567", "123-45-0000"])
def test_a_social_security_number_that_is_never_issued_has_no_high_score(number: str) -> None:
    assert all(f.score < 0.5 for f in found(f"SSN {number}", 0.0) if f.entity is Entity.US_SSN)


@QUICK
@given(st.ip_addresses(v=4), st.ip_addresses(v=6), around, behind)
def test_ip_addresses_are_found_in_any_text(
    four: ipaddress.IPv4Address, six: ipaddress.IPv6Address, before: str, after: str
) -> None:
    assert holds(before + str(four) + after, str(four), Entity.IP_ADDRESS)
    written = six.exploded
    assert holds(before + written + after, written, Entity.IP_ADDRESS)


@QUICK
@given(
    st.from_regex(r"[a-z][a-z0-9._+]{0,20}[a-z0-9]", fullmatch=True),
    st.from_regex(r"[a-z]{2,12}\.(com|org|museum|de)", fullmatch=True),
    around,
    behind,
)
def test_an_email_address_is_found_in_any_text(local: str, domain: str, before: str, after: str) -> None:
    assume(".." not in local)
    address = f"{local}@{domain}"
    assert holds(before + address + after, address, Entity.EMAIL_ADDRESS)


@QUICK
@given(st.dates(datetime.date(1500, 1, 1), datetime.date(2199, 12, 31)), around, behind)
def test_a_date_is_found_in_many_notations(day: datetime.date, before: str, after: str) -> None:
    for notation in ("%Y-%m-%d", "%d.%m.%Y", "%m/%d/%Y", "%d %B %Y", "%B %d, %Y", "%d-%b-%Y", "%Y-%m-%dT%H:%M:%SZ"):
        written = day.strftime(notation)
        assert holds(before + written + after, written, Entity.DATE), notation


@pytest.mark.parametrize(
    "text",
    [
        "call +44 20 7946 0958", "call +442079460958", "Tel.: +49 (0)30 1234567", "ring (212) 555-0142", "212-555-0142",
        "212.555.0142 ext. 12", "1-800-555-0199 x4", "00 33 1 42 68 53 00", "mobile 07700 900123", "tel:0301234567",
        "phone=5550142;", "Telefon 089/12 34 56-0", "call 555-0142", "01.84.17.61.18", "+1 (212) 555-0142",
    ],
)  # fmt: skip
def test_phone_numbers_are_found_in_the_notations_people_use(text: str) -> None:
    assert any(f.entity is Entity.PHONE_NUMBER for f in found(text)), text


@pytest.mark.parametrize(
    "text",
    ["it cost 1 250 000 EUR", "1914-1918", "the years 2001-2004", "version 1.2.3.4", "pages 12-34", "3.14159265",
     "ISBN 978-3-16-148410-0", "10:30:00", "std::vector", "a::b"],
)  # fmt: skip
def test_numbers_that_point_at_nobody_are_no_contacts(text: str) -> None:
    wrong = {Entity.PHONE_NUMBER, Entity.IP_ADDRESS, Entity.CREDIT_CARD, Entity.US_SSN}
    assert not [f for f in found(text) if f.entity in wrong]


@pytest.mark.parametrize(
    ("text", "value", "entity"),
    [
        ("The patient is 93 years old", "93", Entity.AGE_OVER_89),
        ("aged 89.", "89", Entity.AGE),
        ("a 45-year-old man", "45", Entity.AGE),
        ("passport no. C01X00T47", "C01X00T47", Entity.PASSPORT),
        ("driver's license number is D1234567", "D1234567", Entity.DRIVERS_LICENCE),
        ("MRN: 00123456", "00123456", Entity.MEDICAL_RECORD_NUMBER),
        ("Medicare number 1EG4-TE5-MK73", "1EG4-TE5-MK73", Entity.HEALTH_PLAN_NUMBER),
        ("account number 12345678", "12345678", Entity.ACCOUNT_NUMBER),
        ("license plate ABC 1234", "ABC 1234", Entity.LICENCE_PLATE),
        ("mac 00:1B:44:11:3A:B7", "00:1B:44:11:3A:B7", Entity.MAC_ADDRESS),
        ("00-1b-44-11-3a-b7", "00-1b-44-11-3a-b7", Entity.MAC_ADDRESS),
        ("codice fiscale RSSMRA85T10A562S", "RSSMRA85T10A562S", Entity.NATIONAL_ID),
        ("HETU 131052-308T", "131052-308T", Entity.NATIONAL_ID),
        ("CPF 111.444.777-35", "111.444.777-35", Entity.NATIONAL_ID),
        ("lives at SW1A 1AA", "SW1A 1AA", Entity.POSTAL_CODE),
        ("Boston, MA 02139-4307", "02139-4307", Entity.POSTAL_CODE),
        ("zip code is 90210", "90210", Entity.POSTAL_CODE),
        ("pay 1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", Entity.CRYPTO_WALLET),
        ("bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4",
         Entity.CRYPTO_WALLET),
        ("see https://example.org/a_(b)?q=1#c.", "https://example.org/a_(b)?q=1#c", Entity.URL),
        ("jane (at) example (dot) org", "jane (at) example (dot) org", Entity.EMAIL_ADDRESS),
        ("Fax: +1 212 555 0142", "+1 212 555 0142", Entity.FAX_NUMBER),
    ],
)  # fmt: skip
def test_what_a_label_or_a_form_announces_is_found_exactly(text: str, value: str, entity: Entity) -> None:
    assert [(text[f.start : f.end], f.entity) for f in found(text) if f.entity is entity] == [(value, entity)]


@QUICK
@given(
    st.lists(
        st.one_of(
            st.text(max_size=40),
            st.sampled_from(
                [
                    "age: 95",
                    "call 555-0142",
                    "IBAN GB82WEST12345698765432",
                    "a@b.co",
                    "",
                    BREAK,
                    "is 42.",
                    "call",
                    "5550142",
                ]
            ),
        ),
        max_size=8,
    )
)
def test_a_text_in_a_batch_is_read_as_if_alone(texts: list[str]) -> None:
    together = [(f.row, f.entity, f.start, f.end, f.score) for f in found_in(texts, PATTERNS, 0.0)]
    apart = [(row, f.entity, f.start, f.end, f.score) for row, text in enumerate(texts) for f in found(text, 0.0)]
    assert together == apart


@QUICK
@given(st.lists(st.tuples(st.integers(0, 30), st.integers(1, 8), st.floats(0, 1)), max_size=12))
def test_settled_findings_do_not_overlap_and_the_surest_stays(spans: list[tuple[int, int, float]]) -> None:
    findings = [Finding(Entity.URL, start, start + size, score) for start, size, score in spans]
    kept = settled(findings)
    assert all(first.end <= second.start for first, second in pairwise(kept))
    assert set(kept) <= set(findings)
    for lost in set(findings) - set(kept):
        assert any(k.start < lost.end and k.end > lost.start and k.score >= lost.score for k in kept)
    if findings:
        assert max(f.score for f in findings) in [f.score for f in kept]


HOSTILE = (
    *(
        "1",
        "1 ",
        "1-",
        "a",
        "AB1 ",
        "@",
        "a@",
        "a.",
        "a@a.",
        "a://",
        ":",
        "a:",
        "0:",
        "(",
        "[at] ",
        "+1 (",
        ".com",
        "zip ",
    ),
    *("-00", "DE12 ", "bc1q", "/", "day", " ", "123-45-", "é٣\u0301", "www.", "1.1.", "2020-01-", "age 1 ", "0x", "1x"),
)


def steps(text: str) -> int:
    """How many calls, of Python and of C, a search makes."""
    count = 0

    def told(frame: FrameType, event: str, argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(told)
    try:
        list(found_in([text], PATTERNS, 0.0))
    finally:
        sys.setprofile(before)
    return count


@pytest.mark.parametrize("piece", HOSTILE)
def test_hostile_text_takes_steps_in_proportion(piece: str) -> None:
    """Steps inside one match of a pattern are not counted: `benchmarks/bench_detection.py` has these texts' speed."""
    small, large = piece * (2**11 // len(piece)), piece * (2**13 // len(piece))
    assert steps(large) <= 5 * steps(small)


def test_a_hostile_megabyte_is_read_to_its_end() -> None:
    text = "".join(piece * (2**20 // len(HOSTILE) // len(piece)) for piece in HOSTILE) + " jane@example.org"
    assert found(text, 0.0)[-1].end == len(text)


@pytest.mark.parametrize("text", ["", " ", "\n", BREAK, BREAK * 3, "\ud800", "٣٤٥", "é" * 10, "\u202e1234\u202c"])
def test_odd_texts_are_read(text: str) -> None:
    assert isinstance(found(text, 0.0), list)
