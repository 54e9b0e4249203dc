"""Tests of the laws of design section 3, one file a law, and of the floors of the house."""
# SPDX-License-Identifier: Apache-2.0
