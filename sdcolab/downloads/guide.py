"""Links that the guide gives and that are not what they were (shared/guia.md; hechos/lanzadores.md 0)."""

from __future__ import annotations

import re
from dataclasses import replace

from sdcolab.core.errors import ExtensionBuiltIn, LdsrSettings, RepositoryMoved
from sdcolab.core.folders import LDSR
from sdcolab.downloads.links import Link

HUB = ("huggingface.co", "www.huggingface.co", "hf.co")

EXTENSIONS = {
    "aka7774/sd_images_browser": "image_browser",
    "dominikdoom/a1111-sd-webui-tagcomplete": "tagcomplete",
    "mikubill/sd-webui-controlnet": "controlnet",
    "coyote-a/ultimate-upscale-for-automatic1111": "ultimate",
    "opparco/stable-diffusion-webui-two-shot": "two_shot",
    "adieyal/sd-dynamic-prompts": "dynamic_prompts",
    "akegarasu/sd-webui-model-converter": "converter",
    "toriato/stable-diffusion-webui-wd14-tagger": "tagger",
    "toshiaki1729/stable-diffusion-webui-dataset-tag-editor": "tag_editor",
}
"""Repositories on github.com, in lower case, and the key of what to say of each in ``core.words.guide``."""

MOVED = {
    "runwayml/stable-diffusion-v1-5": "stable-diffusion-v1-5/stable-diffusion-v1-5",
    "runwayml/stable-diffusion-inpainting": "stable-diffusion-v1-5/stable-diffusion-inpainting",
}
"""Repositories of huggingface.co that were deleted, and the copies that live on."""

FIRST_FILE = {"stable-diffusion-v1-5/stable-diffusion-v1-5": "resolve/main/v1-5-pruned-emaonly.safetensors"}
"""The file to take from a repository whose page was pasted without naming any."""


LDSR_HOME = "hollowstrawberry/upscalers-backup"
"""Where the guide has the two files of LDSR, in a folder of that name."""


def as_guided(link: Link) -> Link:
    """``link``, or the file that is meant by the guide's link to LDSR's folder. Raises ``ExtensionBuiltIn``,
    ``RepositoryMoved`` or ``LdsrSettings`` for links with a better answer than a file."""
    repository, _, rest = _repository(link)
    if link.host in ("github.com", "www.github.com") and (key := EXTENSIONS.get(repository.lower())):
        raise ExtensionBuiltIn(extension=key)
    if link.host in HUB and repository.lower() == LDSR_HOME and LDSR in rest.split("/"):
        if rest.endswith(".yaml"):
            raise LdsrSettings()
        file = f"https://huggingface.co/{LDSR_HOME}/resolve/main/{LDSR}/model.ckpt"
        return replace(link, url=file, name=link.name or LDSR)
    if link.host in HUB and (home := MOVED.get(repository.lower())):
        file = rest.replace("blob/", "resolve/", 1) if "/" in rest else FIRST_FILE.get(home, "")
        raise RepositoryMoved(link=link.shown, home=f"https://huggingface.co/{home}/{file}".rstrip("/"))
    return link


def _repository(link: Link) -> tuple[str, str, str]:
    """The owner and name that an address begins with, and the rest of its path."""
    found = re.fullmatch(r"/([\w.-]+/[\w.-]+?)(?:\.git)?(/(.*))?", link.parts.path)
    return (found[1], "/", (found[3] or "").strip("/")) if found else ("", "", "")
