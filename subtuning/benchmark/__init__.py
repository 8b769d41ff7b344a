"""How fast training is: every figure is a ratio of two things that are measured in turn in one run."""
