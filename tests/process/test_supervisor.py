"""Real child processes that speak, die, are killed and come back."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sdcolab.process.supervisor import (
    ChildDied,
    ChildGaveUp,
    ChildNews,
    ChildSaid,
    ChildSpec,
    RestartPolicy,
    Roster,
    Supervisor,
    log_tail,
    open_log,
)

HELLO = 'import sys, time; print(\'{"event": "ready"}\', flush=True); time.sleep(600)'


class Watched:
    """A supervised Python snippet and its news."""

    def __init__(self, folder: Path, environ: dict[str, str], code: str, **policy: object) -> None:
        self.news: list[ChildNews] = []
        self.roster = Roster(folder / ".sesion")
        spec = ChildSpec(
            name="prueba",
            command=(sys.executable, "-c", code),
            log=folder / "registros" / "prueba.log",
            folder=folder / "proceso",
            environ=environ,
            restart=RestartPolicy(**{"delays": (0.1,), "quick_seconds": 0.0, **policy}),  # type: ignore[arg-type]
            death_signal=signal.SIGKILL,
        )
        self.supervisor = Supervisor(spec, self.news.append, self.roster)
        self.supervisor.start()

    def count(self, kind: type[object]) -> int:
        return sum(isinstance(news, kind) for news in self.news)


@pytest.fixture
def watch(tmp_path: Path, child_environ: dict[str, str]) -> Iterator[Callable[..., Watched]]:
    made: list[Watched] = []

    def start(code: str, **policy: object) -> Watched:
        made.append(Watched(tmp_path, child_environ, code, **policy))
        return made[-1]

    yield start
    for child in made:
        child.supervisor.stop(1)


def until(condition: Callable[[], object], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "no ocurrió a tiempo"
        time.sleep(0.02)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_killed_child_comes_back_within_ten_seconds(watch: Callable[..., Watched]) -> None:
    child = watch(HELLO)
    until(lambda: child.count(ChildSaid) == 1)
    first = child.supervisor.pid
    assert first
    killed = time.monotonic()
    os.kill(first, signal.SIGKILL)
    until(lambda: child.count(ChildSaid) == 2)
    assert time.monotonic() - killed < 10
    assert ChildDied(-signal.SIGKILL) in child.news
    assert child.supervisor.pid not in (None, first)


def test_gives_up_with_the_end_of_the_log(watch: Callable[..., Watched]) -> None:
    child = watch("import sys; print('hola'); sys.exit('falta un paquete')", give_up_after=3, quick_seconds=60.0)
    until(lambda: child.count(ChildGaveUp))
    last = child.news[-1]
    assert isinstance(last, ChildGaveUp)
    assert (last.code, last.times, child.count(ChildDied)) == (1, 3, 2)
    assert "falta un paquete" in last.tail
    assert "hola" in last.tail


def test_a_missing_program_is_a_death(tmp_path: Path, child_environ: dict[str, str]) -> None:
    news: list[ChildNews] = []
    spec = ChildSpec("nada", ("/no/existe",), tmp_path / "a.log", tmp_path, child_environ, RestartPolicy((0.0,), 60, 2))
    supervisor = Supervisor(spec, news.append)
    supervisor.start()
    until(lambda: any(isinstance(one, ChildGaveUp) for one in news))
    supervisor.stop()


def test_deaths_far_apart_never_give_up(watch: Callable[..., Watched]) -> None:
    child = watch('print(\'{"event": "ready"}\', flush=True)', give_up_after=2)
    until(lambda: child.count(ChildDied) >= 4)
    assert not child.count(ChildGaveUp)


def test_only_events_are_events(watch: Callable[..., Watched]) -> None:
    code = (
        "import time\n"
        "lines = ['hola', '{}', '[1]', '{\"event\": 3}', '{roto', '{\"event\": \"image\", \"path\": \"á\"}']\n"
        "for line in lines: print(line)\n"
        "import sys; sys.stdout.flush(); time.sleep(600)"
    )
    child = watch(code)
    until(lambda: child.news)
    assert child.news == [ChildSaid({"event": "image", "path": "á"})]
    until(lambda: "{roto" in log_tail(child.supervisor.spec.log))


def test_stop_ends_the_child_and_its_children(watch: Callable[..., Watched]) -> None:
    code = (
        "import subprocess, sys, time, json, signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "inner = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        "print(json.dumps({'event': 'ready', 'inner': inner.pid}), flush=True); time.sleep(600)"
    )
    child = watch(code)
    until(lambda: child.news)
    first = child.news[0]
    assert isinstance(first, ChildSaid)
    pid, inner = child.supervisor.pid, int(first.message["inner"])
    assert pid
    started = time.monotonic()
    child.supervisor.stop(0.5)
    assert time.monotonic() - started < 5
    until(lambda: not alive(pid) and not alive(inner))
    assert not child.count(ChildDied)
    assert not list((child.supervisor.spec.log.parents[1] / ".sesion").glob("*.json"))


def test_children_left_by_a_dead_child_go_too(watch: Callable[..., Watched]) -> None:
    code = (
        "import subprocess, sys, json, os\n"
        "inner = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        "print(json.dumps({'event': 'ready', 'inner': inner.pid}), flush=True); os._exit(3)"
    )
    child = watch(code, give_up_after=1, quick_seconds=60.0)
    until(lambda: child.count(ChildGaveUp))
    first = child.news[0]
    assert isinstance(first, ChildSaid)
    until(lambda: not alive(int(first.message["inner"])))


def test_an_interruption_does_not_reach_the_child(watch: Callable[..., Watched]) -> None:
    """Jupyter interrupts the whole process group of the kernel (jupyter_client's LocalProvisioner)."""
    child = watch(HELLO)
    until(lambda: child.news)
    assert child.supervisor.pid
    assert os.getpgid(child.supervisor.pid) != os.getpgid(0)


@pytest.mark.skipif(sys.platform != "linux", reason="PR_SET_PDEATHSIG es de Linux")
def test_the_child_dies_with_its_parent(tmp_path: Path, child_environ: dict[str, str]) -> None:
    parent = (
        "import os, subprocess, sys, time\n"
        "from sdcolab.process.child import bound_command\n"
        "child = subprocess.Popen(bound_command([sys.executable, '-c', 'import time; time.sleep(600)'], 9),"
        " start_new_session=True)\n"
        "time.sleep(1); print(child.pid, flush=True); time.sleep(600)"
    )
    process = subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE, env=child_environ, text=True)
    assert process.stdout
    child = int(process.stdout.readline())
    assert alive(child)
    assert Path(f"/proc/{child}/oom_score_adj").read_text().strip() == "500"
    process.kill()
    process.wait()
    until(lambda: not alive(child))
    process.stdout.close()


