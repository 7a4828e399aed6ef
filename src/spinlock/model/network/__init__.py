"""The network that training sees: encoders, quantizer levels, decoders and joint codes."""
