"""The networks of LivePortrait (Guo et al. 2024, arXiv 2407.03168), one a file, and the one place that knows their sizes."""
