"""The HTTP API that A1111's clients expect (hechos/a1111.md 11). It shares the page's port, password and queue.

What A1111 has and this program does not (face restoration, extensions) is an empty list, or a
route that does not exist.
"""

from __future__ import annotations

import asyncio
import datetime
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from PIL import Image
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.routing import Route

from sdcolab.api import answers, control_routes, docs, fields, scripts
from sdcolab.api.edge import get, missing, post
from sdcolab.api.extras import check_fits, description, enlargement_from_payload, html_of, texts_of
from sdcolab.api.fields import BadField, Reader
from sdcolab.api.named import NamedTasks
from sdcolab.api.names import Names, found
from sdcolab.api.options import Options
from sdcolab.api.tolerance import Warn, tolerant
from sdcolab.api.translate import Context, Kind, echo, request_from_payload
from sdcolab.core.detect import ModelKind
from sdcolab.core.errors import Cancelled, RequestError, SdcolabError, StyleMissing
from sdcolab.core.events import ImageReady
from sdcolab.core.infotext import with_files
from sdcolab.core.memory_plan import memory_bytes
from sdcolab.core.names import LATENT_UPSCALERS
from sdcolab.core.registry import closest
from sdcolab.core.request import GenerationRequest
from sdcolab.core.samplers import SAMPLERS, SCHEDULES, SamplerFacts
from sdcolab.core.scripts import Grid
from sdcolab.core.tasks import Enlarge, Generate, Origin, Preload, Task, Unload
from sdcolab.core.upscaling import Enlargement
from sdcolab.core.words.client import explain
from sdcolab.studio.job import Job, Outcome
from sdcolab.studio.studio import Studio

ROOT = "/sdapi/v1"


def build_api(studio: Studio, clock: Callable[[], datetime.datetime] = datetime.datetime.now) -> Starlette:
    """The application, to mount beside the page; every path begins with "/sdapi/", "/internal/" or "/controlnet/",
    but for the API's own description."""
    own = _Api(studio, clock).routes()
    return Starlette(routes=[*own, *docs.routes(own)], exception_handlers={404: missing, 405: missing})


