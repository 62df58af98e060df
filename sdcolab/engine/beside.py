"""What a UNet reads beside the noisy latents, told by how many more channels it has than they."""

from __future__ import annotations

from enum import StrEnum


class Beside(StrEnum):
    """The kinds of it (hechos/a1111.md 5.3)."""

    NOTHING = "nothing"
    MASK = "mask"
    """Inpainting: a mask, and the latents of the picture without what is under it."""
    PICTURE = "picture"
    """InstructPix2Pix (Brooks et al. 2022, arXiv:2211.09800): the latents of the picture that is to be edited."""
    DEPTH = "depth"
    """depth2img: how near each place of the picture is."""

    def channels(self, latent: int) -> int:
        """How many channels it has where the latents have ``latent``."""
        return {Beside.NOTHING: 0, Beside.MASK: latent + 1, Beside.PICTURE: latent, Beside.DEPTH: 1}[self]


def beside(read: int, latent: int) -> Beside | None:
    """What a UNet of ``read`` input channels reads beside ``latent`` ones; None for a kind that is not known."""
    return next((kind for kind in Beside if latent + kind.channels(latent) == read), None)
