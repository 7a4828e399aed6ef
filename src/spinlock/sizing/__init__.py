"""Selection of categories and codebook sizes.

``selection`` selects both together. ``search`` selects the sizes for given categories: ``bit_search`` determines the
total number of bits, and ``bit_allocation`` their distribution over categories. ``configured_sizes`` reads the sizes
that the configuration sets. ``trials`` provides the rows on which sizes are tried, and ``assignment`` the operations
that differ between local and joint assignment of tokens.
"""
