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
from sdcolab.cli.scripts import run_task
from sdcolab.core.request import GenerationRequest
from sdcolab.core.scripts import DynamicPrompts, Grid, XyzPlot

_AXES = ("x", "y", "z")


def add_options(parser: argparse.ArgumentParser) -> None:
    """The subcommand's options."""
    parser.set_defaults(command=run, fail=parser.error)
    parser.usage = 'sdcolab cuadricula [opciones] PROMPT --x "EJE=valores" [--y "EJE=valores"] [--z "EJE=valores"]'
    add = parser.add_argument
    add("prompt", nargs="?", type=words, metavar="PROMPT", help="lo que quieres ver")
    for letter, place in zip(_AXES, ("columnas", "filas", "hojas"), strict=True):
        add(f"--{letter}", type=words, metavar="EJE=VALORES", help=f'lo que cambia por {place}: "Steps=10,20"')
    add("--separacion", type=int, default=0, metavar="N", help="píxeles entre imágenes (0)")
    add("--sin-rotulos", action="store_true", help="sin rótulos en la hoja")
    add("--continuar", type=Path, metavar="PLAN", help="sigue una cuadrícula a medias: su archivo .jsonl")
    add("--exportar", type=Path, metavar="ARCHIVO", help="no genera: escribe la lista de imágenes como JSON Lines")
    add("--html", type=Path, metavar="ARCHIVO", help="guarda también una página con un mando por eje")
    add("--contar", action="store_true", help="no genera: dice cuántas imágenes serían")
    add_shared(parser)


def add_shared(parser: argparse.ArgumentParser) -> None:
    """What ``generar`` shares with this one."""
    add = parser.add_argument
    add("--modelo", default=argparse.SUPPRESS, metavar="ARCHIVO", help="archivo o nombre del modelo")
    add("--dinamicos", action="store_true", help="el prompt tiene partes al azar: {rojo|azul}, __poses__")
    add("--json", action="store_true", help="escribe el resultado como JSON")
    add_folder_option(parser, argparse.SUPPRESS)
    generar.FIELD_OPTIONS.add_to(parser)


def run(options: argparse.Namespace) -> int:
    """Make the cells and print the sheet's path."""
    if options.continuar is None and options.prompt is None:
        options.fail("the following arguments are required: PROMPT")
    if options.continuar is None and not any(getattr(options, letter) for letter in _AXES):
        options.fail('--x es necesario: escribe qué cambia, por ejemplo --x "Steps=10,20".')
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
                options.fail(f'--{letter} se escribe EJE=VALORES, por ejemplo --{letter} "Steps=10,20".')
            values |= {f"{letter}_axis": name.strip(), f"{letter}_values": text}
    return XyzPlot(**values)
