"""The commands, one in each file. A command parses its arguments, calls the library and prints the result."""
