#!/usr/bin/env python3
"""Train, export and measure the demo model (`sdcolab/demo/emoji-128.safetensors`).

    npm pack @lobehub/fluent-emoji-3d@1.1.0 emojibase-data@17.0.0     # unpack both somewhere
    python tools/train_demo.py prepare --assets .../assets --emojibase .../emojibase
    python tools/train_demo.py all --compile   # 26 minutes of one H100; a CPU works too, for days
    python tools/train_demo.py evaluate

Every phase is seeded, keeps its state in --run, and goes on from there when started again.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from pathlib import Path

import torch
from demo import evaluation, singlefile
from demo.dataset import UNKNOWN, load_captions, load_pictures, load_records, prepare
from demo.networks import SCALING, freeze, make_vae
from demo.pictures import background_colours, place_plain
from demo.train_unet import Bank, UnetSettings, make_bank, prepare_latents, train_unet
from demo.train_vae import VaeSettings, encode_moments, train_vae, tune_decoder
from torch import Tensor

from sdcolab.engine import tokenizer

ROOT = Path(__file__).resolve().parent.parent
MODEL = ROOT / "sdcolab/demo/emoji-128.safetensors"
SHOWN = (
    "gato", "un gato", "cara de gato", "a cat", "perro", "un perro", "pizza", "corazón rojo",
    "corazon rojo", "casa", "una casa", "sol", "flor", "una flor", "coche rojo", "un coche rojo",
    "árbol", "manzana", "un dragón", "unicornio", "robot", "fantasma", "calavera", "cohete",
    "guitarra", "luna", "estrella", "pájaro", "pez", "mariposa", "caballo", "león",
    "hamburguesa", "helado", "café", "tarta de cumpleaños", "cara feliz", "cara triste", "pulgar arriba", "bebé",
    "gato, fondo azul", "pizza, fondo rosa", "un perro, fondo verde", "obra maestra, un gato, 8k",
    "the sun", "a red car", "bombero", "astronauta",
)  # fmt: skip
METADATA = {
    "format": "pt",
    "modelspec.sai_model_spec": "1.0.0",
    "modelspec.architecture": "stable-diffusion-v1",
    "modelspec.implementation": "https://github.com/Stability-AI/generative-models",
    "modelspec.title": "sdcolab emoji 128",
    "modelspec.author": "sdcolab",
    "modelspec.license": "MIT",
    "modelspec.resolution": "128x128",
    "modelspec.prediction_type": "epsilon",
    "modelspec.description": (
        "Stable Diffusion 1.x en miniatura, entrenado desde cero con los Fluent Emoji de Microsoft (MIT). "
        "Dibuja emojis de 128x128 a partir de palabras en español o en inglés; sirve para probar sdcolab sin GPU."
    ),
}


def _device(name: str) -> torch.device:
    """`auto` is CUDA where there is one."""
    return torch.device(("cuda" if torch.cuda.is_available() else "cpu") if name == "auto" else name)


def _pictures(args: argparse.Namespace, device: torch.device) -> Tensor:
    """All pictures on the device, uint8 [N, 4, 256, 256]."""
    records = load_records(args.data)[: args.limit]
    return torch.from_numpy(load_pictures(args.data, records, 256, args.threads)).to(device)


def command_prepare(args: argparse.Namespace) -> None:
    """Pack pictures and captions."""
    prepare(args.assets, args.emojibase, tokenizer.load(), args.data, args.seed)


def command_vae(args: argparse.Namespace) -> None:
    """Train the autoencoder and write a sheet of reconstructions."""
    device = _device(args.device)
    pictures = _pictures(args, device)
    settings = VaeSettings(
        args.minutes_vae, args.stop_after, args.batch_vae, args.rate_vae, args.seed, compile=args.compile
    )
    train_vae(pictures, settings, args.run)
    vae = make_vae()
    vae.load_state_dict(torch.load(args.run / "vae.pt", map_location="cpu", weights_only=True)["vae"])
    freeze(vae).to(device)
    chosen = pictures[:: max(1, len(pictures) // 24)][:24]
    originals = place_plain(chosen, background_colours(device)[:1].expand(len(chosen), 3))
    with torch.no_grad():
        remade = vae.decoder(vae.post_quant_conv(encode_moments(vae, originals)[0]))
    both = torch.stack([originals, remade], 1).flatten(0, 1).cpu()
    evaluation.contact_sheet((both / 2 + 0.5).clamp(0, 1), ["original", "vae"] * len(chosen), 12, args.run / "vae.png")


def _bank(args: argparse.Namespace, device: torch.device) -> Bank:
    """Latents (made once) and captions on the device."""
    records = load_records(args.data)[: args.limit]
    captions = load_captions(args.data)
    if args.random_latents:
        white = torch.randn(len(records), 3, 4, 16, 16)
        colour = torch.randn(len(records), captions.colour.shape[1], 4, 16, 16)
    elif (args.run / "latents.pt").exists():
        stored = torch.load(args.run / "latents.pt", map_location="cpu", weights_only=True)
        white, colour = stored["white"].float(), stored["colour"].float()
    else:
        white, colour = prepare_latents(_pictures(args, device), args.run, args.seed)
    return make_bank(white, colour, captions, [record.weight for record in records], device)


def command_unet(args: argparse.Namespace) -> None:
    """Encode the pictures, then train noise predictor and text encoder."""
    settings = UnetSettings(
        args.minutes_unet, args.stop_after, args.batch_unet, args.rate_unet, args.seed, compile=args.compile
    )
    train_unet(_bank(args, _device(args.device)), settings, args.run)


def command_decoder(args: argparse.Namespace) -> None:
    """Train the autoencoder's decoder further; the latents stay as they are."""
    settings = VaeSettings(
        args.minutes_decoder, args.stop_after, args.batch_vae, args.rate_decoder, args.seed, compile=args.compile,
        adversarial_from=0.6,
    )  # fmt: skip
    tune_decoder(_pictures(args, _device(args.device)), settings, args.run)


