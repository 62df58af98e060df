"""Upscalers under A1111's names: of pictures (plain filters and networks) and of latents (hechos/a1111.md 4.3 and
4.4)."""
