"""Training under differential privacy: DP-SGD over Poisson samples of units. Loads torch only when used."""
# SPDX-License-Identifier: Apache-2.0

from unseen.train.clipping import Clipping, Flat
from unseen.train.dpsgd import DPSGD, Session

__all__ = ["DPSGD", "Clipping", "Flat", "Session"]
