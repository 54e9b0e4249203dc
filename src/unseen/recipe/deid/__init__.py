"""De-identified tables in a recipe: anonymous ones and pseudonymised ones, and who finds people in them."""
# SPDX-License-Identifier: Apache-2.0

from unseen.recipe.deid.anonymity import GeneralizeTask, KAnonymizeTask, MondrianTask
from unseen.recipe.deid.pseudonyms import PseudonymizeTask

__all__ = ["GeneralizeTask", "KAnonymizeTask", "MondrianTask", "PseudonymizeTask"]
