"""Which classes a method gets wrong, and which images: from the answers that its runs left.

Answers of S runs (seeds) on the same N images are arrays S x N; classes are numbered from 0.
"""
