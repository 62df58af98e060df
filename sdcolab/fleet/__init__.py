"""Many requests, one list: on this machine or on a cluster, whatever dies on the way.

A list is read as orders (``orders``), which wait on a board (``board``) where each engine takes what needs the fewest
switches; a crew of threads (``crew``) gives them to makers, here or on Ray (``on_ray``); pictures and the manifest go
to any fsspec path (``results``).
"""
