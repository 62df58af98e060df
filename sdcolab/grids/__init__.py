"""From one request to many, and the sheets that show them: scripts (hechos/a1111.md 9, hechos/extensiones.md 4 and 6).

Nothing here knows a model or a page. A script is either a plan (every request known before the first is made) or a
dialogue (a generator that asks for pictures one by one, each from what the last one gave).
"""
