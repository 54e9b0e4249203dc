"""The only room in which noise is drawn."""
# SPDX-License-Identifier: Apache-2.0
