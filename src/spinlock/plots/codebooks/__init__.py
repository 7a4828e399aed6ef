"""The figures of a description of codebooks, by section, and the page that contains them."""
