"""The ledger under fire: killed processes and servers, power cuts after every write, a crowd."""
# SPDX-License-Identifier: Apache-2.0
