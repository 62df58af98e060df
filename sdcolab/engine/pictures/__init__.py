"""Pictures before and after the model: resizing, masks, overlays and colours of img2img and inpainting. Pure functions
on Pillow pictures, with A1111's bytes (hechos/a1111.md 4.4 and 5)."""
