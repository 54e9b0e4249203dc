"""Law 9: nothing that leaves holds an unkeyed function of private data: no hash of it, no count of it."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import base64
import hashlib
import inspect
import json
import logging
import pickle
import pickletools
import re
import zlib
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import unseen as un
from unseen.core import accounting
from unseen.core.errors import InvalidRequest
from unseen.core.guard import Guard, Outcome, Plan, charge, dp
from unseen.core.noise import scalar
from unseen.deid import pseudonym
from unseen.query import Count, Histogram, Mean, Sum

from .subjects import CALLS, NEIGHBOURS, named, protect

# Each unit has one to four rows, so that rows, rows kept and units are different numbers.
UNITS = 613
OF_A_UNIT = np.arange(UNITS).repeat(np.arange(UNITS) % 4 + 1)
TABLE = pd.DataFrame(
    {
        "id": [f"anna-{7919 * unit}" for unit in OF_A_UNIT],
        "age": np.arange(len(OF_A_UNIT)) % 90 + 0.25,
        "ill": np.where(np.arange(len(OF_A_UNIT)) % 3 == 0, "yes", "no"),
        "zip": [f"{12000 + i % 40}" for i in range(len(OF_A_UNIT))],
    }
)
MOST_ROWS = 2
KEPT = int(np.minimum(np.arange(UNITS) % 4 + 1, MOST_ROWS).sum())
COUNTS = {len(TABLE), UNITS, KEPT, *map(int, TABLE["ill"].value_counts())}
PRIVATE = ("id", "age", "zip")  # of these the values themselves are secret; the words of "ill" are declared openly
SHIFT = 7_000_003  # what the noise of these tests adds: no exact count then stands anywhere by luck


def shielded(
    folder: Path, name: str = "a", frame: pd.DataFrame = TABLE, most_rows: int = MOST_ROWS, **changed: Any
) -> Any:
    """The table above, protected."""
    return protect(folder, frame, name, max_rows_per_unit=most_rows, quasi_identifiers=("age", "zip"), **changed)


@contextmanager
def noise_that_shifts() -> Iterator[None]:
    """Every noised sum is the exact one and ``SHIFT``."""
    make = scalar._mechanism

    class Shifted:
        def __init__(self, real: Any) -> None:
            self.map = real.map

        def __call__(self, exact: list[int]) -> list[int]:
            return [value + SHIFT for value in exact]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scalar, "_mechanism", lambda scale: Shifted(make(scale)))
        yield


# --- What somebody with a guess of the data could compute -------------------------------------------------------


def contents(frame: pd.DataFrame) -> set[bytes]:
    """The table, its columns, its rows, its private values and its counts, in the shapes in which one hashes them."""
    texts: set[str] = {str(count) for count in COUNTS}
    raw: set[bytes] = {count.to_bytes(8, order) for count in COUNTS for order in ("big", "little")}
    tables = [frame, frame.drop(columns="id")]
    for table in tables:
        texts |= {table.to_csv(index=index, header=header) for index in (True, False) for header in (True, False)}
        texts |= {json.dumps(table.to_dict(orient)) for orient in ("list", "records", "split")}
        rows = list(table.itertuples(index=False, name=None))
        texts |= {repr(rows), str(rows), json.dumps(rows)}
        for row in rows:
            words = [str(value) for value in row]
            texts |= {mark.join(words) for mark in ("", ",", "|", ";", " ", "\t")}
            texts |= {repr(row), json.dumps(row), json.dumps(dict(zip(table, row, strict=True)))}
        # As the package itself hashes rows before it keys them: column by column.
        hashed = ["".join(map(_sha256, (f"v{value}" for value in row))) for row in rows]
        texts |= {*hashed, "".join(sorted(map(_sha256, hashed))), "".join(map(_sha256, hashed))}
    for name in frame:
        column = frame[name]
        words = [str(value) for value in column]
        for listed in (words, sorted(words), sorted(set(words))):
            texts |= {mark.join(listed) for mark in ("", ",", "\n", " ", ";", "|")} | {json.dumps(listed), repr(listed)}
        texts |= {repr(column.tolist()), json.dumps(column.tolist()), column.to_csv(index=False)}
        if column.dtype.kind in "iuf":
            raw |= {np.ascontiguousarray(column.to_numpy().astype(kind)).tobytes() for kind in ("<f8", ">f8", "<f4")}
        if name in PRIVATE:
            for value in set(column):
                texts |= {str(value), f"v{value}", json.dumps(value), repr(value)}
                if isinstance(value, float):
                    texts |= {f"{value:g}", f"{value:.1f}", f"{value:.6f}"}
                    raw |= {np.array(value).astype(kind).tobytes() for kind in ("<f8", ">f8", "<f4")}
    return raw | {text.encode() for text in texts}


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def digests(content: bytes) -> Iterator[bytes]:
    """Under every fixed hash of the standard library; the two of free length give as many bytes as SHA-256."""
    for name in sorted(hashlib.algorithms_guaranteed):
        made = hashlib.new(name, content, usedforsecurity=False)
        yield made.digest(32) if made.digest_size == 0 else made.digest()  # type: ignore[call-arg]


HEX, B64, RAW = 16, 10, 8  # how much of a digest must stand there to be found: its first 60 or 64 bits
RUN_OF_HEX, RUN_OF_B64 = re.compile(rb"[0-9a-fA-F]{16,}"), re.compile(rb"[A-Za-z0-9+/_-]{10,}")
ONE_WORD = re.compile(r"[\w.]+")


@dataclass(frozen=True)
class Traces:
    """The beginnings of all digests in the forms in which they are written, and all checksums."""

    hex: frozenset[bytes]
    b64: frozenset[bytes]
    raw: frozenset[bytes]
    sums: frozenset[int]

    def in_bytes(self, text: bytes) -> set[bytes]:
        """Digests that stand there: hexadecimal of either case, base64 of either alphabet, or raw; also cut short."""
        found = self.raw & {text[i : i + RAW] for i in range(len(text))}
        for run in RUN_OF_HEX.findall(text):
            found |= self.hex & {run[i : i + HEX].lower() for i in range(len(run) - HEX + 1)}
        for run in RUN_OF_B64.findall(text):
            plain = run.replace(b"-", b"+").replace(b"_", b"/")
            found |= self.b64 & {plain[i : i + B64] for i in range(len(plain) - B64 + 1)}
        return set(found)

    def in_words(self, text: str) -> set[int]:
        """Checksums that stand there as a number of their own, decimal or of eight hexadecimal digits."""
        found = set()
        for word in ONE_WORD.findall(text):
            digits = word.removeprefix("0x")
            if word.isdecimal():
                found.add(int(word))
            if re.fullmatch(r"[0-9a-fA-F]{8}", digits):
                found.add(int(digits, 16))
        return found & self.sums


@cache
def traces() -> Traces:
    everything = contents(TABLE)
    made = [digest for content in everything for digest in digests(content)]
    sums = {check(content) for content in everything for check in (zlib.crc32, zlib.adler32)}
    hashed = [pd.util.hash_pandas_object(TABLE[name]) for name in TABLE]
    sums |= {int(value) for one in (pd.util.hash_pandas_object(TABLE), *hashed) for value in one}
    return Traces(
        hex=frozenset(digest.hex()[:HEX].encode() for digest in made),
        b64=frozenset(base64.b64encode(digest)[:B64] for digest in made),
        raw=frozenset(digest[:RAW] for digest in made),
        sums=frozenset(value for value in sums if value > 1_000_000),
    )


def counts_in(text: str) -> set[int]:
    """Counts of the table that stand there as numbers; not inside long words, which are keyed hashes."""
    found = set()
    for word in ONE_WORD.findall(text.replace("\N{NARROW NO-BREAK SPACE}", "")):
        if len(word) < HEX:
            found |= {int(digits) for digits in re.findall(r"(?<![\d.])\d{1,9}(?!\d|\.\d*[1-9])", word)}
    return found & COUNTS


# --- What leaves ------------------------------------------------------------------------------------------------


@dataclass
class Left:
    """All that left: as bytes for digests, as text for counts and checksums."""

    binary: list[bytes]
    text: list[str]

    def add(self, *texts: str) -> None:
        self.text += texts
        self.binary += [text.encode() for text in texts]

    def holds(self, *, counts: bool = True) -> set[object]:
        """What of the table is found in it."""
        found: set[object] = set()
        for one in self.binary:
            found |= traces().in_bytes(one)
        for text in self.text:
            found |= traces().in_words(text)
            found |= counts_in(text) if counts else set()
        return found


def scalars(pickled: bytes) -> str:
    """The numbers and texts that a pickle holds, one a line."""
    return "\n".join(str(value) for code, value, _ in pickletools.genops(pickled) if code.name not in PLACES)


PLACES = ("FRAME", "MEMOIZE", "BINPUT", "LONG_BINPUT", "BINGET", "LONG_BINGET", "PROTO")


def told_by(error: BaseException) -> Iterator[str]:
    """What an error says when it is shown, with those before it that are shown along."""
    while error is not None:
        yield from (str(error), repr(error), repr(error.args), repr(getattr(error, "__notes__", "")))
        yield repr({name: value for name, value in vars(error).items() if not name.startswith("__")})
        following = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
        if following is None:
            return
        error = following


def leaves(act: Callable[[Any], Any], data: Any, folder: Path, log: Any, screen: Any) -> Left:
    """Everything that leaves with one call: the release in each shape, receipt, errors, log, screen and ledger."""
    log.set_level(logging.INFO, logger="numba")  # a first compilation numbers the statements of the code: all numbers
    log.set_level(logging.DEBUG)
    log.set_level(logging.DEBUG, logger="unseen")
    left = Left([], [])
    with noise_that_shifts():
        try:
            made = act(data)
        except un.UnseenError as error:
            left.add(*told_by(error))
        else:
            made = getattr(made, "release_", made)
            pickled = pickle.dumps(made)
            left.binary.append(pickled)
            left.add(json.dumps(made.to_dict()), made.save(folder / "release.json").read_text("utf-8"))
            left.add(repr(made.receipt), str(made.receipt), repr(made.guarantee), str(made), made._repr_html_())
            left.add(repr(made), scalars(pickled))
    left.add(repr(data), repr(data.ledger), data.ledger._repr_html_(), data.ledger.total, log.text)
    left.add(*screen.readouterr())
    log.clear()
    return left


def copies(ledger: un.Ledger, folder: Path) -> Left:
    """What a ledger writes: its export, its backup, the highest head that it has seen, and itself."""
    ledger.export(folder / "export.jsonl")
    ledger.backup(folder / "backup.ledger")
    files = ["export.jsonl", "backup.ledger", ledger.path.name, f"{ledger.path.name}.head"]
    binary = [(folder / name).read_bytes() for name in files]
    return Left(binary, [one.decode("latin-1") for one in binary])


# --- The guards that there are ----------------------------------------------------------------------------------


def trained(data: Any) -> Any:
    torch = pytest.importorskip("torch", reason="wants torch")
    model = torch.nn.Linear(1, 2)
    guard = un.train.DPSGD(0.25, expected_batch_size=50, steps=2)
    with guard.open(model, torch.optim.SGD(model.parameters()), data, target="ill", features=["age"]) as session:
        for batch in session.batches():
            session.step(torch.nn.functional.cross_entropy, *batch)
    return session.release()


def fitted(name: str) -> Callable[[Any], Any]:
    def fit(data: Any) -> Any:
        models = pytest.importorskip("unseen.models", reason="wants unseen.models")
        model = getattr(models, name)(0.25, epochs=0.5, dataset_size=2000, expected_batch_size=500)
        return model.fit(data, target="ill")

    return fit


REPLACED = un.deid.Policy(
    "a study",
    columns={"age": pseudonym.Redact(), "ill": pseudonym.Keep(), "zip": pseudonym.Token()},
)
RELEASES: dict[str, list[Callable[[Any], Any]]] = {
    "Count": [Count(0.25).release, Count(0.25, by="ill").release],
    "Sum": [Sum("age", 0.25).release, Sum("age", 0.25, by="ill").release],
    "Mean": [Mean("age", 0.25).release, Mean("age", 0.25, by="ill").release],
    "Histogram": [Histogram("age", 0.25, edges=7, by="ill").release, Histogram("ill", 0.25).release],
    "KAnonymize": [lambda data: un.deid.KAnonymize(5).release(data)],
    "Mondrian": [lambda data: un.deid.Mondrian(5).release(data)],
    "Generalize": [lambda data: un.deid.Generalize({"age": -1, "zip": -1}, k=5).release(data)],
    "Pseudonymize": [lambda data: un.deid.Pseudonymize(REPLACED, un.deid.Key(bytes(32))).release(data)],
    "DPSGD": [trained],
    "LogisticRegression": [fitted("LogisticRegression")],
    "Classifier": [fitted("Classifier")],
}
REFUSED = {name: act for name, act in CALLS.items() if not name.startswith("fine")}
FRAMES = ("KAnonymize", "Mondrian", "Generalize", "Pseudonymize")
"""A released frame shows its rows and the sizes of its classes, openly and by its promise: there, only hashes are
looked for."""


def kinds(root: type[Any]) -> Iterator[type[Any]]:
    kind: type[Any]
    for kind in root.__subclasses__():
        yield kind
        yield from kinds(kind)


def without_a_release(found: Iterable[type[Any]]) -> set[str]:
    guards = {kind.__name__ for kind in found if kind.__module__.startswith("unseen.") and not inspect.isabstract(kind)}
    return guards - RELEASES.keys()


def test_every_guard_is_searched() -> None:
    from unseen.recipe.registry import GUARDS

    pytest.importorskip("unseen.models", reason="wants unseen.models")
    assert without_a_release(kinds(Guard)) == set() == GUARDS.keys() - RELEASES.keys()


def test_a_guard_that_is_not_searched_is_seen() -> None:
    class Median(Count):
        """Broken: nobody looks at what it releases."""

    Median.__module__ = "unseen.query.median"
    assert without_a_release([Median]) == {"Median"}


@pytest.mark.parametrize("kind", RELEASES)
def test_nothing_that_leaves_with_a_release_is_an_unkeyed_function_of_the_data(
    kind: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    for place, act in enumerate(RELEASES[kind]):
        data = shielded(tmp_path, str(place), most_rows=4 if kind in FRAMES else MOST_ROWS)
        assert leaves(act, data, tmp_path, caplog, capfd).holds(counts=kind not in FRAMES) == set()


@pytest.mark.parametrize("act", REFUSED.values(), ids=REFUSED.keys())
def test_nothing_that_an_error_tells_is_an_unkeyed_function_of_the_data(
    act: Callable[[Any], Any], tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    assert leaves(act, shielded(tmp_path), tmp_path, caplog, capfd).holds() == set()


def test_nothing_that_a_ledger_writes_is_an_unkeyed_function_of_the_data(tmp_path: Path) -> None:
    """Also where it keeps a release for its request, and was told that the data are others now."""
    data = shielded(tmp_path)
    with noise_that_shifts():
        for kind in ("Count", "Mean", "Histogram"):
            RELEASES[kind][0](data)
        un.deid.Generalize({"age": -1, "zip": -1}).release(data)
        Count(0.25, by="ill").release(data, purpose="again", request="the same")
    with pytest.raises(un.UnseenError) as refused:
        shielded(tmp_path, frame=TABLE.iloc[1:])
    again = shielded(tmp_path, frame=TABLE.iloc[1:], changed=un.Change.SAME_PEOPLE)
    told = copies(again.ledger, tmp_path)
    told.add(*told_by(refused.value))
    assert again.ledger.verify() == 6 and told.holds() == set()


# --- Broken copies ----------------------------------------------------------------------------------------------


class Tells(Mean):
    """Broken: something of the table goes along with a priced value."""

    @abstractmethod
    def what(self, data: Any) -> Any:
        """What goes along."""

    def plan(self, data: Any) -> Plan[Any]:
        return Plan(dp(data, 0.25), accounting.laplace(4), lambda: Outcome({"mean": 1.5, "check": self.what(data)}))


class TellsAColumn(Tells):
    def what(self, data: Any) -> Any:
        return _sha256(",".join(str(value) for value in TABLE["age"]))


class TellsARow(Tells):
    def what(self, data: Any) -> Any:
        return hashlib.blake2b(",".join(map(str, TABLE.iloc[17])).encode()).hexdigest().upper()


class TellsAPerson(Tells):
    def what(self, data: Any) -> Any:
        return base64.urlsafe_b64encode(hashlib.md5(TABLE["id"].iloc[17].encode()).digest()).decode()


class TellsTheTable(Tells):
    def what(self, data: Any) -> Any:
        return f"table-{hashlib.sha3_512(TABLE.to_csv(index=False).encode()).hexdigest()[:HEX]}"


class TellsInBytes(Tells):
    def what(self, data: Any) -> Any:
        return hashlib.sha1(TABLE["zip"].iloc[3].encode()).digest()  # to_dict leaves it out, a pickle does not


class TellsAChecksum(Tells):
    def what(self, data: Any) -> Any:
        return zlib.crc32("\n".join(TABLE["zip"]).encode())


class TellsHowMany(Tells):
    def what(self, data: Any) -> Any:
        return len(data.arrays([], bounded=True)["unit of privacy"])


class TellsHowManyWereIll(Tells):
    def what(self, data: Any) -> Any:
        return f"of {int((TABLE['ill'] == 'yes').sum()):,} people".replace(",", "")


class TellsByTheCountsOwnHash(Tells):
    def what(self, data: Any) -> Any:
        return _sha256(str(len(TABLE)))


class Logs(Count):
    """Broken: a line of the log counts rows."""

    def plan(self, data: Any) -> Plan[Any]:
        logging.getLogger("unseen.query").debug("read %d rows", len(data.arrays([], bounded=False)["unit of privacy"]))
        return super().plan(data)


class LogsToTheRoot(Count):
    """Broken: a line of the log tells the data apart."""

    def plan(self, data: Any) -> Plan[Any]:
        logging.getLogger().debug("data %s", _sha256(TABLE.to_csv(index=False)))
        return super().plan(data)


class Prints(Count):
    """Broken: progress for whoever sits before the screen."""

    def plan(self, data: Any) -> Plan[Any]:
        print(f"counting {UNITS} units")
        return super().plan(data)


class RefusesWithAHash(Count):
    """Broken: the start of a hash in a message."""

    def plan(self, data: Any) -> Plan[Any]:
        raise InvalidRequest(f"table {_sha256(TABLE.to_csv(index=False))[:HEX]} was asked", "another one")


class RefusesWithACount(Count):
    """Broken: the error before the error counts rows."""

    def plan(self, data: Any) -> Plan[Any]:
        try:
            raise ValueError(f"shape ({len(TABLE)}, 4)")
        except ValueError as error:
            raise InvalidRequest("a count was asked for", "another one") from error


class SaysWhy(Count):
    """Broken: the ledger's purpose tells the data apart."""

    def release(self, data: Any, purpose: str = "", *_: Any, **__: Any) -> Any:
        plan = self.plan(data)
        charge(data, "SaysWhy", plan.event, plan.guarantee, f"of {_sha256('|'.join(sorted(TABLE['zip'])))}")
        return super().release(data)