class _Api:
    """What the routes do."""

    def __init__(self, studio: Studio, clock: Callable[[], datetime.datetime]) -> None:
        self._studio = studio
        self._clock = clock
        self._names = Names(studio)
        self._options = Options(studio, self._names)
        self._named = NamedTasks()

    def routes(self) -> list[Route]:
        names, library = self._names, self._studio.library
        return [
            post(f"{ROOT}/txt2img", self._txt2img),
            post(f"{ROOT}/img2img", self._img2img),
            post(f"{ROOT}/extra-single-image", self._extra_single),
            post(f"{ROOT}/extra-batch-images", self._extra_batch),
            post(f"{ROOT}/png-info", self._png_info),
            post(f"{ROOT}/interrogate", lambda payload: _interrogated(payload, self._done)),
            get(f"{ROOT}/progress", self._progress),
            post(f"{ROOT}/interrupt", self._interrupt),
            post(f"{ROOT}/skip", self._skip),
            get(f"{ROOT}/options", lambda _: self._options.read()),
            post(f"{ROOT}/options", self._set_options),
            get(f"{ROOT}/samplers", lambda _: _samplers()),
            get(f"{ROOT}/schedulers", lambda _: _schedulers()),
            get(f"{ROOT}/upscalers", lambda _: names.upscalers()),
            get(f"{ROOT}/latent-upscale-modes", lambda _: [{"name": name} for name in LATENT_UPSCALERS]),
            get(f"{ROOT}/sd-models", lambda _: names.checkpoints()),
            get(f"{ROOT}/sd-vae", lambda _: names.vaes()),
            get(f"{ROOT}/loras", lambda _: names.loras()),
            get(f"{ROOT}/embeddings", lambda _: names.embeddings()),
            get(f"{ROOT}/hypernetworks", lambda _: names.hypernetworks()),
            get(f"{ROOT}/prompt-styles", lambda _: self._options.styles()),
            *(get(f"{ROOT}/{name}", lambda _: []) for name in ("realesrgan-models", "extensions")),
            get(f"{ROOT}/face-restorers", lambda _: names.face_restorers()),
            get(f"{ROOT}/scripts", lambda _: scripts.titles()),
            get(f"{ROOT}/script-info", lambda _: scripts.script_info(self._studio.lists)),
            get(f"{ROOT}/cmd-flags", lambda _: _flags(library.folders.root, library.folders.models)),
            get(f"{ROOT}/memory", lambda _: self._memory()),
            *(
                post(f"{ROOT}/refresh-{name}", _nothing)  # the library looks at its folders each time
                for name in ("checkpoints", "vae", "loras", "embeddings")
            ),
            post(f"{ROOT}/unload-checkpoint", self._unload),
            post(f"{ROOT}/reload-checkpoint", self._reload),
            get("/controlnet/version", lambda _: {"version": control_routes.VERSION}),
            get("/controlnet/model_list", lambda _: {"model_list": [*names.controlnets().values()]}),
            get("/controlnet/module_list", lambda _: control_routes.module_list()),
            get("/controlnet/control_types", lambda _: control_routes.control_types(names.controlnets())),
            get("/controlnet/settings", lambda _: control_routes.settings(library.folders.config)),
            post("/controlnet/detect", self._detect),
            get("/internal/ping", lambda _: {}),
            get("/internal/pending-tasks", lambda _: self._pending()),
            post("/internal/progress", self._progress_of),
        ]

    # --- Generating ---------------------------------------------------------------------------------------------------

    async def _txt2img(self, payload: Mapping[str, Any]) -> Any:
        return await self._generate(payload, "txt2img")

    async def _img2img(self, payload: Mapping[str, Any]) -> Any:
        return await self._generate(payload, "img2img")

    async def _generate(self, payload: Mapping[str, Any], kind: Kind) -> dict[str, Any]:
        save = _flag(payload, "save_images", otherwise=False)
        send = _flag(payload, "send_images", otherwise=True)
        warnings: list[SdcolabError] = []
        payload = tolerant(payload, kind, warnings.append)
        request = await run_in_threadpool(self._request, payload, kind, warnings.append)
        asked = scripts.scripts_of(payload, img2img=kind == "img2img", lists=self._studio.lists)
        task: Task = Generate(request, save)
        if asked.any:
            task = Grid(request, asked.script, asked.dynamic, save=save)
        job, outcome = await self._done(task, keep=save, name=payload.get("force_task_id"))
        if asked.any:  # sheets come first
            outcome = replace(outcome, made=tuple(sorted(outcome.made, key=lambda image: image.index)))
        return await run_in_threadpool(_generated, payload, kind, request, job, outcome, send, warnings)

    def _request(self, payload: Mapping[str, Any], kind: Kind, warn: Warn) -> GenerationRequest:
        settings = self._studio.settings.load()
        checkpoint = self._options.checkpoint_of(settings.defaults)
        files = partial(with_files, library=self._studio.library)
        context = Context(replace(settings.defaults, checkpoint=checkpoint), settings.styles, warn, files)
        request = request_from_payload(payload, kind, context)
        known = [style.name for style in settings.styles]
        for name in payload.get("styles") or []:
            if name and name not in known:
                warn(StyleMissing(name=name, suggestions=closest(name, known)))
        return self._names.settled(request, warn)

    async def _interrupt(self, _payload: Mapping[str, Any]) -> dict[str, Any]:
        if job := self._studio.jobs.current():
            job.cancel()
        return {}

    async def _skip(self, _payload: Mapping[str, Any]) -> None:
        if job := self._studio.jobs.current():
            job.cancel_token.skip()

    def _progress(self, query: Mapping[str, Any]) -> dict[str, Any]:
        skip_image = _flag(query, "skip_current_image", otherwise=False)
        return answers.progress(self._studio.jobs.current(), self._clock(), with_image=not skip_image)

    async def _progress_of(self, payload: Mapping[str, Any]) -> dict[str, Any]:
        """A1111's way to ask after one task by the name that its client gave it."""
        with_image = _flag(payload, "live_preview", otherwise=True)
        return self._named.progress(payload.get("id_task"), self._clock(), with_image=with_image)

    def _pending(self) -> dict[str, Any]:
        waiting = self._named.pending()
        return {"size": len(waiting), "tasks": waiting}

    # --- Pictures -----------------------------------------------------------------------------------------------------

    async def _png_info(self, payload: Mapping[str, Any]) -> dict[str, Any]:
        return await run_in_threadpool(lambda: answers.png_info(_taken(payload, "image", fields.open_picture)))

    async def _extra_single(self, payload: Mapping[str, Any]) -> dict[str, Any]:
        enlargement = await run_in_threadpool(self._enlargement, payload)
        picture = await run_in_threadpool(_taken, payload, "image", fields.picture)
        images = await self._enlarged(enlargement, [picture])
        if not images:
            raise Cancelled()
        return {"html_info": html_of(enlargement), "image": images[0]}

    async def _extra_batch(self, payload: Mapping[str, Any]) -> dict[str, Any]:
        enlargement = await run_in_threadpool(self._enlargement, payload)
        pictures = await run_in_threadpool(_batch_pictures, payload)
        return {"html_info": html_of(enlargement), "images": await self._enlarged(enlargement, pictures)}

    async def _detect(self, payload: Mapping[str, Any]) -> dict[str, Any]:
        task = await run_in_threadpool(control_routes.detection, payload)
        _, outcome = await self._done(task)
        made = [one for one in outcome.made if isinstance(one, ImageReady)]
        images = await run_in_threadpool(lambda: [answers.png_base64(one.image) for one in made])
        return {"images": images, "info": "Success"}

    def _enlargement(self, payload: Mapping[str, Any]) -> Enlargement:
        enlargement = enlargement_from_payload(payload)
        return replace(
            enlargement,
            upscaler=found("upscaler_1", self._names.upscaler, enlargement.upscaler),
            second=found("upscaler_2", self._names.upscaler, enlargement.second),
        )

    async def _enlarged(self, enlargement: Enlargement, pictures: Sequence[Image.Image]) -> list[str]:
        """The enlarged ``pictures``; only those that were made when somebody interrupted. Raises ``BadField``."""
        for picture in pictures:
            check_fits(enlargement, picture)
        _, outcome = await self._done(Enlarge(tuple(pictures), enlargement, save=False))
        texts = [texts_of(enlargement, picture) for picture in pictures]
        images = [one.image for one in outcome.made if isinstance(one, ImageReady)]
        return await run_in_threadpool(lambda: list(map(answers.png_base64, images, texts)))

    async def _done(self, task: Task, *, keep: bool = False, name: object = None) -> tuple[Job, Outcome]:
        """How ``task`` ended, for the client alone, which may ask after it by ``name``. Raises what ended it, if it was
        not somebody who interrupted.

        When the client hangs up, nobody will see what is not saved (not ``keep``): it stops, unlike in A1111, and the
        card is free for others. What is saved leaves the queue too while it waits, and goes on once it has begun.
        """
        job, future = self._studio.jobs.order(task, Origin.API, keep=keep)
        self._named.add(name, job)
        try:
            outcome = await asyncio.shield(asyncio.wrap_future(future))  # the queue's own, which must not be cancelled
        except asyncio.CancelledError:
            if job.started is None or not keep:
                self._studio.jobs.cancel(job)
            raise
        if outcome.error is not None and not isinstance(outcome.error, Cancelled):
            raise outcome.error
        return job, outcome

    # --- Settings and models ------------------------------------------------------------------------------------------

    async def _set_options(self, payload: Mapping[str, Any]) -> None:
        await run_in_threadpool(self._options.save, payload)
        if payload.get("sd_model_checkpoint"):
            await self._preload()

    async def _reload(self, _payload: Mapping[str, Any]) -> dict[str, Any]:
        await self._preload()
        return {}

    async def _preload(self) -> None:
        checkpoint = await run_in_threadpool(lambda: self._options.checkpoint)
        await self._done(Preload(checkpoint))

    async def _unload(self, _payload: Mapping[str, Any]) -> dict[str, Any]:
        await self._done(Unload())
        return {}

    def _memory(self) -> dict[str, Any]:
        return {"ram": _ram(), "cuda": self._studio.cuda_memory() or {"error": "unavailable"}}


