"""What runs beside an editing application, or inside it: the watch folder, Resolve's script."""
