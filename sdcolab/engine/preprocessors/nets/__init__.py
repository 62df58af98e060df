"""The networks of preprocessors: small modules of our own with the names of the known weight files, or transformers'
with names translated. Each is opened when a map is wanted and let go with it."""
