"""The server's door: who comes in, what can be asked for and which files can be read."""

from __future__ import annotations

import contextlib
import io
import os
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import httpx
import pytest
from gradio.routes import App
from gradio_client import Client
from PIL import Image
from web_fakes import Bench, make_bench

from sdcolab.core.errors import PortBusy
from sdcolab.core.request import GenerationRequest
from sdcolab.web import login, uploads
from sdcolab.web.access import SESSION_SECONDS, Access
from sdcolab.web.app import Server, build_page, serve
from sdcolab.web.server import start_server

USER, PASSWORD = "ana", "contraseña larga"
SECRET = "esto no lo debe leer nadie"
API = "/gradio_api"


class House:
    """A served studio, a secret file outside its outputs, and an image inside."""

    def __init__(self, root: Path) -> None:
        self.bench: Bench = make_bench(root / "sdcolab")
        self.secret = root / "secreto.txt"
        self.secret.write_text(SECRET)
        outputs = self.bench.folders.outputs
        outputs.mkdir(parents=True)
        (outputs / "atajo.txt").symlink_to(self.secret)
        (outputs / "carpeta").symlink_to(root)
        (outputs / ".oculto.tmp").write_text(SECRET)
        self.image = self.bench.generator.store.save(
            self.bench.generator._paint(GenerationRequest(seed=7), 0, 1.0), "gato", 7
        )
        self.server: Server = serve(self.bench.studio, port=0, auth=(USER, PASSWORD))

    def client(self) -> httpx.Client:
        return httpx.Client(base_url=self.server.url, trust_env=False, timeout=30)

    @contextlib.contextmanager
    def inside(self) -> Iterator[httpx.Client]:
        with self.client() as client:
            assert client.post("/login", data={"username": USER, "password": PASSWORD}).json() == {"success": True}
            yield client


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    patch = pytest.MonkeyPatch()
    patch.setattr(login, "WRONG_LOGIN_DELAY", 0.0)
    house = House(tmp_path_factory.mktemp("casa"))
    yield house
    house.server.close()
    house.bench.studio.jobs.close()
    patch.undo()


# --- Coming in ----------------------------------------------------------------------------------------------------


def routes(page: gr.Blocks) -> list[tuple[str, str]]:
    """Every route of gradio's own application, with its parameters filled in."""
    found = []
    waiting = list(App.create_app(page).routes)
    while waiting:
        route: Any = waiting.pop()
        inner = getattr(route, "original_router", None)
        waiting.extend(inner.routes if inner else ())
        path = re.sub(r"\{[^}]*\}", "x", getattr(route, "path", ""))
        found.extend((method, path) for method in getattr(route, "methods", None) or ())
    return found


def test_without_login_every_route_of_gradio_refuses(house: House) -> None:
    known = routes(build_page(house.bench.studio))
    assert len(known) > 60
    with house.client() as client:
        for method, path in known:
            if path in ("/login", "/logout", "/favicon.ico"):
                continue
            answer = client.request(method, path)
            assert answer.status_code == 401 or (path == "/" and answer.status_code == 303), (method, path)
            assert "sd-generate" not in answer.text


@pytest.mark.parametrize(
    "path",
    [f"{API}/file={{image}}", f"{API}/info", "/config", f"{API}/heartbeat/x", f"{API}/queue/data?session_hash=x"],
)
def test_without_login_the_page_s_own_routes_refuse(house: House, path: str) -> None:
    with house.client() as client:
        assert client.get(path.format(image=house.image)).status_code == 401


def test_login_page_is_spanish_and_wrong_passwords_are_refused(house: House) -> None:
    with house.client() as client:
        assert client.get("/").headers["location"] == "/login"
        page = client.get("/login")
        assert 'lang="es"' in page.text
        assert "Contraseña" in page.text
        wrong = client.post("/login", data={"username": USER, "password": "otra"})
        assert wrong.status_code == 401
        assert "no son correctos" in wrong.text
        assert not client.cookies


