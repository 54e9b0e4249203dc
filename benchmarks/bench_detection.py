"""Detection: recall and precision by kind, what the scores are worth, speed; and the table that `scan` quotes.

`python benchmarks/bench_detection.py [--table]`; UNSEEN_DATA names the folder with pii_text.json. Patterns were
tuned on the texts of templates with even numbers; the table holds the others. Some weights and words of names, places,
organisations and streets were chosen with texts of all templates in sight: their figures are "at best". Kinds that the
corpus lacks are measured on texts made here. "whole" is the share of spans of which no letter and no digit stays
outside all findings.
"""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import json
import os
import string
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path

from unseen.core.noise.entropy import Entropy
from unseen.deid.detect.batches import found_in
from unseen.deid.detect.checksums import luhn_holds, vin_holds
from unseen.deid.detect.defaults import everything, patterns
from unseen.deid.detect.finding import Entity, Finding

E = Entity
KINDS: dict[str, tuple[Entity, ...]] = {
    "PERSON": (E.PERSON,),
    "STREET_ADDRESS": (E.STREET_ADDRESS, E.POSTAL_CODE, E.LOCATION),
    "GPE": (E.LOCATION, E.STREET_ADDRESS),
    "ORGANIZATION": (E.ORGANISATION,),
    "CREDIT_CARD": (E.CREDIT_CARD,),
    "DATE_TIME": (E.DATE,),
    "PHONE_NUMBER": (E.PHONE_NUMBER, E.FAX_NUMBER),
    "AGE": (E.AGE, E.AGE_OVER_89),
    "EMAIL_ADDRESS": (E.EMAIL_ADDRESS,),
    "ZIP_CODE": (E.POSTAL_CODE, E.STREET_ADDRESS),
    "DOMAIN_NAME": (E.URL,),
    "IBAN_CODE": (E.IBAN,),
    "US_SSN": (E.US_SSN,),
    "IP_ADDRESS": (E.IP_ADDRESS,),
    "US_DRIVER_LICENSE": (E.DRIVERS_LICENCE,),
}
ALSO_RIGHT = {"ZIP_CODE": ("STREET_ADDRESS",), "STREET_ADDRESS": ("ZIP_CODE", "GPE"), "GPE": ("STREET_ADDRESS", "NRP")}
SENTENCES = (
    "{label}: {value}",
    "The {label} is {value}.",
    "{label} {value}, as agreed",
    "We wrote down {label} no. {value} for you.",
    "Please check ({label} {value}) again!",
    "{label}={value};",
)
EACH = 200
HOSTILE = ("1 ", "1-", "a", "AB1 ", "a.", "a@a.", "a:", "(", "+1 (", "zip ", "-00", "DE12 ", "1.1.", "0x", "A ", "Ab",
           "1 A ", "John Smith, ", "Apt. ", "Box 1 ", "12 Main Street, ", "Xyville\n", "corner of A and ")  # fmt: skip


class Maker:
    """Made-up identifiers by their standards."""

    def __init__(self, seed: int) -> None:
        self.entropy = Entropy(seed)

    def below(self, bound: int) -> int:
        return int(self.entropy.uniform(1)[0] * bound)

    def of(self, alphabet: str, count: int) -> str:
        return "".join(alphabet[self.below(len(alphabet))] for _ in range(count))

    def digits(self, count: int) -> str:
        return self.of(string.digits, count)

    def until(self, make: Callable[[], str], holds: Callable[[str], bool]) -> str:
        while not holds(made := make()):
            pass
        return made


