"""Files of every format version that the program ever wrote, and tests that it still reads them."""
