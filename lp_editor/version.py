"""Which lp-editor this is, for whatever has to say so without the public API."""

VERSION = "0.1.0"