class CountsInTheLedger(Count):
    """Broken: the event that is written down knows how many there were."""

    def plan(self, data: Any) -> Plan[Any]:
        plan = super().plan(data)
        return Plan(plan.guarantee, {**plan.event, "units": UNITS}, plan.run)


IN_A_RELEASE = [
    *(TellsAColumn, TellsARow, TellsAPerson, TellsTheTable, TellsInBytes, TellsAChecksum),
    *(TellsHowMany, TellsHowManyWereIll, TellsByTheCountsOwnHash),
]
BESIDE_IT = [Logs, LogsToTheRoot, Prints, RefusesWithAHash, RefusesWithACount, SaysWhy]


@pytest.mark.parametrize(
    "guard", [*(one("age", 0.25) for one in IN_A_RELEASE), *(one(0.25) for one in BESIDE_IT)], ids=named
)
def test_a_hash_or_a_count_that_leaves_is_seen(
    guard: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    assert len(leaves(guard.release, shielded(tmp_path), tmp_path, caplog, capfd).holds()) > 0


@pytest.mark.parametrize("guard", [SaysWhy(0.25), CountsInTheLedger(0.25)], ids=named)
def test_a_hash_or_a_count_that_a_ledger_keeps_is_seen(guard: Any, tmp_path: Path) -> None:
    data = shielded(tmp_path)
    guard.release(data)
    assert len(copies(data.ledger, tmp_path).holds()) > 0


def test_a_fingerprint_without_a_key_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = _sha256(TABLE.to_csv(index=False))
    monkeypatch.setattr(un.Dataset, "fingerprint", lambda self, key: plain)
    assert plain[:HEX].encode() in copies(shielded(tmp_path).ledger, tmp_path).holds()


# --- And nothing that is keyed could be compared ----------------------------------------------------------------


def test_two_ledgers_of_the_same_data_share_nothing_that_could_be_compared(tmp_path: Path) -> None:
    first, second = (protect(tmp_path, name=name) for name in ("a", "b"))
    receipts = [data.count(epsilon=0.25).receipt for data in (first, second)]
    assert first.ledger.fingerprint != second.ledger.fingerprint
    assert receipts[0].head != receipts[1].head and receipts[0].ledger != receipts[1].ledger
    assert first.ledger.derive("p") != second.ledger.derive("p") != second.ledger.derive("q")


KEYED = ("ledger", "head", "when", "public_key", "signature")


def test_a_receipt_says_the_same_of_neighbouring_tables_but_for_name_time_and_keyed_head(tmp_path: Path) -> None:
    told = []
    for index, frame in enumerate(NEIGHBOURS.values()):
        receipt = dict(protect(tmp_path, frame, f"r{index}").count(epsilon=0.25).receipt.__dict__)
        told.append({name: value for name, value in receipt.items() if name not in KEYED})
    assert all(one == told[0] for one in told)
