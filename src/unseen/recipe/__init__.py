"""Recipes: one TOML file that says what is protected, released and attacked; read, checked, run."""
# SPDX-License-Identifier: Apache-2.0

from unseen.recipe.run import Interrupted, Recipe

__all__ = ["Interrupted", "Recipe"]
