"""``sdcolab cuadricula``: compare pictures, one, two or three things changing.

    sdcolab cuadricula "a cat" --x "Steps=10,20" --y "Sampler=Euler a,DDIM"

It takes every option of ``generar`` for what does not change.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

from sdcolab.cli import generar
from sdcolab.cli.parser import add_folder_option, words
from sdcolab.cli.scripts import add_script_options, run_task
from sdcolab.core.request import GenerationRequest
from sdcolab.core.scripts import DynamicPrompts, Grid, XyzPlot
from sdcolab.core.words import command as said
from sdcolab.wiring.grids import axis_titles

_AXES = ("x", "y", "z")


def add_options(parser: argparse.ArgumentParser) -> None:
    """The subcommand's options."""
    parser.set_defaults(command=run, fail=parser.error)
    parser.usage = 'sdcolab cuadricula [opciones] PROMPT --x "EJE=valores" [--y "EJE=valores"] [--z "EJE=valores"]'
    add = parser.add_argument
    add("prompt", nargs="?", type=words, metavar="PROMPT")
    for letter in _AXES:
        add(f"--{letter}", type=words, metavar="EJE=VALORES")
    add("--separacion", type=int, default=0, metavar="N")
    add("--sin-rotulos", action="store_true")
    add("--continuar", type=Path, metavar="PLAN")
    add("--html", type=Path, metavar="ARCHIVO")
    add("--ejes", action="store_true")
    add("--modelo", default=argparse.SUPPRESS, metavar="ARCHIVO")
    add_script_options(parser)
    add_folder_option(parser, argparse.SUPPRESS)
    generar.FIELD_OPTIONS.add_to(parser)


def run(options: argparse.Namespace) -> int:
    """Make the cells and print the sheet's path."""
    if options.ejes:
        print("\n".join(axis_titles()))
        return 0
    if options.continuar is None and options.prompt is None:
        options.fail("the following arguments are required: PROMPT")
    if options.continuar is None and not any(getattr(options, letter) for letter in _AXES):
        options.fail(said.AXIS_NEEDED)
    request = GenerationRequest() if options.continuar else generar.request_of(options)
    plot = replace(_plot(options), margin=options.separacion, legend=not options.sin_rotulos)
    dynamic = DynamicPrompts() if options.dinamicos else None
    return run_task(options, Grid(request, plot, dynamic, plan=options.continuar))


def _plot(options: argparse.Namespace) -> XyzPlot:
    values: dict[str, Any] = {"x_axis": "Nothing"}
    for letter in _AXES:
        written = getattr(options, letter)
        if written:
            name, equals, text = written.partition("=")
            if not equals:
                options.fail(said.AXIS_WRITTEN.format(letter=letter))
            values |= {f"{letter}_axis": name.strip(), f"{letter}_values": text}
    return XyzPlot(**values)
