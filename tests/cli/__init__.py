"""Tests of unseen.cli."""
# SPDX-License-Identifier: Apache-2.0
