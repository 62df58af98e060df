#!/usr/bin/env python3
"""Train, export and measure the demo ControlNet (`sdcolab/demo/emoji-128-lineas.safetensors`).

python tools/train_demo.py prepare --assets .../assets --emojibase .../emojibase
python tools/train_demo_control.py train      # an hour of one CPU core; goes on from its state when started again
python tools/train_demo_control.py export
python tools/train_demo_control.py evaluate
python tools/train_demo_control.py sheet
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import torch
from demo import control_evaluation, control_file, evaluation
from demo.dataset import load_captions, load_pictures, load_records
from demo.train_control import ControlSettings, Views, train_control

from sdcolab.engine import tokenizer

ROOT = Path(__file__).resolve().parent.parent


def command_train(args: argparse.Namespace) -> None:
    """Bend, encode, train."""
    model = evaluation.load_model(args.model, torch.device("cpu"))
    records = load_records(args.data)
    settings = ControlSettings(args.minutes, args.stop_after, args.batch, args.rate, args.seed)
    pictures = load_pictures(args.data, records, 256, args.threads)
    views = Views(model, pictures, load_captions(args.data), [record.weight for record in records], settings)
    train_control(model, views, settings, args.run)


def command_export(args: argparse.Namespace) -> None:
    """Write the single file: original names (`control_model.*`), fp16."""
    state = torch.load(args.run / "control_final.pt", map_location="cpu", weights_only=True)
    control_file.write_control(state, args.control)
    print(f"{args.control}: {args.control.stat().st_size:,} bytes")


def command_evaluate(args: argparse.Namespace) -> None:
    """Print how much of the given outline the pictures follow, with and without the ControlNet."""
    model = evaluation.load_model(args.model, torch.device("cpu"))
    control = control_file.load_control(model, args.control)
    records = load_records(args.data)
    pictures = load_pictures(args.data, records, 256, args.threads)
    print(control_evaluation.measure(model, control, records, pictures, tokenizer.load(), args.count, args.seed))


def command_sheet(args: argparse.Namespace) -> None:
    """Draw hand-made outlines under the words that a new user types."""
    model = evaluation.load_model(args.model, torch.device("cpu"))
    control = control_file.load_control(model, args.control)
    control_evaluation.draw_sheet(model, control, tokenizer.load(), args.seed, args.sheet)


COMMANDS: dict[str, Callable[[argparse.Namespace], None]] = {
    "train": command_train,
    "export": command_export,
    "evaluate": command_evaluate,
    "sheet": command_sheet,
}


def main() -> None:
    """Run one command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=list(COMMANDS))
    parser.add_argument(
        "--data", type=Path, default=ROOT / ".demo", help="packed data (train_demo.py prepare writes it)"
    )
    parser.add_argument("--run", type=Path, default=ROOT / ".demo/run", help="training state")
    parser.add_argument("--model", type=Path, default=ROOT / "sdcolab/demo/emoji-128.safetensors")
    parser.add_argument("--control", type=Path, default=ROOT / "sdcolab/demo/emoji-128-lineas.safetensors")
    parser.add_argument("--sheet", type=Path, default=ROOT / "sdcolab/demo/lineas.webp")
    parser.add_argument("--minutes", type=float, default=60.0, help="whole budget")
    parser.add_argument("--stop-after", type=float, default=1e9, help="minutes after which this run saves and ends")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rate", type=float, default=8e-4)
    parser.add_argument("--count", type=int, default=100, help="pictures that evaluate draws")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    args.run.mkdir(parents=True, exist_ok=True)
    COMMANDS[args.command](args)


if __name__ == "__main__":
    main()
