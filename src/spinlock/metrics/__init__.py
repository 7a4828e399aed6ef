"""Every metric once: reconstruction, codebook use, orthogonality, topography, redundancy, rate and distortion.

Nothing here reads files or knows the model; what goes in are arrays, what comes out are numbers and small records.
"""
