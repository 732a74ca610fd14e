"""Rendering: a plan becomes pictures, chunks and files."""
