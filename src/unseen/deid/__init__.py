"""De-identification: hierarchies of ever vaguer values, and tables in which every row hides among k people."""
# SPDX-License-Identifier: Apache-2.0

from unseen.deid.hierarchy import Hierarchy
from unseen.deid.kanonymize import KAnonymize, Proof, is_k_anonymous

__all__ = ["Hierarchy", "KAnonymize", "Proof", "is_k_anonymous"]
