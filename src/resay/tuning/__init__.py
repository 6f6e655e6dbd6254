"""`resay tune`: a voice fitted to a minute of recordings. Loaded by name: it needs the extra `train`."""
