"""The figures of an evaluation, by section, and the page that contains them."""