def test_a_new_session_ends_what_the_former_left(tmp_path: Path) -> None:
    left = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
    reaper = threading.Thread(target=left.wait)
    reaper.start()
    Roster(tmp_path).add(left.pid)
    (tmp_path / "procesos-1.json").write_text("roto")
    assert Roster(tmp_path).end_former() == 1
    reaper.join(10)
    assert left.returncode is not None
    assert Roster(tmp_path).end_former() == 0


def test_children_of_another_living_kernel_are_left_alone(tmp_path: Path) -> None:
    owner = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
    try:
        started = int(Path(f"/proc/{owner.pid}/stat").read_text().rpartition(")")[2].split()[19])
        content = {"owner": [owner.pid, started], "children": [[owner.pid, started]]}
        (tmp_path / f"procesos-{owner.pid}.json").write_text(json.dumps(content))
        assert Roster(tmp_path).end_former() == 0
        assert owner.poll() is None
    finally:
        owner.kill()
        owner.wait()


def test_big_logs_are_put_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sdcolab.process.supervisor.MAX_LOG_BYTES", 10)
    path = tmp_path / "a.log"
    for text in (b"una linea larga\n", b"otra\n"):
        with open_log(path) as log:
            log.write(text)
    assert path.read_bytes() == b"otra\n"
    assert path.with_name("a.log.1").read_bytes() == b"una linea larga\n"
