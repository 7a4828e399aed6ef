"""Selection of categories and codebook sizes.

``selection`` selects both together. ``search`` chooses the sizes for given categories, with the bits from
``bit_search`` and their distribution over categories from ``bit_allocation``; ``configured_sizes`` reads the sizes that
the configuration gives. ``trials`` has the rows on which sizes are tried, and ``assignment`` the two ways of assigning
tokens, which try, fit and describe their codes.
"""
