"""From a configuration to a dataset: sample operators, roll them out, compute their features, and write the dataset.

The operators are computed in blocks. An interrupted run can be resumed at the first unfinished block.
"""