def test_browsers_are_sent_to_the_page_after_login(house: House) -> None:
    with house.client() as client:
        form = {"username": USER, "password": PASSWORD}
        answer = client.post("/login", data=form, headers={"accept": "text/html", "x-forwarded-proto": "https"})
        assert (answer.status_code, answer.headers["location"]) == (303, "/")
        cookie = answer.headers["set-cookie"].lower()
        assert all(word in cookie for word in ("httponly", "samesite=lax", "secure"))


def test_inside_the_page_is_spanish(house: House) -> None:
    with house.inside() as client:
        page = client.get("/").text
        assert '<html\n\tlang="es"' in page
        assert "Prompt negativo" in page
        assert client.get("/favicon.ico").headers["content-type"] == "image/png"
        icons = client.get("/manifest.json").json()["icons"]
        assert icons and all(client.get(icon["src"]).headers["content-type"] == "image/png" for icon in icons)


def test_logging_out_ends_the_session(house: House) -> None:
    with house.inside() as client:
        cookies = dict(client.cookies)
        assert client.get("/logout").status_code == 405
        assert client.get(f"{API}/info").is_success
        assert client.post("/logout").headers["location"] == "/login"
        assert all(cookie.startswith("sdcolab_equipo") for cookie in client.cookies), "of the session nothing stays"
        client.cookies.update(cookies)  # a copy is worth nothing either
        assert client.get(f"{API}/info").status_code == 401


def test_gradio_client_can_log_in_and_generate(house: House) -> None:
    client = Client(house.server.url, auth=(USER, PASSWORD), verbose=False, analytics_enabled=False)
    shown = {part["id"]: part["props"] for part in client.config["components"]}
    (event,) = (event for event in client.config["dependencies"] if event["api_name"] == "generar")
    values = {shown[number].get("elem_id"): shown[number].get("value") for number in event["inputs"]}
    values |= {"sd-prompt": "desde la api", "sd-seed": "5"}
    assert client.predict(*values.values(), api_name="/generar") == ""
    job = house.bench.studio.jobs.jobs()[-1]
    while not job.snapshot.ended:
        job.wait(job.snapshot.version, 5)
    assert job.snapshot.images[0].infotext.startswith("desde la api")
    client.close()


# --- What can be asked for ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        f"{API}/component_server",
        f"{API}/proxy=https://example.com",
        f"{API}/vibe-edit",
        f"{API}/vibe-code",
        f"{API}/process_recording",
        f"{API}/deep_link",
        "/gradio_api/deep_link",
        f"{API}/openapi.json",
        f"{API}/runs",
        f"{API}/stream/x",
        f"{API}/custom_component/a/b/c/d",
        f"{API}/dev/reload",
        "/monitoring",
        "/monitoring/summary",
        "/pwa_icon/50000",
        "//login",
        f"/.{API}/component_server",
        f"{API}/../gradio_api/component_server",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_inside_gradio_s_other_routes_stay_closed(house: House, method: str, path: str) -> None:
    with house.inside() as client:
        request = client.build_request(method, "/")
        request.url = request.url.copy_with(raw_path=path.encode())
        assert client.send(request).status_code == 403


def test_uploads_are_for_those_inside_and_only_pictures_come_back(house: House) -> None:
    files = {"files": ("a.html", b"<script>alert(1)</script>")}
    with house.client() as client:
        assert client.post(f"{API}/upload", files=files).status_code == 401
    with house.inside() as client:
        answer = client.post(f"{API}/upload", files=files)
        assert read(client, answer.json()[0]).status_code == 403


# --- Which files can be read --------------------------------------------------------------------------------------


def read(client: httpx.Client, name: str) -> httpx.Response:
    return client.get(f"{API}/file={name}")


def test_images_are_served_byte_for_byte(house: House) -> None:
    with house.inside() as client:
        answer = read(client, str(house.image))
        assert answer.status_code == 200
        assert answer.content == house.image.read_bytes()


