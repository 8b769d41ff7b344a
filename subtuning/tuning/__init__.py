"""A subset of layers -> what is trained, what is frozen, and how BatchNorm behaves."""
