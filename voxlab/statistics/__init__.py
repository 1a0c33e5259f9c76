"""What figures support: confidence intervals and paired comparisons."""
