"""What a run runs on: devices, threads and the group of processes."""
