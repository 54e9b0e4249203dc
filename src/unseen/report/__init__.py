"""Reports: claims beside measurements, plots, and the one page that holds them."""
# SPDX-License-Identifier: Apache-2.0
