"""Results as pictures. A plot computes nothing: it draws what it is given and returns its axes."""

from voxlab.plots.call import plot_call

__all__ = ["plot_call"]
