"""The ground floor: guarantees, schemas, datasets, ledgers, releases and guards."""
# SPDX-License-Identifier: Apache-2.0
