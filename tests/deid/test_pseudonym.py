"""Operations: what each hides, what it keeps, and that nothing of a value or a key is in a pseudonym."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import base64
import hmac
import re
from collections import Counter
from collections.abc import Callable
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2

from unseen.core.errors import DataFault, InvalidRequest
from unseen.deid import Hierarchy
from unseen.deid.pseudonym import (
    Alike,
    DateShift,
    Encrypt,
    FormatPreserving,
    GeneralizeTo,
    Key,
    Mask,
    Policy,
    Redact,
    Surrogate,
    Token,
    Truncate,
)
from unseen.deid.pseudonym.alike import canonical
from unseen.deid.pseudonym.operation import Replacing, Scope

KEY = Key(bytes(range(32)))
SCOPE = Scope(KEY, "study", "en_US")
OTHERS = [Scope(KEY, "another study", "en_US"), Scope(Key(bytes(32)), "study", "en_US")]
TEXTS = st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=40), unique=True, max_size=20)


def made(operation: Replacing, *values: Any, scope: Scope = SCOPE, name: str = "person") -> list[str]:
    return operation.named(name).replace(list(values), scope, name)


# --- Alike ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "same",
    [
        ["Jürgen Müller", "jurgen muller", "MÜLLER, Jürgen", "  Müller ,  Jürgen ", "Dr. Ju\u0308rgen Mu\u0308ller"],
        ["Seán O'Neill", "SEAN O’NEILL", "O'Neill, Seán", "Mr. Sean O'Neill"],
        ["John A. Smith", "Smith, John A", "john a smith"],
        ["Martin Luther King, Jr.", "martin luther king jr"],
        ["Наталья Новикова", "НОВИКОВА, Наталья"],
    ],
)
def test_writings_of_one_name_have_one_pseudonym(same: list[str]) -> None:
    for operation in (Token(), Surrogate(), Encrypt(alike=Alike.NAME)):
        assert len(set(made(operation, *same))) == 1


@pytest.mark.parametrize(
    "apart",
    [
        ["John Smith", "John A. Smith", "Smith", "Jon Smith", "John Smith Jr.", "John Smythe"],
        ["Anna Lord", "Anna", "Lord"],
        ["が", "か"],
        ["Новикова", "Новиков", "Нович", "Новичи"],
        ["Йод", "Иод"],
    ],
)
def test_other_names_have_other_pseudonyms(apart: list[str]) -> None:
    for operation in (Token(), Surrogate(), Encrypt(alike=Alike.NAME)):
        assert len(set(made(operation, *apart))) == len(apart)


@given(st.text(max_size=40), st.sampled_from(Alike))
def test_the_common_writing_stands_for_itself(text: str, alike: Alike) -> None:
    assert canonical(canonical(text, alike), alike) == canonical(text, alike)


def test_numbers_and_the_texts_of_them_are_one_value() -> None:
    assert len(set(made(Token(), 12, 12.0, "12", Decimal(12), name="id"))) == 1
    assert len(set(made(Token(), "12 34", "1234", "12-34", name="card"))) == 1
    assert len(set(made(Token(), "ab", "AB", "a b", name="id"))) == 3


# --- Tokens ---------------------------------------------------------------------------------------------


@given(TEXTS, st.integers(8, 51))
def test_a_token_is_hmac_in_base_32(values: list[str], length: int) -> None:
    """Against the library's own base 32, and HMAC under the derived key."""
    key = KEY.subkey("study", "token of id")
    digests = [hmac.new(key, canonical(value, Alike.EXACT).encode(), "sha256").digest() for value in values]
    expected = [base64.b32encode(digest).decode().lower()[:length] for digest in digests]
    assert made(Token(length=length), *values, name="id") == expected


def test_the_same_value_has_another_token_in_another_project_under_another_key_and_as_another_kind() -> None:
    found = [made(Token(), "John Smith", scope=scope) for scope in (SCOPE, *OTHERS)]
    found += [made(Token(of="doctor"), "John Smith"), made(Token(), "John Smith")]
    assert len(set(map(tuple, found))) == 4 and found[0] == found[-1]


def test_the_collision_bound_is_the_birthday_bound() -> None:
    assert Token(length=16).collision_bound(10**6) == pytest.approx(10**12 / 2**81, rel=1e-5)
    assert Token(length=8).collision_bound(1) == 0.0 and Token(length=8).collision_bound(10**9) == 1.0


