"""Calibration on operators that nothing was fitted on: temperature of the families, conformal widths of intervals."""
