"""How a value is told ever less precisely."""
# SPDX-License-Identifier: Apache-2.0

from unseen.deid.hierarchies.dates import DateStep
from unseen.deid.hierarchies.hierarchy import Hierarchy

__all__ = ["DateStep", "Hierarchy"]
