"""Measurement of a trained ANO: accuracy, calibration, and where information about the parameters is lost."""
