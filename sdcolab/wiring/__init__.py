"""The composition root: builds the parts and hands each what it needs. Only these modules know everyone.

torch, diffusers and gradio are imported inside the functions that need them, when they need them.
"""
