"""The closed loop: simulate predicted operators, encode them, and compare their tokens with the original ones."""
