"""``sdcolab carpetas``: use the models of AUTOMATIC1111, Forge or ComfyUI where they are, without copying them."""

from __future__ import annotations

import argparse
from pathlib import Path

from sdcolab.cli.parser import add_folder_option
from sdcolab.core.borrowed import borrow, borrowed, found_in, give_back, has_settings, program_in, settings_of
from sdcolab.core.folders import Folders
from sdcolab.core.machine import folders_in
from sdcolab.core.settings import Settings, SettingsFile
from sdcolab.core.words.borrowed import given_back, linked, listed, none_linked, read_once


def add_options(parser: argparse.ArgumentParser) -> None:
    """The subcommand's options."""
    parser.set_defaults(command=run, fail=parser.error)
    parser.usage = "sdcolab carpetas [opciones] [RUTA]"
    add = parser.add_argument
    add("ruta", nargs="?", type=Path, metavar="RUTA")
    add("--nombre", default="", metavar="NOMBRE")
    add("--quitar", metavar="NOMBRE")
    add("--sin-ajustes", action="store_true")
    add_folder_option(parser, argparse.SUPPRESS)


def run(options: argparse.Namespace) -> int:
    """Link a folder, take it away, or list those that are linked."""
    folders = folders_in(options.carpeta)
    if options.quitar:
        count = give_back(options.quitar, folders)
        print(given_back(options.quitar, count))
        return 0 if count else 1
    if options.ruta is None:
        found = list(borrowed(folders))
        print(
            "\n".join(listed(one.name, one.kind, one.target, is_there=one.target.is_dir()) for one in found)
            or none_linked()
        )
        return 0
    source = program_in(options.ruta)
    reads = not options.sin_ajustes
    if found_in(source) or not (reads and has_settings(source)):
        for one in borrow(source, folders, options.nombre):
            print(linked(one.name, one.kind, one.target))
    if reads:
        print(read_once(*_read_settings(source, folders)))
    return 0


def _read_settings(source: Path, folders: Folders) -> tuple[int, int]:
    counted = (0, 0)

    def change(settings: Settings) -> Settings:
        nonlocal counted
        changed, *counts = settings_of(source, settings)
        counted = (counts[0], counts[1])
        return changed

    SettingsFile(folders.config).change(change)
    return counted
