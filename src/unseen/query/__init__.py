"""Statistics under differential privacy: counts, sums, means and histograms."""
# SPDX-License-Identifier: Apache-2.0

from unseen.query.statistic import Count, Histogram, Mean, Sum

__all__ = ["Count", "Histogram", "Mean", "Sum"]
