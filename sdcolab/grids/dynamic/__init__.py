"""Prompts with random parts (hechos/extensiones.md 0 and 6): a grammar of our own, wildcard files, Jinja2 templates."""