def made(maker: Maker) -> dict[Entity, tuple[tuple[str, Callable[[], str]], ...]]:
    """Label and value by kind."""
    from stdnum.br import cpf
    from stdnum.es import dni
    from stdnum.fi import hetu
    from stdnum.pl import pesel

    vin = "ABCDEFGHJKLMNPRSTUVWXYZ" + string.digits
    upper, hexes = string.ascii_uppercase, string.digits + "abcdef"
    return {
        E.FAX_NUMBER: (("fax", lambda: f"+1 212 {2 + maker.below(8)}{maker.digits(2)} {maker.digits(4)}"),),
        E.AGE_OVER_89: (("age", lambda: str(90 + maker.below(20))),),
        E.MAC_ADDRESS: (("adapter", lambda: ":".join(maker.of(hexes, 2) for _ in range(6))),),
        E.NATIONAL_ID: (
            ("CPF", lambda: maker.until(lambda: maker.digits(11), cpf.is_valid)),
            ("DNI", lambda: maker.until(lambda: maker.digits(8) + maker.of(upper, 1), dni.is_valid)),
            (
                "henkilötunnus",
                lambda: maker.until(
                    lambda: (
                        f"{1 + maker.below(28):02}{1 + maker.below(12):02}{maker.digits(2)}-{maker.digits(3)}"
                        + maker.of("0123456789ABCDEFHJKLMNPRSTUVWXY", 1)
                    ),
                    hetu.is_valid,
                ),
            ),
            (
                "PESEL",
                lambda: maker.until(
                    lambda: f"{maker.digits(2)}{1 + maker.below(12):02}{1 + maker.below(28):02}{maker.digits(5)}",
                    pesel.is_valid,
                ),
            ),
        ),
        E.PASSPORT: (
            ("passport", lambda: maker.of(upper, 1) + maker.digits(8)),
            ("Reisepass", lambda: maker.digits(9)),
        ),
        E.DRIVERS_LICENCE: (("driver's license", lambda: maker.of(upper, 1) + maker.digits(7)),),
        E.PROFESSIONAL_LICENCE: (("medical license", lambda: maker.of(upper, 1) + maker.digits(6)),),
        E.MEDICAL_RECORD_NUMBER: (("MRN", lambda: maker.digits(8)), ("patient ID", lambda: maker.digits(7))),
        E.HEALTH_PLAN_NUMBER: (("member ID", lambda: maker.of(upper, 3) + maker.digits(9)),),
        E.ACCOUNT_NUMBER: (("account", lambda: maker.digits(10)), ("Kontonummer", lambda: maker.digits(8))),
        E.CRYPTO_WALLET: (("wallet", lambda: "0x" + maker.of(hexes, 40)),),
        E.VEHICLE_ID: (("vehicle", lambda: maker.until(lambda: maker.of(vin, 13) + maker.digits(4), vin_holds)),),
        E.LICENCE_PLATE: (("license plate", lambda: maker.of(upper, 3) + " " + maker.digits(4)),),
        E.DEVICE_ID: (
            ("IMEI", lambda: maker.until(lambda: "35" + maker.digits(13), luhn_holds)),
            ("serial number", lambda: maker.of(upper, 2) + maker.digits(9)),
        ),
    }


def corpus(even: bool) -> list[dict[str, object]]:
    path = Path(os.environ.get("UNSEEN_DATA", "")) / "pii_text.json"
    return [one for one in json.loads(path.read_text()) if one["template_id"] % 2 == (0 if even else 1)]


def by_text(texts: list[str], least: float) -> list[list[Finding]]:
    found: list[list[Finding]] = [[] for _ in texts]
    for finding in found_in(texts, everything(), least):
        found[finding.row].append(finding)
    return found


def covers(text: str, start: int, end: int, findings: list[Finding]) -> bool:
    """Whether no letter and no digit of the span stays outside all findings."""
    left = set(range(start, end)).difference(*(range(f.start, f.end) for f in findings))
    return not any(text[place].isalnum() for place in left)


def counted(records: list[dict], found: list[list[Finding]]) -> dict[str, list[int]]:
    """Found, missed, right, wrong, exact, whole by kind of the corpus."""
    counts: dict[str, list[int]] = {kind: [0] * 6 for kind in KINDS}
    for record, findings in zip(records, found, strict=True):
        spans = [(s["entity_type"], s["start_position"], s["end_position"]) for s in record["spans"]]
        for kind, wanted in KINDS.items():
            ours = [f for f in findings if f.entity in wanted]
            for _, start, end in (span for span in spans if span[0] == kind):
                touched = any(f.start < end and f.end > start for f in ours)
                counts[kind][0 if touched else 1] += 1
                counts[kind][5] += touched and covers(record["full_text"], start, end, findings)
                counts[kind][4] += any((f.start, f.end) == (start, end) for f in ours)
            accepted = (kind, *ALSO_RIGHT.get(kind, ()))
            for f in ours:
                if f.entity is wanted[0] or len(wanted) == 1 or kind in ("AGE", "PHONE_NUMBER"):
                    right = any(s[0] in accepted and f.start < s[2] and f.end > s[1] for s in spans)
                    counts[kind][2 if right else 3] += 1
    return counts