def command_export(args: argparse.Namespace) -> None:
    """Write the single file: original names, fp16, every unseen token like the unknown word."""
    vae = torch.load(args.run / "decoder.pt", map_location="cpu", weights_only=True)["vae"]
    averaged = torch.load(args.run / "unet_final.pt", map_location="cpu", weights_only=True)
    table = averaged["text"]["text_model.embeddings.token_embedding.weight"]
    unseen = torch.ones(len(table), dtype=torch.bool)
    unseen[torch.from_numpy(load_captions(args.data).seen.astype("int64"))] = False
    table[unseen] = table[UNKNOWN].clone()
    args.model.parent.mkdir(parents=True, exist_ok=True)
    singlefile.write(singlefile.to_single_file(averaged["unet"], vae, averaged["text"]), args.model, METADATA)
    print(f"{args.model}: {args.model.stat().st_size:,} bytes, scaling factor {SCALING}")


def command_evaluate(args: argparse.Namespace) -> None:
    """Print the share of captions whose emoji is recognised, and write the contact sheets."""
    device = _device(args.device)
    records = load_records(args.data)[: args.limit]
    references = torch.cat(
        [
            place_plain(part, torch.ones(len(part), 3)) / 2 + 0.5
            for part in torch.from_numpy(load_pictures(args.data, records, 256, args.threads)).split(128)
        ]
    )
    model = evaluation.load_model(args.model, device)
    for kind in args.kinds.split(","):
        pairs = evaluation.choose_captions(records, min(args.captions, len(records)), args.seed, kind)
        images = evaluation.generate(
            model, tokenizer.load(), [caption for _, caption in pairs], args.steps, args.guidance, args.seed, args.batch
        )
        result = evaluation.score(images, pairs, records, references)
        print(
            f"captions '{kind}': {result.captions}, {args.steps} steps, CFG {args.guidance}: "
            f"top 1 {result.top1:.1%}, top 5 {result.top5:.1%}",
            flush=True,
        )
        print("  missed:", "; ".join(result.misses))
        if args.sheets:
            names = [caption for _, caption in pairs]
            evaluation.contact_sheet(images[:96], names[:96], 12, args.run / f"evaluation_{kind}.png")


