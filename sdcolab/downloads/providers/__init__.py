"""Sites that links lead to, in a registry. A new site is one file with a ``Provider`` and one line here."""

from __future__ import annotations

from sdcolab.core.registry import Registry
from sdcolab.downloads.http import Tokens
from sdcolab.downloads.links import Link
from sdcolab.downloads.providers.base import Provider, RemoteFile
from sdcolab.downloads.providers.civitai import Civitai
from sdcolab.downloads.providers.direct import Direct
from sdcolab.downloads.providers.huggingface import HuggingFace

__all__ = ["Civitai", "Direct", "HuggingFace", "Provider", "RemoteFile", "default_providers", "provider_for"]


def default_providers(
    tokens: Tokens, civitai_url: str | None = None, huggingface_url: str | None = None
) -> Registry[Provider]:
    """Every provider, in the order they are asked. The two addresses replace the official ones (tests, mirrors)."""
    providers: tuple[Provider, ...] = (
        Civitai(civitai_url, tokens.civitai),
        HuggingFace(huggingface_url, tokens.huggingface),
        Direct(),
    )
    return Registry("provider", providers)


def provider_for(link: Link, providers: Registry[Provider]) -> Provider:
    """The first provider that accepts ``link``; raises ``UnknownName`` when none does."""
    accepting = next((provider for provider in providers.values() if provider.accepts(link)), None)
    return accepting or providers.find(link.host)