def test_a_tiff_is_served_as_what_browsers_show(house: House) -> None:
    data = io.BytesIO()
    Image.new("RGB", (30, 20)).save(data, "TIFF")
    with house.inside() as client:
        name = client.post(f"{API}/upload", files={"files": ("a.TIF", data.getvalue())}).json()[0]
        answer = read(client, name)
        with Image.open(io.BytesIO(answer.content)) as shown:
            assert (answer.headers["content-type"], shown.format, shown.size) == ("image/png", "PNG", (30, 20))
        assert read(client, f"{name}.tif").status_code == 403


@pytest.mark.parametrize(
    "name",
    [
        "{secret}",
        "{outputs}/../../secreto.txt",
        "{outputs}/%2e%2e/%2e%2e/secreto.txt",
        "{outputs}/..%2f..%2fsecreto.txt",
        "{outputs}/atajo.txt",
        "{outputs}/carpeta/secreto.txt",
        "{outputs}/.oculto.tmp",
        "{outputs}",
        "{outputs}/no-existe.png",
        "{outputs}-otra/x",
        "{config}",
        "/etc/passwd",
        "//etc/passwd",
        "../../../../../../etc/passwd",
        "pyproject.toml",
        "file:///etc/passwd",
        "http://127.0.0.1:{port}/config",
        "https://example.com/a.png",
        "%00/etc/passwd",
    ],
)
def test_no_other_file_can_be_read(house: House, name: str) -> None:
    folders = house.bench.folders
    folders.config.mkdir(parents=True, exist_ok=True)
    config = folders.config / "configuracion.json"
    config.write_text(SECRET)
    names = {"secret": house.secret, "outputs": folders.outputs, "config": config, "port": house.server.port}
    with house.inside() as client:
        answer = read(client, name.format(**names))
        assert answer.status_code in (400, 403, 404)
        assert SECRET not in answer.text
        assert "root:" not in answer.text
    config.unlink()


def test_files_from_the_browser_reach_events_only_as_uploaded_paths(house: House) -> None:
    """gradio opens no file by itself: what it would open, and refuse in English, we open (``web.uploads``)."""
    takes_files = (
        gr.File,
        gr.Image,
        gr.Gallery,
        gr.UploadButton,
        gr.DownloadButton,
        gr.Audio,
        gr.Video,
        gr.ImageEditor,
    )
    taken = {
        part.elem_id: part
        for event in build_page(house.bench.studio).fns.values()
        for part in event.inputs
        if isinstance(part, takes_files)
    }
    units = {f"sd-control-{unit}-{part}" for unit in range(3) for part in ("images", "mask", "region")}
    assert set(taken) == {
        "sd-init-images",
        "sd-pnginfo-picture",
        "sd-extras-pictures",
        "sd-wildcard-zip",
        "sd-mapas-pictures",
        "sd-describir-pictures",
        *units,
    }
    for part in taken.values():
        assert part.preprocess.__module__ == uploads.__name__


def crafted(path: Path) -> dict[str, Any]:
    """What a browser sends to name a file that it says it has uploaded."""
    return {"path": str(path), "meta": {"_type": "gradio.FileData"}, "orig_name": path.name}


def test_a_page_that_takes_files_accepts_only_uploaded_ones(tmp_path: Path) -> None:
    """gradio checks this only in pages that count as launched, which mounted ones do not by themselves."""
    secret = tmp_path / "secreto.txt"
    secret.write_text(SECRET)

    def build() -> gr.Blocks:
        with gr.Blocks(analytics_enabled=False) as page:
            taken, shown, button = gr.File(), gr.Textbox(), gr.Button()
            button.click(lambda path: Path(path).read_text(), taken, shown, api_name="leer")
        return page

    server = start_server(
        build,
        host="127.0.0.1",
        port=0,
        auth=None,
        outputs=tmp_path / "outputs",
        temporary=tmp_path / "temporal",
    )
    answer = httpx.post(f"{server.url}{API}/run/leer", json={"data": [crafted(secret)]}, trust_env=False)
    server.close()
    assert answer.status_code == 403
    assert SECRET not in answer.text


