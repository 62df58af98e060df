"""The gallery: an index of every picture under the output folders, and what can be done with them."""
