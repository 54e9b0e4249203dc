"""Realistic surrogates: a made-up name for a name, the same one wherever the person is met."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unseen.core.errors import InvalidRequest, extra, shown
from unseen.deid.pseudonym.alike import canonical
from unseen.deid.pseudonym.operation import Keyed, Scope
from unseen.deid.pseudonym.token import digests

__all__ = ["Surrogate", "check_locale"]

FAKER = {
    "organisation": "company",
    "location": "city",
    "street_address": "address",
    "street": "street_address",
    "postal_code": "postcode",
    "country": "country",
    "phone": "phone_number",
    "fax": "phone_number",
    "ssn": "ssn",
    "iban": "iban",
    "job": "job",
    "user_name": "user_name",
    "licence_plate": "license_plate",
    "mac_address": "mac_address",
}
"""Kinds that Faker makes whole, one by one; names and mail addresses are put together from its lists."""

NAMES = ("person", "first_name", "last_name", "email")
DOMAINS = ("example.com", "example.org", "example.net")
"""Domains that are nobody's, and never will be (RFC 2606)."""

AGAIN = 8
"""Tries for a surrogate that is not the value itself."""


@dataclass(frozen=True)
class Surrogate(Keyed):
    """A made-up value that looks like a real one, drawn by the key alone: nothing of the value goes into it.

    Args:
        of: see ``Keyed``; it must be a kind that there are surrogates of, such as ``"person"`` or ``"email"``.
        alike: see ``Keyed``.

    The gender, origin and commonness of a made-up name are drawn by the key, and say nothing of the real one's.
    Two people may get the same name: among n of them about n²/2N pairs, where N counts the names that can be
    made (about 700,000 in en_US); the owner is told how many. Other releases of Faker have other lists, and so other
    surrogates: pin it for as long as a project lasts. Made-up phone numbers, addresses and numbers may be somebody's.

    **Guarantee**: there is no way back; who holds the key can try candidates.

    Source: Faker's lists of names.
    """

    def replace(self, values: Sequence[Any], scope: Scope, name: str) -> list[str]:
        """Each value's surrogate."""
        canon = self.canon(values, name)
        if self.of == "person":
            order = _vocabulary(scope.locale)
            return [
                order.between.join((family, given) if order.family_first else (given, family))
                for given, family in self.parts(canon, scope)
            ]
        return self.drawn(canon, scope, self._maker(scope.locale, name))

    def check(self, locale: str, name: str) -> None:
        """Raise unless there are surrogates of this kind.

        Raises:
            InvalidRequest: there are none.
        """
        self._maker(locale, name)

    def parts(self, canon: Sequence[str], scope: Scope) -> list[tuple[str, str]]:
        """The first and the last name of each person's surrogate, for mentions of one of them."""
        return self.drawn(canon, scope, lambda found: _people(scope.locale, found))

    def drawn(self, canon: Sequence[str], scope: Scope, make: Callable[[NDArray[np.uint8]], list[Any]]) -> list[Any]:
        """What is made from each value's digest; another one where that is the value itself."""
        key = scope.subkey(f"surrogate of {self.of}")
        found = make(digests(key, canon))
        for attempt in range(1, AGAIN):
            same = [at for at, one in enumerate(found) if self._is(one, canon[at])]
            if not same:
                break
            again = make(digests(key, [f"{canon[at]}\0{attempt}" for at in same]))
            for at, one in zip(same, again, strict=True):
                found[at] = one
        return found

    def _is(self, made: str | tuple[str, ...], canon: str) -> bool:
        return canonical(made if isinstance(made, str) else " ".join(made), self.likeness) == canon

    def _maker(self, locale: str, name: str) -> Callable[[NDArray[np.uint8]], list[str]]:
        if self.of in ("person", "first_name"):
            return lambda found: [given for given, _ in _people(locale, found)]
        if self.of == "last_name":
            return lambda found: [family for _, family in _people(locale, found)]
        if self.of == "email":
            return lambda found: _addresses(found)
        if self.of in FAKER and hasattr(_generator(locale), FAKER[self.of]):
            return lambda found: _made_whole(locale, FAKER[self.of], found)
        raise InvalidRequest(
            f"surrogates of the kind {self.of!r} were asked for {name!r}",
            f"a kind that there are surrogates of: {shown([*NAMES, *FAKER], 30)}",
            'Surrogate(of="person"), or Token()',
        )


def check_locale(locale: object) -> str:
    """A language and country that Faker knows.

    Raises:
        InvalidRequest: it does not.
        MissingExtra: Faker is not installed.
    """
    if not isinstance(locale, str) or locale not in extra("faker.config", "deid").AVAILABLE_LOCALES:
        raise InvalidRequest(f"locale={locale!r} was given", "one that Faker knows", 'locale="en_US"')
    return locale


@lru_cache(maxsize=8)
def _generator(locale: str) -> Any:
    return extra("faker", "deid").Factory.create(locale)


@dataclass(frozen=True)
class _Names:
    """First and last names that go together, once for each gender that the language has; and how they are joined."""

    pairs: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]
    between: str
    family_first: bool


@lru_cache(maxsize=8)
def _vocabulary(locale: str) -> _Names:
    kind = extra("faker.providers.person", "deid").Provider
    provider = next(one for one in _generator(locale).get_providers() if isinstance(one, kind))

    def listed(names: str, gender: str) -> tuple[str, ...]:
        found = getattr(provider, f"{names}_{gender}", None) or getattr(provider, names)
        return tuple(sorted(set(found)))

    pairs = tuple((listed("first_names", gender), listed("last_names", gender)) for gender in ("female", "male"))
    form = next(iter(provider.formats))
    return _Names(pairs, " " if " " in form else "", form.find("{{last_name") < form.find("{{first_name"))


def _people(locale: str, found: NDArray[np.uint8]) -> list[tuple[str, str]]:
    """First and last names, each uniform on the lists of a gender that is drawn too."""
    words = found.view("<u8")
    pairs = _vocabulary(locale).pairs
    return [
        (pairs[gender][0][given % len(pairs[gender][0])], pairs[gender][1][family % len(pairs[gender][1])])
        for gender, given, family in zip(
            (words[:, 0] % 2).tolist(), words[:, 1].tolist(), words[:, 2].tolist(), strict=True
        )
    ]


def _addresses(found: NDArray[np.uint8]) -> list[str]:
    words = found.view("<u8")
    people = _people("en_US", found)
    return [
        f"{given}.{family}{number % 10_000:04d}@{DOMAINS[domain % len(DOMAINS)]}".lower()
        for (given, family), number, domain in zip(
            people, words[:, 3].tolist(), (words[:, 0] >> np.uint64(8)).tolist(), strict=True
        )
    ]


def _made_whole(locale: str, method: str, found: NDArray[np.uint8]) -> list[str]:
    """Faker's own, seeded with 256 keyed bits for each value."""
    generator = extra("faker", "deid").Factory.create(
        locale
    )  # one of its own: seeding a shared one would reach into other threads
    make = getattr(generator, method)
    made = []
    for row in map(bytes, found):
        generator.seed_instance(int.from_bytes(row, "big"))
        made.append(", ".join(str(make()).split("\n")))
    return made
