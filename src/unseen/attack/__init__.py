"""Attacks: configured adversaries that measure what a release lets them do, beside what it claims."""
# SPDX-License-Identifier: Apache-2.0

from unseen.attack.base import Attack
from unseen.attack.distinguish import Distinguish
from unseen.attack.linkage import Linkage
from unseen.attack.membership import Membership

__all__ = ["Attack", "Distinguish", "Linkage", "Membership"]
