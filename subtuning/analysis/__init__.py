"""Run records -> tables, statistics, figures."""

LEAST_BLOCKS = 3
"""Tasks x backbones from which on mean ranks are given; fewer are no sample of data sets."""
