"""The layers of the network and its forward pass in training.

``vqvae`` defines the whole network, and ``bucket`` the categories that share batched matrix products. ``encoder``,
``quantizer`` and ``decoder`` define the layers, and ``joint_codes`` the codes of joint assignment. ``layout`` maps
columns to categories. ``codebook`` has operations on padded codebooks, ``gradients`` operations with custom gradients,
and ``dead_codes`` the reset of unused codes.
"""