# --- Without a password -------------------------------------------------------------------------------------------


def test_without_password_only_this_computer_s_own_pages_may_use_it(tmp_path: Path) -> None:
    bench = make_bench(tmp_path)
    server = serve(bench.studio, port=0)
    with httpx.Client(base_url=server.url, trust_env=False) as client:
        assert client.get("/").status_code == 200
        assert client.get("/", headers={"host": "malo.example"}).status_code == 403
        body = {"data": [], "fn_index": 0, "session_hash": "x"}
        cross = client.post(f"{API}/queue/join", json=body, headers={"origin": "https://malo.example"})
        assert cross.status_code == 403
        own = client.post(f"{API}/run/predict", json=body, headers={"origin": server.url})
        assert own.status_code != 403
    server.close()
    bench.studio.jobs.close()


# --- Starting and stopping ----------------------------------------------------------------------------------------


def test_a_taken_port_is_reported(tmp_path: Path) -> None:
    bench = make_bench(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(PortBusy) as caught:
            serve(bench.studio, port=port)
    assert caught.value.port == port
    bench.studio.jobs.close()


def test_answers_do_not_wait_for_one_another(house: House) -> None:
    """Of requests over one connection: where the system held small answers back, each would take 40 ms or more."""
    with house.client() as client:
        client.get("/login")
        took = [client.get("/nada").elapsed.total_seconds() for _ in range(20)]
    assert min(took) < 0.03


def test_closing_frees_the_port(tmp_path: Path) -> None:
    bench = make_bench(tmp_path)
    server = serve(bench.studio, port=0)
    assert not server.wait(0.01)
    server.close()
    server.close()
    assert server.wait(1)
    again = serve(bench.studio, port=server.port)
    assert again.port == server.port
    again.close()
    bench.studio.jobs.close()


# --- Sessions -----------------------------------------------------------------------------------------------------


def test_sessions_outlive_a_restart_but_not_a_new_password() -> None:
    session = Access("ana", "uno").login("ana", "uno")
    assert Access("ana", "uno").valid(session)
    assert not Access("ana", "dos").valid(session)
    assert not Access("eva", "uno").valid(session)


def test_sessions_end() -> None:
    now = [1000.0]
    access = Access("ana", "uno", clock=lambda: now[0])
    session = access.login("ana", "uno")
    now[0] += SESSION_SECONDS
    assert access.valid(session)
    now[0] += 1
    assert not access.valid(session)


@pytest.mark.parametrize("session", [None, "", "1", "1.", ".x", "1.ñ", "²." + "0" * 64, "9" * 30 + "." + "0" * 64])
def test_forged_sessions_are_refused(session: str | None) -> None:
    assert not Access("ana", "uno").valid(session)


@pytest.mark.parametrize(("user", "password"), [("ana", "Uno"), ("eva", "uno"), ("", ""), ("ana", ""), ("añá", "ñ")])
def test_wrong_pairs_are_refused(user: str, password: str) -> None:
    assert Access("ana", "uno").login(user, password) is None


def test_old_temporary_files_are_thrown_away(tmp_path: Path) -> None:
    bench = make_bench(tmp_path)
    old, new = (bench.folders.temporary / "gradio" / name for name in ("vieja", "nueva"))
    for folder in (old, new):
        folder.mkdir(parents=True)
        (folder / "a.png").write_bytes(b"x")
    os.utime(old, (0, 0))
    serve(bench.studio, port=0).close()
    assert (old.exists(), new.exists()) == (False, True)
    bench.studio.jobs.close()


def test_the_page_itself_travels_compressed(house: House) -> None:
    with house.inside() as client:
        whole = client.get("/", headers={"Accept-Encoding": "identity"})
        packed = client.get("/", headers={"Accept-Encoding": "gzip"})
    assert packed.headers["content-encoding"] == "gzip" and "content-encoding" not in whole.headers
    assert int(packed.headers["content-length"]) * 4 < len(whole.content)
    assert packed.text.startswith("<!doctype html>") and 'lang="es"' in packed.text
