"""What runs beside an editing application, or inside it: watch folder, local service, Resolve's script, Premiere's panel."""
