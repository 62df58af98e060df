"""Building blocks of `tools/train_demo.py`: the miniature Stable Diffusion 1.x shipped as demo model."""
