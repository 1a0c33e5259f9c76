"""What figures support: confidence intervals and paired comparisons."""

from voxlab.statistics.intervals import bootstrap_interval, wilson_interval
from voxlab.statistics.paired import compare_pairs

__all__ = ["bootstrap_interval", "compare_pairs", "wilson_interval"]
