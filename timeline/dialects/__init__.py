"""Project files in each application's own words, one module each."""
