"""The network as training sees it.

``vqvae`` has the whole network, ``bucket`` the parts of the categories that share batched products, ``encoder``,
``quantizer`` and ``decoder`` their layers, ``joint_codes`` the codes of joint assignment, ``layout`` the columns of
each category, ``codebook`` operations on padded codebooks, ``gradients`` operations with custom gradients, and
``dead_codes`` the replacement of unused codes.
"""
