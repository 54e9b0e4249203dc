"""The ledger: admits or refuses charges, is bound to its data, and tells what was spent."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import json
import math
import secrets
from enum import StrEnum
from fractions import Fraction
from pathlib import Path
from typing import Any

from unseen.core.accounting import Event, epsilon_of_all
from unseen.core.errors import BudgetExceeded, InvalidRequest, LedgerError, LedgerMismatch
from unseen.core.guarantee import DP, Guarantee, Nothing, number
from unseen.core.ledger import copies, notebook
from unseen.core.ledger.chain import Entry, Kind, Part, State, canonical, opened
from unseen.core.ledger.composition import Amounts, Basic, Composition, Filter
from unseen.core.ledger.heads import key_path
from unseen.core.ledger.keys import Fingerprint, OwnerKey
from unseen.core.ledger.reconcile import missing, reconcile
from unseen.core.ledger.records import FORMAT, Line, Records, now
from unseen.core.ledger.store import Store
from unseen.core.release import Receipt

__all__ = ["Change", "Ledger"]

BOUND = Nothing("this entry is no release; it records that the data have changed")


class Change(StrEnum):
    """What the owner says has happened to the data since the ledger was bound to them."""

    SAME_PEOPLE = "same people"
    """The same units with corrected or redeclared values: what was spent stays spent."""
    APPENDED_ROWS = "appended rows"
    """New units or rows beside the old ones: what was spent counts for all, old and new."""


class Ledger:
    """A budget of (ε, δ) for one population, and every release that was charged to it.

    Args:
        location: the path of a SQLite file, or a PostgreSQL URL such as ``postgresql://user@host/database``.
        key: the owner's key file. Beside a SQLite file it is ``PATH.key`` if nothing else is said; a URL needs it.

    Beside the key lies the highest head that this place has seen, ``PATH.head``. A ledger that is behind it, or
    holds another entry in its place, charges nothing until it is reconciled.

    **Guarantee**: a charge is committed and on the disk before ``charge`` returns; sums are exact; whatever is
    admitted, also by several processes or machines at once, keeps the budget under the ledger's composition, which
    holds for requests that depend on earlier answers. Each entry is bound to all before it by HMAC-SHA256 under the
    owner's key, and every receipt is signed (Ed25519).

    Source: see ``Basic`` and ``Renyi``; Haber and Stornetta 1991 for the chain.

    Raises:
        LedgerError: no such ledger, or its key is missing or does not fit.
        LedgerCorrupt: the chain does not verify.
    """

    def __init__(self, location: str | Path, key: str | Path | None = None) -> None:
        store = Store(location)
        if store.path is not None and not store.path.is_file():
            raise LedgerError(f"no ledger at {store.name!r}", "the path of a ledger that un.protect made")
        self.key_path = key_path(store, key)
        if not self.key_path.is_file():
            raise _keyless(store, self.key_path)
        try:
            self._records = Records(store, OwnerKey.read(self.key_path), self.key_path)
            self._records.check_chain()
        except BaseException:
            store.close()  # whoever asks a broken ledger again and again would use up the server's connections
            raise

    @classmethod
    def create(
        cls,
        location: str | Path,
        budget: DP,
        fingerprint: Fingerprint,
        *,
        composition: Composition | None = None,
        key: str | Path | None = None,
    ) -> Ledger:
        """Make a ledger, or open the one that another process made in the same moment.

        Args:
            location: where it shall be: a path in a folder that exists, or a PostgreSQL URL.
            budget: ε and δ, with unit and neighbouring relation.
            fingerprint: maps a key derived from the owner's to the keyed fingerprint of the data.
            composition: how prices add up; ``Basic()`` if not given.
            key: see ``Ledger``.

        Raises:
            LedgerError: the place does not exist or cannot be written.
            LedgerMismatch: the ledger that is there is for others.
        """
        if budget.unit is None:
            raise InvalidRequest(
                "a ledger for a budget without unit was asked for",
                "a budget whose unit is declared",
                "un.protect(..., unit=...)",
            )
        rules = (Basic() if composition is None else composition).record(budget)
        store = Store(location)
        place = key_path(store, key)
        if store.holds_ledger() and not place.exists():
            raise _keyless(store, place)
        try:
            held = OwnerKey.make(place)
        except OSError as error:
            raise LedgerError(
                f"a ledger at {store.name!r} was asked for",
                f"a folder that exists and can be written ({error.strerror})",
            ) from None
        records = Records(store, held, place)
        records.heads.check_unknown()
        with store.writing() as connection:
            if store.make_tables(connection):
                first = {
                    "format": FORMAT,
                    "id": secrets.token_hex(8),
                    "epsilon": repr(budget.epsilon),
                    "delta": repr(budget.delta),
                    "unit": budget.unit,
                    "neighbours": budget.neighbours.value,
                    "composition": rules,
                    "fingerprint": held.fingerprinted(fingerprint),
                    "public_key": held.public,
                    "created": now(),
                }
                records.begin(connection, first)
        ledger = cls(location, key)
        ledger.bind(budget, fingerprint, composition=composition)  # another process may have made it, for other data
        return ledger

    @staticmethod
    def exists(location: str | Path) -> bool:
        """Whether a ledger was made there."""
        return Store(location).holds_ledger()

    # --- what it is for -----------------------------------------------------------------------------------------

    @property
    def location(self) -> str:
        """Where the ledger lies, without any password."""
        return self._records.store.name

    @property
    def path(self) -> Path:
        """The SQLite file.

        Raises:
            LedgerError: it is in a database server.
        """
        if self._records.store.path is None:
            raise LedgerError(f"the file of ledger {self.location!r} was asked for", "a ledger in a SQLite file")
        return self._records.store.path

    @property
    def id(self) -> str:
        """The ledger's random identifier."""
        return str(self._records.first[0]["id"])

    @property
    def public_key(self) -> str:
        """The owner's Ed25519 public key, in hexadecimal: what receipts are checked with."""
        return self._records.key.public

    @property
    def budget(self) -> DP:
        """The whole budget."""
        return self._records.budget

    @property
    def composition(self) -> str:
        """How prices add up: ``"basic"`` or ``"renyi"``."""
        return str(self._records.first[0]["composition"]["name"])

    @property
    def filter(self) -> Filter:
        """The filter that admits charges."""
        return self._records.filter

    @property
    def fingerprint(self) -> str:
        """Keyed fingerprint of the data that the ledger is bound to."""
        return self._records.now().fingerprint

    def derive(self, purpose: str) -> bytes:
        """A key for one purpose outside of the ledger, derived from the owner's key."""
        return self._records.key.derive(f"for {purpose}")

    # --- binding ------------------------------------------------------------------------------------------------

    def bind(
        self,
        budget: DP,
        fingerprint: Fingerprint,
        *,
        composition: Composition | None = None,
        changed: Change | None = None,
    ) -> str:
        """Check that this ledger is for these data and this declaration, and give their keyed fingerprint.

        Args:
            budget: ε, δ, unit and relation as declared now.
            fingerprint: maps a key derived from the owner's to the keyed fingerprint of the snapshot to be queried.
            composition: as declared now; not compared if not given.
            changed: what the owner says has happened to the data; recorded, and the ledger is bound to them as
                they are now. Nothing is given back: all that was spent stays spent.

        Raises:
            LedgerMismatch: it is for others.
            LedgerLocked: it is older than a head that this place has seen.
        """
        held = self.budget
        if (budget.unit, budget.neighbours) != (held.unit, held.neighbours):
            raise LedgerMismatch(
                f"ledger {self.location!r} was opened for unit {budget.unit!r} ({budget.neighbours.value})",
                f"it was made for unit {held.unit!r} ({held.neighbours.value})",
            )
        if (budget.epsilon, budget.delta) != (held.epsilon, held.delta):
            raise LedgerMismatch(
                f"ledger {self.location!r} was opened with a budget of ε {budget.epsilon:g}, δ {budget.delta:g}",
                f"it was made with ε {held.epsilon:g}, δ {held.delta:g}, and a budget never changes",
            )
        if composition is not None and composition.name != self.composition:
            raise LedgerMismatch(
                f"ledger {self.location!r} was opened with {composition.name} composition",
                f"it was made with {self.composition} composition, and that never changes",
            )
        self._records.heads.check_reaches()
        found = self._records.key.fingerprinted(fingerprint)
        if found == self.fingerprint:
            return found
        if changed is None:
            raise LedgerMismatch(
                f"ledger {self.location!r} was opened for other data or another declaration of columns",
                "exactly the rows and the schema that it is bound to; for the same people with other values, or with "
                "rows appended, say so and the budget goes on; for a new population take a new ledger",
                "un.protect(..., changed=un.Change.SAME_PEOPLE)",
            )
        line = Line(Kind.BINDING, BOUND, purpose=Change(changed).value)
        with self._records.appending() as (connection, last, state):
            after = state.bound(found)
            row = self._records.append(connection, last, line, after)
        self._records.heads.mark.raise_to(self._records.receipt(row, after))
        return found

    # --- charging -----------------------------------------------------------------------------------------------

    def charge(
        self,
        guard: str,
        event: Event,
        guarantee: Guarantee,
        purpose: str = "",
        *,
        bound: str | None = None,
        part: Part | None = None,
        request: dict[str, str] | None = None,
    ) -> Receipt:
        """Record a release and charge it, durably, before any of its noise is drawn.

        Args:
            guard: the guard's class name.
            event: what will happen, as a dp-accounting event in JSON.
            guarantee: what will be promised; a ``DP`` is charged, anything else is recorded uncharged.
            purpose: why, in a few words.
            bound: what ``bind`` gave for the data that will be read; refused if others were bound since.
            part: the partition and its part that the release sees, where each unit is in one part; None: everybody.
            request: what ``requested`` gave for the caller's request key.

        Raises:
            BudgetExceeded: more is asked than is left; nothing was charged.
            InvalidRequest: the guarantee is for another unit or relation, or the request was charged before;
                nothing was charged.
            LedgerMismatch: the ledger was bound to changed data since; nothing was charged.
            LedgerLocked: entries are known to be missing; nothing was charged.
        """
        budget, cost = self.budget, (Fraction(0),) * len(self.filter.limits)
        if isinstance(guarantee, DP):
            if (guarantee.unit, guarantee.neighbours) != (budget.unit, budget.neighbours):
                raise InvalidRequest(
                    f"a guarantee for {guarantee.unit!r} ({guarantee.neighbours.value}) was charged",
                    f"this ledger counts {budget.unit!r} ({budget.neighbours.value})",
                )
            cost = self.filter.cost(event, guarantee)
        line = Line(Kind.RELEASE, guarantee, guard, purpose, cost, event, part, request)
        with self._records.appending() as (connection, last, state):
            if bound is not None and bound != state.fingerprint:
                raise LedgerMismatch(
                    f"ledger {self.location!r} was charged for data that have changed since",
                    "the data as they were bound last",
                    "un.protect(...) anew",
                )
            if request is not None and (earlier := self._records.store.of_request(connection, request["key"])):
                raise InvalidRequest(
                    f"a request was repeated that was charged before (entry {earlier.sequence}) and has no release",
                    "a failure counts as a use, and another may still be running; a new request key pays anew",
                )
            after = state.plus(cost, part, isinstance(guarantee, DP))
            if isinstance(guarantee, DP) and not self.filter.admits(after.total):
                raise self._too_dear(guard, guarantee, state.borne_by(part))
            row = self._records.append(connection, last, line, after)
        receipt = self._records.receipt(row, after)  # signed when others may charge again
        self._records.heads.mark.raise_to(receipt)
        return receipt

    def _too_dear(self, guard: str, asked: DP, total: Amounts) -> BudgetExceeded:
        budget, left = self.budget, self.filter.left(total)
        fits = 0 < left[0] < asked.epsilon and asked.delta <= left[1]
        return BudgetExceeded(
            f"{guard} was asked for ε {asked.epsilon:.12g}, δ {asked.delta:g}",
            f"ε {left[0]:.12g}, δ {left[1]:.6g} of ε {budget.epsilon:g}, δ {budget.delta:g} are left",
            f"epsilon={left[0]!r}" if fits else "",
        )

    # --- releases that are kept for their requests --------------------------------------------------------------

    def requested(self, request: str, configuration: dict[str, Any]) -> dict[str, str]:
        """A caller's request key and what it was used for, as keyed hashes that entries hold."""
        key = self._records.key
        return {
            "key": key.mac("request", canonical({"request": request})),
            "configuration": key.mac("configuration", canonical(configuration)),
        }

    def recall(self, request: dict[str, str]) -> tuple[Receipt, dict[str, Any]] | None:
        """The release that a request was answered with; None if it was never charged or its run did not end.

        Raises:
            InvalidRequest: the key was used for another request.
        """
        records = self._records
        with records.store.reading() as connection:
            row = records.store.of_request(connection, request["key"])
            if row is None:
                return None
            found, kept = opened(row, records.key, self.location), records.store.kept_at(connection, row.sequence)
        if found["request"] != request:
            raise InvalidRequest(
                f"a request key was used again that belongs to another request (entry {row.sequence})",
                "one key for one request: the same guard with the same configuration",
            )
        if kept is None:
            return None
        records.check_kept(row.sequence, row.mac, *kept)
        return records.receipt(row, State.of(found["state"])), json.loads(kept[0])

    def keep(self, receipt: Receipt, released: dict[str, Any]) -> None:
        """Keep what was released for the request that its entry holds, durably, before it leaves."""
        body = json.dumps(released)
        with self._records.store.writing() as connection:
            mac = self._records.key.mac("release", f"{receipt.head}\n{body}")
            self._records.store.keep(connection, receipt.sequence, body, mac)

    # --- whether it is whole ------------------------------------------------------------------------------------

    def verify(self, against: Receipt | None = None) -> int:
        """Check the whole chain, that it reaches the highest head known here, and give the number of entries.

        Args:
            against: a receipt that this ledger must contain.

        Raises:
            LedgerCorrupt: naming the first entry that does not verify, or the receipt.
            LedgerLocked: the tail was removed, an older copy was put in its place, or the chain was made anew.
            LedgerMismatch: the receipt is another ledger's.
        """
        count = self._records.check_chain()
        if against is not None:
            self._records.heads.check_ours(against)
        self._records.heads.check_reaches(*([] if against is None else [against]))
        return count

    @property
    def locked(self) -> str:
        """Why nothing can be charged, in words; empty if it can."""
        return self._records.heads.locked()

    @property
    def head(self) -> Receipt:
        """The signed head: what the ledger says of its last entry."""
        with self._records.store.reading() as connection:
            last = self._records.store.last(connection)
            return self._records.receipt(last, self._records.state(last))

    def missing(self, *receipts: Receipt) -> list[Receipt]:
        """The heads that these receipts, or this place, tell of and the ledger does not hold.

        Raises:
            LedgerMismatch: a receipt is another ledger's.
            LedgerCorrupt: a receipt was changed.
        """
        return missing(self._records, receipts)

    def reconcile(
        self,
        *receipts: Receipt,
        older_copy: bool = False,
        nothing_lost: bool = False,
        exhausted: bool = False,
    ) -> Receipt:
        """Count what was spent in entries that this ledger no longer holds, and unlock it; nothing, if it is whole.

        Args:
            *receipts: the highest that is known of each line of entries that was lost; the highest head that this
                place has seen is added.
            older_copy: declares that there was one line only, of which this ledger is an older copy, so that the
                highest receipt counts all. Else what was spent here and under each lost head is added up, which
                holds whatever has happened, and counts twice what two of them have in common.
            nothing_lost: declares that nothing came after the last entry here, where no head tells even of that one.
            exhausted: declares everything as spent, where it is not known what was lost.

        Returns:
            The head after the entry that records it.

        Raises:
            InvalidRequest: the heads disprove what is declared.
            LedgerError: nothing is known of what was lost, or everything was declared as spent of a whole ledger.
            LedgerMismatch: a receipt is another ledger's.
            LedgerCorrupt: a receipt was changed.
        """
        return reconcile(self._records, receipts, older_copy, nothing_lost, exhausted)

    # --- copies -------------------------------------------------------------------------------------------------

    def backup(self, path: str | Path) -> Path:
        """Write a copy of all records into a new SQLite file; the key is not in it.

        Raises:
            LedgerError: the file is there already, or cannot be written.
        """
        self.verify()
        copies.copy(self._records.store, Store(path), "a backup")
        return Path(path)

    @classmethod
    def restore(cls, backup: str | Path, location: str | Path, key: str | Path | None = None) -> Ledger:
        """Make a ledger of a backup, where there is none. It stays locked if it is older than what this place has seen.

        Args:
            backup: the file that ``backup`` wrote.
            location: where the ledger shall be.
            key: the owner's key file, with which the backup must verify; see ``Ledger``.

        Raises:
            LedgerError: there is a ledger already, or the key is missing.
            LedgerCorrupt: the backup does not verify.
        """
        target = Store(location)
        cls(backup, key_path(target, key))
        copies.copy(Store(backup), target, "a ledger")
        return cls(location, key)

    def export(self, path: str | Path) -> Path:
        """Write all records as JSON lines that anybody can read: first record, entries, signed head."""
        self.verify()
        return copies.export(self._records, Path(path))

    # --- what was spent -----------------------------------------------------------------------------------------

    def entries(self) -> list[Entry]:
        """All entries, first to last."""
        with self._records.store.reading() as connection:
            rows = self._records.store.rows(connection)
        return [Entry.of(opened(row, self._records.key, self.location)) for row in rows]

    @property
    def spent(self) -> tuple[float, float]:
        """ε and δ spent so far, rounded up; under Rényi composition bookkeeping, not a guarantee."""
        return self.filter.spent(self._records.now().total)

    @property
    def left(self) -> tuple[float, float]:
        """The greatest ε and δ that one more release may have, rounded down."""
        return self.filter.left(self._records.now().total)

    def bookkeeping(self, delta: float | None = None) -> float:
        """ε of all priced releases together had they been fixed in advance: bookkeeping, not a guarantee.

        Args:
            delta: the δ at which it is told; the budget's if not given.

        Source: privacy loss distributions, see ``accounting.epsilon_of_all``, as though all had been asked of
        everybody; or ``spent`` where that is less, or where entries were lost, of which only the sum is known.
        """
        slack = self.budget.delta if delta is None else number("delta", delta, 0, 1)
        entries, (epsilon, bare) = self.entries(), self.spent
        if any(entry.kind in (Kind.RECONCILED, Kind.EXHAUSTED) for entry in entries):
            return epsilon
        events = [entry.event for entry in entries if entry.priced]
        known = epsilon if bare <= slack else math.inf
        return min(known, epsilon_of_all(events, slack)) if events else 0.0

    @property
    def total(self) -> str:
        """The total in words: what ε covers, and what it does not."""
        entries = [entry for entry in self.entries() if entry.kind is Kind.RELEASE]
        bare = [f"{entry.guard} (entry {entry.sequence})" for entry in entries if not entry.priced]
        cover = f"ε covers {len(entries) - len(bare)} of {len(entries)} releases"
        return cover + (f"; not covered: {', '.join(bare)}" if bare else "")

    @property
    def used(self) -> str:
        """What is used of the budget, by the sums that the filter admits by, in words."""
        if self.composition == Basic.name:
            return f"ε {self.spent[0]:g} of {self.budget.epsilon:g} spent"
        share = 100 * float(self.filter.share(self._records.now().total))
        return f"{share:.1f} % used of the curve for ε {self.budget.epsilon:g}, δ {self.budget.delta:g}"

    def __repr__(self) -> str:
        return f"<Ledger {self.location.rsplit('/', 1)[-1]}: {self.used}; {self.total}>"

    def _repr_html_(self) -> str:
        title = f"{self.location.rsplit('/', 1)[-1]} · {self.composition} composition · per {self.budget.unit}"
        share = self.filter.share(self._records.now().total)
        return notebook.html(title, share, [self.used, self.total], self.locked, self.entries())


def _keyless(store: Store, place: Path) -> LedgerError:
    return LedgerError(f"the key of ledger {store.name!r} is missing", f"its owner's key at {str(place)!r}")
