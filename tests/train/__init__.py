"""Training: the engine, its layers, and the guard."""
# SPDX-License-Identifier: Apache-2.0
