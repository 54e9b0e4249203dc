"""Detection of personal information in texts and columns, by patterns, checksums, context words and lexicons."""
# SPDX-License-Identifier: Apache-2.0