def _ram() -> dict[str, Any]:
    if known := memory_bytes():
        total, free = known
        return {"free": free, "used": total - free, "total": total}
    return {"error": "unavailable"}


def _generated(
    payload: Mapping[str, Any],
    kind: Kind,
    request: GenerationRequest,
    job: Job,
    outcome: Outcome,
    send: bool,
    warnings: Sequence[SdcolabError],
) -> dict[str, Any]:
    styles = [name for name in payload.get("styles") or [] if isinstance(name, str)]
    info = answers.generated(outcome, request, styles=styles, started=job.started)
    info["sdcolab_seconds"] = {phase.value: round(spent, 3) for phase, spent in job.seconds.items()}
    if isinstance(job.snapshot.task, Grid):
        info |= answers.scripted(outcome, job.snapshot.task.script)
    told = [str(explain(warning)) for warning in (*warnings, *job.snapshot.warnings)]
    if told:
        info["warnings"] = told
    return {
        "images": [*map(answers.image_base64, outcome.made), *_maps(job)] if send else [],
        "parameters": echo(payload, kind),
        "info": json.dumps(info),
    }


def _maps(job: Job) -> list[str]:
    """The maps of ControlNet's units, which A1111 puts after the pictures."""
    return [answers.png_base64(one.image) for one in job.snapshot.maps]


