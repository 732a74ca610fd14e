"""Media in and out: sources, sinks, colour, sound. PyAV is used here and nowhere else."""
