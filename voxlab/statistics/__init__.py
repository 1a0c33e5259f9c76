"""What figures support: confidence intervals and paired comparisons."""

from voxlab.statistics.agreement import krippendorff_alpha
from voxlab.statistics.intervals import (
    bootstrap_interval,
    difference_interval,
    mean_difference_interval,
    wilson_interval,
)
from voxlab.statistics.paired import compare_pairs

__all__ = [
    "bootstrap_interval",
    "compare_pairs",
    "difference_interval",
    "krippendorff_alpha",
    "mean_difference_interval",
    "wilson_interval",
]