def reliability(records: list[dict], found: list[list[Finding]]) -> dict[int, list[float]]:
    """By tenth of score: findings, sum of scores, right ones."""
    bins: dict[int, list[float]] = defaultdict(lambda: [0, 0.0, 0])
    for record, findings in zip(records, found, strict=True):
        for f in findings:
            if not any(f.entity in wanted for wanted in KINDS.values()):
                continue
            right = any(
                f.entity in KINDS.get(s["entity_type"], ())
                and f.start < s["end_position"]
                and f.end > s["start_position"]
                for s in record["spans"]
            )
            one = bins[min(9, int(f.score * 10))]
            one[0] += 1
            one[1] += f.score
            one[2] += right
    return bins


def generated(seed: int) -> dict[Entity, list[int]]:
    maker = Maker(seed)
    counts = {}
    for entity, makers in made(maker).items():
        texts, places = [], []
        for number in range(EACH):
            label, make = makers[number % len(makers)]
            before, after = SENTENCES[number % len(SENTENCES)].split("{value}")
            value = make()
            texts.append(before.format(label=label) + value + after)
            places.append((len(texts[-1]) - len(after) - len(value), len(texts[-1]) - len(after)))
        found = by_text(texts, 0.5)
        hit = whole = 0
        for text, findings, (start, end) in zip(texts, found, places, strict=True):
            touched = any(f.entity is entity and f.start < end and f.end > start for f in findings)
            hit += touched
            whole += touched and covers(text, start, end, findings)
        counts[entity] = [hit, EACH - hit, whole]
    return counts


def speed(texts: list[str]) -> float:
    """Megabytes a second of this thread's own time, the patterns alone, best of three."""
    many = texts * 8
    size = sum(len(text.encode()) for text in many) / 1e6
    best = 0.0
    for _ in range(3):
        began = time.thread_time()
        Counter(finding.entity for finding in found_in(many, patterns()))
        best = max(best, size / (time.thread_time() - began))
    return best


def growth() -> list[tuple[float, str]]:
    """How much longer a hostile text of eight times the length takes, over eight: 1 is in proportion; worst first."""
    found = []
    for piece in HOSTILE:
        took = []
        for size in (2**13, 2**16):
            text = piece * (size // len(piece))
            runs = []
            for _ in range(3):
                began = time.thread_time()
                Counter(finding.entity for finding in found_in([text], everything(), 0.0))
                runs.append(time.thread_time() - began)
            took.append(min(runs))
        found.append((took[1] / took[0] / 8, piece))
    return sorted(found, reverse=True)


def main() -> None:
    table: dict[Entity, list[int]] = {}
    for even in (True, False):
        records = corpus(even)
        found = by_text([record["full_text"] for record in records], 0.5)
        print(f"{'tuned on' if even else 'held out'}: {len(records)} texts")
        print(f"{'kind':20}{'spans':>6}{'recall':>8}{'whole':>8}{'exact':>8}{'precision':>10}{'of':>6}")
        for kind, (hit, missed, right, wrong, exact, whole) in counted(records, found).items():
            spans, told = hit + missed, right + wrong
            print(
                f"{kind:20}{spans:6}{hit / max(spans, 1):8.3f}{whole / max(spans, 1):8.3f}{exact / max(spans, 1):8.3f}"
                f"{right / max(told, 1):10.3f}{told:6}"
            )
            if not even and spans >= 5:
                table[KINDS[kind][0]] = [hit, missed, whole]
        print("score: findings, mean score, share that is right")
        for tenth, (count, total, right) in sorted(reliability(records, found).items()):
            print(f"  {tenth / 10:.1f}: {count:6.0f} {total / count:.3f} {right / count:.3f}")
    made_up = generated(seed=1)
    for entity, (hit, missed, whole) in made_up.items():
        print(f"made up {entity:24} recall {hit / (hit + missed):.3f} whole {whole / (hit + missed):.3f}")
    texts = [record["full_text"] for even in (True, False) for record in corpus(even)]
    print(f"patterns: {speed(texts):.2f} MB/s of one core's time")
    for ratio, piece in growth()[:3]:
        print(f"hostile text, eight times as long: {ratio:.2f} of proportion ({piece!r})")
    if "--table" in sys.argv[1:]:
        for name, counts in (("CORPUS", table), ("GENERATED", made_up)):
            print(f"{name}: dict[Entity, Count] = {{")
            for entity, (hit, missed, whole) in counts.items():
                print(f"    Entity.{entity}: Count({hit}, {missed}, {whole}),")
            print("}")


if __name__ == "__main__":
    main()