def command_sheet(args: argparse.Namespace) -> None:
    """Draw the prompts that a new user types."""
    model = evaluation.load_model(args.model, _device(args.device))
    prompts = list(args.prompts or SHOWN)
    images = evaluation.generate(model, tokenizer.load(), prompts, args.steps, args.guidance, args.seed, args.batch)
    evaluation.contact_sheet(images, prompts, args.columns, args.sheet)


def command_all(args: argparse.Namespace) -> None:
    """vae, unet, decoder, export, evaluate, sheet."""
    for command in (command_vae, command_unet, command_decoder, command_export, command_evaluate, command_sheet):
        command(args)


COMMANDS: dict[str, Callable[[argparse.Namespace], None]] = {
    "prepare": command_prepare,
    "vae": command_vae,
    "unet": command_unet,
    "decoder": command_decoder,
    "export": command_export,
    "evaluate": command_evaluate,
    "sheet": command_sheet,
    "all": command_all,
}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=list(COMMANDS))
    paths = parser.add_argument_group("files")
    paths.add_argument("--assets", type=Path, help="folder of @lobehub/fluent-emoji-3d with the webp files")
    paths.add_argument("--emojibase", type=Path, help="folder of emojibase-data with en/, es/, es-mx/")
    paths.add_argument("--data", type=Path, default=ROOT / ".demo", help="packed data (prepare writes it)")
    paths.add_argument("--run", type=Path, default=ROOT / ".demo/run", help="training state and sheets")
    paths.add_argument("--model", type=Path, default=MODEL)
    paths.add_argument("--sheet", type=Path, default=ROOT / "sdcolab/demo/muestras.webp")
    training = parser.add_argument_group("training")
    training.add_argument("--minutes-vae", type=float, default=4.5, help="whole budget of the autoencoder")
    training.add_argument("--minutes-unet", type=float, default=15.0, help="whole budget of UNet and text encoder")
    training.add_argument("--minutes-decoder", type=float, default=6.6, help="whole budget of the last phase")
    training.add_argument("--stop-after", type=float, default=1e9, help="minutes after which this run saves and ends")
    training.add_argument("--batch-vae", type=int, default=128)
    training.add_argument("--batch-unet", type=int, default=512)
    training.add_argument("--rate-vae", type=float, default=6e-4)
    training.add_argument("--rate-unet", type=float, default=8e-4)
    training.add_argument("--rate-decoder", type=float, default=5e-4)
    training.add_argument("--compile", action="store_true", help="torch.compile the networks")
    training.add_argument("--random-latents", action="store_true", help="noise instead of pictures, to try things out")
    training.add_argument("--limit", type=int, help="only the first pictures, to try things out")
    drawing = parser.add_argument_group("drawing")
    drawing.add_argument("--captions", type=int, default=200)
    drawing.add_argument("--kinds", default="label,any", help="caption kinds to measure: label, any")
    drawing.add_argument("--steps", type=int, default=20)
    drawing.add_argument("--guidance", type=float, default=4.0)
    drawing.add_argument("--batch", type=int, default=20, help="pictures drawn at once")
    drawing.add_argument("--columns", type=int, default=8)
    drawing.add_argument("--sheets", action="store_true", help="evaluate writes contact sheets into --run")
    drawing.add_argument("--prompts", nargs="*", help="sheet: these instead of the usual ones")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    parser.add_argument("--threads", type=int, default=min(2, os.cpu_count() or 1))
    return parser


def main() -> None:
    """Run one command."""
    args = _parser().parse_args()
    torch.set_num_threads(args.threads)
    torch.set_float32_matmul_precision("high")
    args.run.mkdir(parents=True, exist_ok=True)
    COMMANDS[args.command](args)


if __name__ == "__main__":
    main()