def _taken(payload: Mapping[str, Any], name: str, read: Reader) -> Any:
    """The value of a field that must be there. Raises ``BadField``."""
    try:
        return read(name, payload.get(name))
    except RequestError as error:
        raise BadField(name, error) from error


def _flag(payload: Mapping[str, Any], name: str, *, otherwise: bool) -> bool:
    return otherwise if payload.get(name) is None else bool(_taken(payload, name, fields.flag))


def _batch_pictures(payload: Mapping[str, Any]) -> list[Image.Image]:
    entries = payload.get("imageList")
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise BadField("imageList", fields.wrong("imageList", entries, "list"))
    try:
        return [fields.picture("imageList", entry.get("data")) for entry in entries]
    except RequestError as error:
        raise BadField("imageList", error) from error


async def _nothing(_payload: Mapping[str, Any]) -> None:
    return None


async def _interrogated(
    payload: Mapping[str, Any], done: Callable[[Task], Awaitable[tuple[Job, Outcome]]]
) -> dict[str, Any]:
    """Answer of ``interrogate``; ``done`` does a task."""
    task = await run_in_threadpool(description, payload)
    job, _ = await done(task)
    return {"caption": " ".join(job.snapshot.notes)}


def _samplers() -> list[dict[str, Any]]:
    return [
        {"name": sampler.name, "aliases": list(sampler.aliases), "options": _options(sampler)}
        for sampler in SAMPLERS.values()
    ]


def _options(sampler: SamplerFacts) -> dict[str, str]:
    """What A1111 says of a sampler (hechos/a1111.md 3.1); nothing of those that work on timesteps."""
    flags = {
        "discard_next_to_last_sigma": sampler.discard_penultimate,
        "uses_ensd": sampler.uses_ensd,
        "second_order": sampler.second_order,
        "brownian_noise": sampler.brownian,
    }
    words = {"scheduler": (sampler.default_schedule or "").lower(), "solver_type": sampler.solver}
    return {key: word for key, word in words.items() if word} | {key: "True" for key, flag in flags.items() if flag}


def _schedulers() -> list[dict[str, Any]]:
    return [
        {
            "name": schedule.aliases[0],
            "label": schedule.name,
            "aliases": list(schedule.aliases[1:]) or None,
            "default_rho": schedule.default_rho,
            "need_inner_model": schedule.on_model,
        }
        for schedule in SCHEDULES.values()
    ]


def _flags(root: Any, models: Callable[[ModelKind], Any]) -> dict[str, Any]:
    """The command line in A1111's words: where things are. Passwords are never told."""
    return {
        "api": True,
        "data_dir": str(root),
        "ckpt_dir": str(models(ModelKind.CHECKPOINT)),
        "vae_dir": str(models(ModelKind.VAE)),
        "lora_dir": str(models(ModelKind.LORA)),
        "embeddings_dir": str(models(ModelKind.EMBEDDING)),
        "esrgan_models_path": str(models(ModelKind.UPSCALER)),
        "hypernetwork_dir": str(models(ModelKind.HYPERNETWORK)),
    }