@pytest.mark.parametrize(
    ("operation", "form", "values"),
    [
        (Token(), "[a-z2-7]{16}", ["", "1", "John Smith", "x" * 1000]),
        (Encrypt(), "sealed-[a-z2-7]{52}", ["", "1", "John Smith", 17, 2.5]),
        (FormatPreserving(), r"\d{9}", ["000000000", "123456789", "999999999"]),
    ],
)
def test_pseudonyms_of_other_values_have_one_form(operation: Replacing, form: str, values: list[Any]) -> None:
    for scope in (SCOPE, *OTHERS):
        found = made(operation, *values, scope=scope, name="id")
        assert all(re.fullmatch(form, one) for one in found) and len(set(found)) == len(values)


@pytest.mark.statistical
def test_what_a_pseudonym_looks_like_says_nothing_of_its_value(proof_runs: Callable[[int, int], int]) -> None:
    """False alarm 1e-5 for each of 3; power: a pseudonym that keeps its value's last sign is seen, checked."""
    runs = proof_runs(3000, 30000)

    def last_signs_differ(operation: Replacing, leaks: bool = False) -> bool:
        counts: list[Counter[str]] = []
        for value in ("1111111", "2222222"):
            scopes = (Scope(Key(seed.to_bytes(32, "big")), "study", "en_US") for seed in range(runs))
            signs = [made(operation, value, scope=scope)[0][-4] for scope in scopes]
            counts.append(Counter(value[-1] if leaks and at % 10 == 0 else sign for at, sign in enumerate(signs)))
        seen = sorted(set(counts[0]) | set(counts[1]))
        table = np.array([[count[sign] for sign in seen] for count in counts], dtype=float)
        expected = table.sum(axis=0) / 2
        return bool(((table - expected) ** 2 / expected).sum() > chi2.isf(1e-5, len(seen) - 1))

    for operation in (Token(of="id"), Encrypt(of="id"), FormatPreserving(of="id")):
        assert not last_signs_differ(operation)
    assert last_signs_differ(Token(of="id"), leaks=True)


# --- What the key undoes ----------------------------------------------------------------------------------

VALUES = (
    st.text(st.characters(exclude_categories=["Cs"]))
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | st.booleans()
    | st.dates()
    | st.datetimes()
)


@given(VALUES)
def test_an_encrypted_value_comes_back_with_its_type(value: Any) -> None:
    token = made(Encrypt(), value)
    assert re.fullmatch("sealed-[a-z2-7]{52,}", token[0])
    back = Encrypt(of="person").restore(token, SCOPE, "person")
    assert back == [value] and type(back[0]) is type(value)


def test_another_key_opens_nothing_and_a_changed_token_is_seen() -> None:
    operation = Encrypt(of="person")
    tokens = made(operation, "John", "Anna")
    for scope in OTHERS:
        with pytest.raises(InvalidRequest, match="the key opens nothing") as refused:
            operation.restore(tokens, scope, "person")
        assert "John" not in str(refused.value)
    changed = tokens[0][:-1] + ("a" if tokens[0][-1] != "a" else "b")
    with pytest.raises(DataFault, match="1 of 2 tokens"):
        operation.restore([tokens[1], tokens[0][:20] + changed[20:-2] + "zz"], SCOPE, "person")


@st.composite
def forms(draw: st.DrawFn) -> tuple[str, str]:
    alphabet = "".join(draw(st.sampled_from(["0123456789", "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", "01", "αβγδ"])))
    signs = draw(st.lists(st.sampled_from(alphabet), min_size=20, max_size=45))
    for _ in range(draw(st.integers(0, 5))):
        signs.insert(draw(st.integers(0, len(signs))), draw(st.sampled_from(" -./()+")))
    return alphabet, "".join(signs)


@given(st.lists(forms(), min_size=1, max_size=5))
def test_a_format_stays_and_comes_back(cases: list[tuple[str, str]]) -> None:
    alphabet = cases[0][0]
    values = [value for one, value in cases if one == alphabet]
    operation = FormatPreserving(of="id", alphabet=alphabet)
    found = made(operation, *values)
    assert operation.restore(found, SCOPE, "id") == values
    for value, pseudonym in zip(values, found, strict=True):
        assert [sign if sign in " -./()+" else "x" for sign in value] == [
            sign if sign in " -./()+" else "x" for sign in pseudonym
        ]
        assert set(pseudonym) <= set(alphabet) | set(" -./()+")


def test_a_number_has_one_pseudonym_however_it_is_spaced() -> None:
    found = made(FormatPreserving(of="ssn"), "123-45-6789", "123 45 6789", "123456789")
    assert len({re.sub(r"\D", "", one) for one in found}) == 1


def luhn(digits: str) -> bool:
    total = 0
    for at, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + at % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


