"""The optimal search: the full-domain generalisation that keeps most, by proof."""
# SPDX-License-Identifier: Apache-2.0
