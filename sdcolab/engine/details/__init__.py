"""Finding parts of finished pictures and the masks to draw them again with."""