@given(st.lists(st.text("0123456789", min_size=7, max_size=18), min_size=1, max_size=10, unique=True))
def test_a_card_number_stays_one(starts: list[str]) -> None:
    cards = [start + next(digit for digit in "0123456789" if luhn(start + digit)) for start in starts]
    operation = FormatPreserving(of="card", luhn=True)
    found = made(operation, *cards)
    assert all(map(luhn, found)) and len(set(found)) == len(cards)
    assert operation.restore(found, SCOPE, "card") == cards


@pytest.mark.parametrize(
    ("operation", "value", "message"),
    [
        (FormatPreserving(), "12345", "fewer than 6"),
        (FormatPreserving(), "AB123456", "stay readable"),
        (FormatPreserving(), "1234567٣", "stay readable"),
        (FormatPreserving(luhn=True), "4111111111111112", "Luhn"),
        (FormatPreserving(luhn=True), "411111", "fewer than 7"),
        (FormatPreserving(), "", "fewer than 6"),
        (GeneralizeTo(Hierarchy.prefixes(5), 1), "021391", "no place"),
        (Token(), b"bytes", "type bytes"),
        (Encrypt(), ["a list"], "type list"),
    ],
)
def test_a_value_that_does_not_fit_is_refused_and_not_shown(operation: Replacing, value: Any, message: str) -> None:
    with pytest.raises(DataFault, match=message) as refused:
        made(operation, value)
    assert not value or str(value) not in str(refused.value)


# --- Dates ------------------------------------------------------------------------------------------------


@given(st.lists(st.dates(date(1901, 1, 1), date(2200, 1, 1)), min_size=2, max_size=6), st.integers(1, 400))
def test_intervals_between_a_persons_dates_stay(days: list[date], most: int) -> None:
    policy = Policy("study", {"when": DateShift(most), "written": DateShift(most)}, person="id")
    table = pa.table({"id": ["p"] * len(days), "when": days, "written": [day.isoformat() for day in days]})
    found = policy.apply(table, KEY)
    assert found["when"].to_pylist() == [date.fromisoformat(day) for day in found["written"].to_pylist()]
    moves = {new - old for new, old in zip(found["when"].to_pylist(), days, strict=True)}
    assert len(moves) == 1 and abs(moves.pop()) <= timedelta(most) and "id" not in found.column_names


@pytest.mark.statistical
def test_shifts_are_uniform(proof_runs: Callable[[int, int], int]) -> None:
    """False alarm 1e-5; power: shifts that leave out zero are seen, checked."""
    runs = proof_runs(20_000, 400_000)

    def uniform(shifts: np.ndarray[Any, Any]) -> bool:
        counts = np.bincount(shifts + 10, minlength=21)
        return bool(len(counts) == 21 and ((counts - runs / 21) ** 2).sum() / (runs / 21) < chi2.isf(1e-5, 20))

    shifts = DateShift(10).shifts([str(person) for person in range(runs)], SCOPE)
    assert uniform(shifts)
    assert not uniform(np.where(shifts == 0, 1, shifts))


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("March 5, 2021", "%B %d, %Y"),
        ("05.03.2021", "%d.%m.%Y"),
        ("5 Mar 2021", "%d %b %Y"),
        ("2021-03-05", "%Y-%m-%d"),
    ],
)
def test_a_written_date_keeps_its_writing_and_comes_back(text: str, form: str) -> None:
    for days in range(-40, 41):
        later = DateShift().written(text, days)
        assert later is not None and datetime.strptime(later, form) - datetime.strptime(text, form) == timedelta(days)
        if days in (-3, 0, 3):
            assert DateShift().written(later, -days) == text


def test_dates_that_cannot_be_read_or_leave_the_calendar_are_refused() -> None:
    policy = Policy("study", {"when": DateShift(30)}, person="id")
    for table in (
        pa.table({"id": [1], "when": ["03/04/2020"]}),
        pa.table({"id": [1, 2, 3, 4], "when": ["9999-12-31"] * 4}),
        pa.table({"id": range(40), "when": pa.array([date(9999, 12, 31)] * 40)}),
        pa.table({"id": [None], "when": ["2020-01-01"]}),
        pa.table({"id": [1], "when": [20200101]}),
    ):
        with pytest.raises(DataFault) as refused:
            policy.apply(table, KEY)
        assert "03/04/2020" not in str(refused.value) and "9999-12-31" not in str(refused.value)


# --- Surrogates -------------------------------------------------------------------------------------------


@given(st.lists(st.sampled_from(["Anna Bell", "John Smith", "Kim Lee", "Vera Ruiz"]), min_size=1, max_size=4))
def test_a_surrogate_is_never_the_person(names: list[str]) -> None:
    for one, real in zip(made(Surrogate(), *names), names, strict=True):
        assert canonical(one, Alike.NAME) != canonical(real, Alike.NAME) and " " in one


