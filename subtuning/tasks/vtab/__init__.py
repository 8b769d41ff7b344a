"""VTAB-1k: 19 image classification tasks (Zhai et al., arXiv 1910.04867), each with 800 + 200 images to learn from.

Which images those are is defined by TensorFlow Datasets, whose order of examples is a pure function of the split's name
and the example's key (`order`). So the published archives are read here without TensorFlow: `registry` says what
belongs to a task, one small module a family of archives reads it, and nothing is ever extracted to disk.
"""
