"""Which runs to ask for next: the profile, and the rounds of Greedy-SubTuning. Pure Python, no torch.

Selection never sees test data: every function here that looks at a score refuses a record whose split is `test`.
"""
