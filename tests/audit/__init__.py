"""The audit harness, and the faults that it has to find."""
# SPDX-License-Identifier: Apache-2.0
