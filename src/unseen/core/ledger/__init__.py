"""The durable record of what was spent on one population.

book         Ledger: admits or refuses, binds to data, tells what was spent
records      its records: read, checked against the key, appended
heads        which heads are known of it, and whether it still holds them
reconcile    what was spent in entries that were lost
chain        entries, each bound to the one before by a keyed hash
composition  how prices add up: Basic, Renyi
keys         the owner's key, and what is derived from it
high_water   the highest head that this place has seen
store        SQLite or PostgreSQL: tables and serialised transactions
copies       backup and export
notebook     how a ledger shows itself in a notebook
"""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from unseen.core.ledger.book import Change, Ledger
from unseen.core.ledger.chain import Entry, Kind
from unseen.core.ledger.composition import Basic, Composition, Renyi
from unseen.core.ledger.store import without_password

__all__ = ["Basic", "Change", "Composition", "Entry", "Kind", "Ledger", "Renyi", "without_password"]
