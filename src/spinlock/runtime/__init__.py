"""Execution environment of a run: devices, CPU threads and the process group."""
