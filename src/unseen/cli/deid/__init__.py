"""unseen deid: find what identifies, release tables in which people hide among others, replace names."""
# SPDX-License-Identifier: Apache-2.0