def test_a_surrogate_that_would_be_the_value_itself_is_drawn_again() -> None:
    """Of some hundred surrogates each is put in as a value; in so short lists, some would come back by chance."""
    for kind in ("first_name", "country"):
        drawn = made(Surrogate(of=kind), *map(str, range(300)))
        again = made(Surrogate(of=kind), *drawn)
        assert all(
            canonical(one, Alike.TEXT) != canonical(two, Alike.TEXT) for one, two in zip(drawn, again, strict=True)
        )


@pytest.mark.statistical
def test_a_surrogates_gender_says_nothing_of_the_persons(proof_runs: Callable[[int, int], int]) -> None:
    """False alarm 1e-5; power: surrogates of which a quarter keeps the gender are seen, checked."""
    from faker.providers.person.en_US import Provider

    women = set(Provider.first_names_female) - set(Provider.first_names_male)
    runs = proof_runs(4000, 40_000)

    def share(names: list[str]) -> int:
        return sum(one.split()[0] in women for one in names)

    hers, his = (
        share(made(Surrogate(), *(f"{first} Surname{at}" for at in range(runs)))) for first in ("Mary", "Robert")
    )

    def apart(one: int, other: int) -> bool:
        middle = (one + other) / 2
        return bool((one - other) ** 2 / (2 * middle * (1 - middle / runs)) > chi2.isf(1e-5, 1))

    assert not apart(hers, his) and 0.3 < hers / runs < 0.6
    assert apart(hers + (runs - hers) // 4, his)


@pytest.mark.parametrize("locale", ["en_US", "de_DE", "ja_JP", "zh_CN", "ru_RU", "fr_FR"])
def test_every_locale_has_names_of_its_own(locale: str) -> None:
    found = made(Surrogate(), *(f"person {at}" for at in range(50)), scope=Scope(KEY, "study", locale))
    american = made(Surrogate(), *(f"person {at}" for at in range(50)))
    assert len(set(found)) > 40 and all(found) and (found == american) is (locale == "en_US")


def test_mail_addresses_are_nobodys_and_every_kind_has_a_surrogate() -> None:
    from unseen.deid.pseudonym.surrogate import FAKER, NAMES

    assert all(
        re.fullmatch(r"[a-z.\d'-]+@example\.(com|org|net)", one) for one in made(Surrogate("email"), "a@b.c", "d")
    )
    for kind in (*NAMES, *FAKER):
        assert Surrogate(kind).replace(["x1", "x2"], SCOPE, "c") == Surrogate(kind).replace(["x1", "x2"], SCOPE, "c")
        assert all(one and "\n" not in one for one in made(Surrogate(kind), "x1"))


# --- Without a key ------------------------------------------------------------------------------------------


def test_masks_labels_and_beginnings() -> None:
    assert made(Mask(keep_last=4), "4111-1111-1111-1234", "123") == ["****-****-****-1234", "***"]
    assert made(Mask(keep_first=1, sign="x"), "Anna") == ["Axxx"]
    assert made(Redact(), "Anna", "Bo") == ["[PERSON]"] * 2 and made(Redact("-"), "Anna") == ["-"]
    assert made(Truncate(3), "02139", 2139) == ["021", "213"]
    assert made(GeneralizeTo(Hierarchy.intervals(0, 100, [10]), 1), 31, 40.0) == ["[30, 40)", "[40, 50)"]


@pytest.mark.parametrize(
    "act",
    [
        lambda: Token(length=7),
        lambda: Token(length=52),
        lambda: Token(alike="whatever"),  # type: ignore[arg-type]
        lambda: Token(of=3),  # type: ignore[arg-type]
        lambda: FormatPreserving(alphabet="0"),
        lambda: FormatPreserving(alphabet="00123"),
        lambda: FormatPreserving(alphabet="01", luhn=True),
        lambda: FormatPreserving(alike=Alike.CODE),
        lambda: DateShift(0),
        lambda: DateShift(40_000),
        lambda: DateShift(formats=()),
        lambda: Mask(keep_first=-1),
        lambda: Mask(sign="**"),
        lambda: Truncate(0),
        lambda: GeneralizeTo(Hierarchy.prefixes(5), 9),
        lambda: GeneralizeTo("prefixes", 1),  # type: ignore[arg-type]
        lambda: Redact(3),  # type: ignore[arg-type]
    ],
)
def test_an_operation_that_cannot_be_is_refused(act: Callable[[], Any]) -> None:
    with pytest.raises(InvalidRequest):
        act()
