"""A trained network as an encoder and a decoder of rows: tables of its codes and beam search over them."""
