"""The command line: ``unseen run``, ``check``, ``ledger``, ``doctor``."""
# SPDX-License-Identifier: Apache-2.0

from unseen.cli.app import main

__all__ = ["main"]
