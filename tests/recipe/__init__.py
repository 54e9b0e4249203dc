"""Tests of unseen.recipe."""
# SPDX-License-Identifier: Apache-2.0
