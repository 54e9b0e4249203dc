"""Attacks: configured adversaries that measure what a release lets them do, beside what it claims."""
# SPDX-License-Identifier: Apache-2.0

from unseen.attack.base import Attack
from unseen.attack.differencing import Differencing
from unseen.attack.distinguish import Distinguish
from unseen.attack.homogeneity import Homogeneity
from unseen.attack.linkage import Linkage
from unseen.attack.membership import Membership
from unseen.attack.small_groups import SmallGroups

__all__ = ["Attack", "Differencing", "Distinguish", "Homogeneity", "Linkage", "Membership", "SmallGroups"]
