"""A stand-in for ngrok's agent: the same command line, JSON lines and local API, and it connects to nothing.

What it does is chosen by ``STANDIN_NGROK``: "" opens the link, "late" tells its address through the API only after a
while, "short" also ends soon, "wrong" refuses the token (quoting it, as the real one does), "busy" has its only agent
elsewhere and goes on trying, "down" never reaches its service. ``STANDIN_NGROK_URL`` is the public address.
"""

from __future__ import annotations

import io
import sys
import tarfile

AGENT = r"""#!{python}
import http.server, json, os, sys, threading, time
mode, token = os.environ.get("STANDIN_NGROK", ""), os.environ["NGROK_AUTHTOKEN"]
assert sys.argv[1] == "http" and sys.argv[2].startswith("http://127.0.0.1:"), sys.argv
assert "--log=stdout" in sys.argv and "--log-format=json" in sys.argv, sys.argv
assert token not in " ".join(sys.argv)
with open(os.environ["STANDIN_NGROK_LOG"], "a") as log:
    log.write(str(os.getpid()) + " " + " ".join(sys.argv[1:]) + chr(10))
def say(**line):
    print(json.dumps(dict(t="2026-11-22T10:00:00+0000", **line)), flush=True)
tunnels = []
class Api(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        assert self.path == "/api/tunnels", self.path
        body = json.dumps(dict(tunnels=tunnels, uri="/api/tunnels")).encode()
        self.send_response(200); self.send_header("Content-Type", "application/json"); self.end_headers()
        self.wfile.write(body)
    def log_message(self, *words): pass
for port in range(4040, 4100):
    try:
        api = http.server.HTTPServer(("127.0.0.1", port), Api)
        break
    except OSError:
        pass
say(lvl="info", msg="no configuration paths supplied")
say(lvl="info", msg="starting web service", obj="web", addr="127.0.0.1:%d" % port, allow_hosts=[])
threading.Thread(target=api.serve_forever, daemon=True).start()
if mode in ("wrong", "busy"):
    text = dict(
        wrong="authentication failed: The authtoken you specified does not look like a proper ngrok authtoken.\n"
        "Your authtoken: " + token + "\r\n\r\nERR_NGROK_105\r\n",
        busy="authentication failed: Your account is limited to 1 simultaneous ngrok agent sessions.\r\n"
        "\r\nERR_NGROK_108\r\n",
    )[mode]
    say(lvl="eror", msg="failed to reconnect session", obj="csess", err=text)
    if mode == "busy":
        time.sleep(600)
    say(lvl="crit", msg="command failed", err=text)
    sys.exit(1)
if mode == "down":
    say(lvl="eror", msg="failed to reconnect session", err="failed to dial ngrok server: i/o timeout")
    time.sleep(600)
say(lvl="info", msg="client session established", obj="tunnels.session")
if mode == "late":
    time.sleep(1)
url = os.environ.get("STANDIN_NGROK_URL", "https://gato.ngrok-free.app")
tunnels.append(dict(name="command_line", public_url=url, proto="https", config=dict(addr=sys.argv[2], inspect=True)))
if mode != "late":
    say(lvl="info", msg="started tunnel", obj="tunnels", name="command_line", addr=sys.argv[2], url=url)
time.sleep(1 if mode == "short" else 600)
"""


def packed_agent(python: str = sys.executable, name: str = "ngrok", program: str = AGENT) -> bytes:
    """The ``.tgz`` that ngrok's site would give."""
    content, packed = program.replace("{python}", python).encode(), io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        member = tarfile.TarInfo(name)
        member.size, member.mode = len(content), 0o755
        archive.addfile(member, io.BytesIO(content))
    return packed.getvalue()
