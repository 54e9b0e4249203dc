"""Training under differential privacy: DP-SGD over samples of units. Loads torch only when used."""
# SPDX-License-Identifier: Apache-2.0

from unseen.train.accountant import Accountant, CentralLimit, PrivacyLoss
from unseen.train.clipping import Adaptive, Automatic, Clipping, Flat, PerLayer
from unseen.train.conduct import OutsideStep
from unseen.train.dpsgd import DPSGD, Session
from unseen.train.pricing import Poisson, Sampling, Shuffled
from unseen.train.private import Private
from unseen.train.slow import SlowModel

__all__ = [
    "DPSGD",
    "Accountant",
    "Adaptive",
    "Automatic",
    "CentralLimit",
    "Clipping",
    "Flat",
    "OutsideStep",
    "PerLayer",
    "Poisson",
    "PrivacyLoss",
    "Private",
    "Sampling",
    "Session",
    "Shuffled",
    "SlowModel",
]
