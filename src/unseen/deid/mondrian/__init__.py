"""Local recoding: classes cut by medians, for millions of rows."""
# SPDX-License-Identifier: Apache-2.0

from unseen.deid.mondrian.guard import LocalProof, Mondrian

__all__ = ["LocalProof", "Mondrian"]
