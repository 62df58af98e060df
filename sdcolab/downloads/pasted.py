"""What people copy, made into what ``links`` reads: marks of Markdown, BBCode and HTML, commands of other notebooks and
guides, invisible characters, wide punctuation (hechos/lanzadores.md 0 and 1a).

Everything here takes time linear in the text.
"""

from __future__ import annotations

import html
import itertools
import re
import shlex
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

MAX_COMMAND = 4000
"""Longest line, in characters, that is read as a command."""

_ENTITY = re.compile(r"&(?:amp|lt|gt|quot|apos|nbsp|#\d{2,5}|#x[0-9a-f]{2,4});", re.IGNORECASE)
_WIDE = str.maketrans({"，": ",", "、": ",", "；": ";", "｜": "|", "\xa0": " ", "\u2028": "\n", "\u2029": "\n"})
_WIDE_SCHEME = re.compile(r"(https?)[:：][/／]{2}", re.IGNORECASE)
_BACKSLASHES = re.compile(r"https?:\\\\\S+", re.IGNORECASE)
_ANCHOR = re.compile(r"<a\s[^<>]{0,300}?href=[\"']?([^\"'\s<>]+)[^<>]*>([^<]{0,300}</a>)?", re.IGNORECASE)
_AUTOLINK = re.compile(r"<(https?://[^\s<>]{1,8000})>", re.IGNORECASE)
_BB_LINK = re.compile(r"\[url(?:=[\"']?([^\]\"'\s]{1,8000})[\"']?)?\]([^\[\]]{0,8000})\[/url\]", re.IGNORECASE)
_BB_MARK = re.compile(r"\[/?(?:b|i|u|s|list|\*|img|code|quote|center|size|color)(?:=[^\]\n]{0,60})?\]", re.IGNORECASE)
_MARKDOWN = re.compile(r"!?\[[^\]\n]{0,300}\]\((?=<?https?://)", re.IGNORECASE)
_IN_ANGLES = re.compile(r"<([^<>\n]{1,8000})>")
_ARROW = re.compile(r"[ \t][=-]{1,2}>[ \t]|(?<![ \t])[ \t]*+[→⇒➜➡][ \t]*")
_LITERAL_ENDS = re.compile(r"\\[nrt](?=https?://|\s|[\"'\\]|\Z)", re.IGNORECASE)
"""Line ends that somebody copied from a program's text."""
_WEIGHT = re.compile(r"\(\s*~?\d+(?:[.,]\d+)?\s*[kmgt]i?b\s*\)", re.IGNORECASE)
"""The size of a file, told beside its link."""
_STUMP = re.compile(r"https?://[^\s/]+/(?:[^\s]*/)?[^\s/.?#]+", re.IGNORECASE)
"""An address whose last part has no dot: the beginning of a file name with blanks, perhaps."""
_NAME_END = re.compile(r"[^\s/:?#]{1,80}\.(?:safetensors|ckpt|pth?|bin|gguf|zip)(?:[?#]\S{0,300})?", re.IGNORECASE)
_BEGINS_ANOTHER = re.compile(r"[^\s?#]*[/:]")
"""A word that is a part of no file name."""
_NAME_WORDS = 8
"""Most words of a file name with blanks."""
_DEFANGED = re.compile(r"hxxp(s?)(?=://)", re.IGNORECASE)
"""How forums write addresses that nobody shall press."""
_ASSIGNED = re.compile(r"^[ \t]{0,40}([A-Za-z_]\w{0,60})[ \t]{0,9}=[ \t]{0,9}[\[(]?[ \t]*$", re.MULTILINE)
"""The line above a list of links in a program."""
_HUB_CALL = re.compile(
    r"(?:hf_hub_download|hf_hub_url|cached_download)\(\s{0,40}(?:repo_id\s{0,9}=\s{0,9})?[\"'](?P<home>[\w.-]{1,96}/[\w.-]{1,96})[\"']"
    r"\s{0,9},\s{0,40}(?:filename\s{0,9}=\s{0,9})?[\"'](?P<file>[^\"'\n]{1,300})[\"'](?P<rest>[^()\n]{0,300})\)?",
)
_HUB_PLACE = re.compile(r"(?P<what>subfolder|revision|repo_type)\s{0,9}=\s{0,9}[\"'](?P<value>[\w./-]{1,200})[\"']")
_ADDRESS = re.compile(r"(?:[a-z]{1,20}:)?https?://\S+", re.IGNORECASE)
_COMMAND = re.compile(
    r"\s*+[!%$]?\s*+(?:sudo\s++)?"
    r"(wget|curl|aria2c|axel|gdown|huggingface-cli|hf|Invoke-WebRequest|iwr|git|cd|mkdir|rm|mv|cp|pip|apt)(?=\s|\Z)"
)
_LOADER = r"(?:sudo\s)?(?:wget|curl|aria2c|axel|gdown|huggingface-cli|hf\sdownload|Invoke-WebRequest|iwr)\s"
_COMMAND_INSIDE = re.compile(
    r"(?<=.)(?=[!%](?:sudo|wget|curl|aria2c|gdown|huggingface-cli|hf|git|cd|mkdir|rm|mv|cp|pip|apt)\s)"
    rf"|(?<=[,;&|]\s)(?={_LOADER})|(?<=[,;&|])(?={_LOADER})|(?<=\s)(?<!sudo\s)(?={_LOADER}\s*-)"
)
"""Where a command begins inside a line: fields of one line take the ends of lines away from what is pasted."""
_COMMAND_END = re.compile(
    r"\s(?:&&|\|\||[;,])(?=\s)|\s*+(?:&&|\|\|?|[;,>])\s*+(?=[\"'<]?(?:[a-z]\w{0,20}:)?https?://)|(?:&&|[;|])\s*\Z"
    rf"|(?<=\s)(?<!sudo\s)(?={_LOADER}\s*[\"']?https?://)",
    re.IGNORECASE,
)
"""Where a command ends and the next one begins, in a line that is one of commands."""
_PUT_BY = {sign: chr(0xE000 + ord(sign)) for sign in ",;[]"}
_IN_NAMES = str.maketrans(_PUT_BY | dict.fromkeys("<>|", "_"))
_BACK = str.maketrans({stand_in: sign for sign, stand_in in _PUT_BY.items()})
"""Signs that separate links, as they stand inside a name that a command says: those that files may have come back with
``whole_name``."""
_DRIVE_ID = re.compile(r"[\w-]{25,80}")
_BACKSLASH = re.compile(r"(?<=[\w:.])\\(?=\w)")
"""Between folders, as Windows writes them: shells put none before a letter."""


@dataclass(frozen=True, slots=True)
class _Program:
    """How a program that downloads is told the name and the folder of a file; ``valued`` are its other options that
    take a value."""

    name: tuple[str, ...] = ()
    folder: tuple[str, ...] = ()
    valued: tuple[str, ...] = ()


_POWERSHELL = _Program(("-OutFile", "-outfile", "-o"), (), ("-Headers", "-UserAgent", "-Method"))
_HUB_OPTIONS = ("--revision", "--repo-type")

_PROGRAMS: Mapping[str, _Program] = {
    "wget": _Program(
        ("-O", "--output-document"), ("-P", "--directory-prefix"), ("-U", "--user-agent", "--header", "-t", "-T", "-o")
    ),
    "curl": _Program(("-o", "--output"), ("--output-dir",), ("-H", "--header", "-A", "--user-agent", "-u", "-X", "-e")),
    "aria2c": _Program(
        ("-o", "--out"), ("-d", "--dir"), ("-x", "-s", "-k", "-j", "-m", "-t", "--header", "--user-agent", "-i")
    ),
    "axel": _Program(("-o", "--output"), (), ("-n", "-s", "-H", "-U")),
    "Invoke-WebRequest": _POWERSHELL,
    "iwr": _POWERSHELL,
    "gdown": _Program(("-O", "--output"), (), ("--id",)),
    "huggingface-cli": _Program(
        (), ("--local-dir",), (*_HUB_OPTIONS, "--include", "--exclude", "--cache-dir", "--token")
    ),
    "hf": _Program((), ("--local-dir",), (*_HUB_OPTIONS, "--include", "--exclude", "--cache-dir", "--token")),
    "git": _Program(),
}
"""Programs of other notebooks' cells; commands that only move about (cd, mkdir, pip...) say nothing of links."""

_FOLDERS: Mapping[str, str] = {
    "stable-diffusion": "modelo",
    "checkpoints": "modelo",
    "lora": "lora",
    "loras": "lora",
    "lycoris": "lora",
    "vae": "vae",
    "embeddings": "embedding",
    "controlnet": "controlnet",
    "esrgan": "upscaler",
    "hypernetworks": "hypernetwork",
}
"""What a folder of AUTOMATIC1111 or ComfyUI says that a file is, in the words of ``links.KIND_PREFIXES``."""


def plain_text(text: str) -> str:
    """``text`` with links only, names as ``link > name`` and kinds as ``tipo:link``; everything else as it was."""
    text = "".join(char for char in text if unicodedata.category(char) != "Cf")
    text = _LITERAL_ENDS.sub("\n", _WIDE_SCHEME.sub(r"\1://", text.translate(_WIDE)))
    text = _BACKSLASHES.sub(lambda match: match[0].replace("\\", "/"), text)
    if _ENTITY.search(text):
        text = html.unescape(text)
    text = _ASSIGNED.sub(_heading, _HUB_CALL.sub(_hub_address, _DEFANGED.sub(r"http\1", text)))
    text = _AUTOLINK.sub(r" \1 ", _ANCHOR.sub(r" \1 ", text))
    text = _BB_LINK.sub(lambda match: f" {match[1] or match[2].strip()} ", _BB_MARK.sub(" ", text))
    text = _without_markdown(text)
    text = _COMMAND_INSIDE.sub("\n", text)
    lines = [_command(line) if _COMMAND.match(line) else line for line in _joined_lines(text)]
    text = _ARROW.sub(" > ", _WEIGHT.sub(" ", "\n".join(lines)))
    return "".join(map(_rejoined, re.split(r"([,;|>\n])", text)))


def _heading(line: re.Match[str]) -> str:
    """What a list is called in a program, if that says what its links are."""
    return f"{line[1]}:" if line[1].lower() in {*_FOLDERS, *_FOLDERS.values()} else ""


def _hub_address(call: re.Match[str]) -> str:
    """The address of what a call of huggingface's library downloads."""
    said = {found["what"]: found["value"] for found in _HUB_PLACE.finditer(call["rest"])}
    kind = {"dataset": "datasets/", "space": "spaces/"}.get(said.get("repo_type", ""), "")
    file = "/".join(part for part in (said.get("subfolder", "").strip("/"), call["file"]) if part)
    return f" https://huggingface.co/{kind}{call['home']}/resolve/{said.get('revision', 'main')}/{file} "


def _rejoined(item: str) -> str:
    """``item`` with the blanks inside file names written as addresses write them."""
    if "://" not in item or len(words := item.split()) < 2:
        return item
    joined: list[str] = []
    at = 0
    while at < len(words):
        end = at + 1
        if len(words[at]) < MAX_COMMAND and _STUMP.fullmatch(words[at]):
            following = words[at + 1 : at + 1 + _NAME_WORDS]
            plain = list(itertools.takewhile(lambda word: not _BEGINS_ANOTHER.match(word), following))
            last = next((place for place, word in enumerate(plain) if _NAME_END.fullmatch(word)), None)
            end = at + 1 if last is None else at + last + 2
        joined.append("%20".join(words[at:end]))
        at = end
    return f" {' '.join(joined)} "


def _without_markdown(text: str) -> str:
    """``[words](address)`` as the address, which may hold pairs of parentheses."""
    parts: list[str] = []
    at = 0
    for match in _MARKDOWN.finditer(text):
        if match.start() < at:
            continue
        end = _closing(text, match.end())
        address = text[match.end() : end]
        angled = _IN_ANGLES.match(address)
        address = angled[1].replace(" ", "%20") if angled else address.partition(' "')[0]
        parts += [text[at : match.start()], " ", address, " "]
        at = end + 1
    return "".join([*parts, text[at:]])


def _closing(text: str, start: int) -> int:
    """Index of the parenthesis that closes the one before ``start``, or where the address ends without it."""
    depth = 0
    for index in range(start, min(len(text), start + 8000)):
        char = text[index]
        if char == "\n":
            return index
        if char == "(":
            depth += 1
        elif char == ")":
            if depth == 0:
                return index
            depth -= 1
    return min(len(text), start + 8000)


def _joined_lines(text: str) -> Iterator[str]:
    """Lines; those that end in a backslash, as commands of several lines do, with the next one."""
    held = ""
    for line in text.split("\n"):
        bare = line.rstrip()
        if bare.endswith("\\") and len(held) + len(bare) < MAX_COMMAND:
            held += bare[:-1] + " "
            continue
        yield held + line
        held = ""
    if held:
        yield held


def _command(line: str) -> str:
    """The links of a line of commands, each with the name and the folder that its command says."""
    found: list[str] = []
    for part in _COMMAND_END.split(line[:MAX_COMMAND]):
        found += _links_of(part) if _COMMAND.match(part) else [part.strip()]
    return " , ".join(filter(None, found))


def _links_of(command: str) -> list[str]:
    match = _COMMAND.match(command)
    program = _PROGRAMS.get(match[1]) if match else None
    if match is None or program is None:
        return []
    said = _BACKSLASH.sub("/", command[match.end() :])
    try:
        words = shlex.split(said, comments=False)
    except ValueError:  # quotes that nobody closed
        words = [word.strip("\"'") for word in said.split()]
    name, folder, rest = _options(words, program)
    links = [word for word in rest if _ADDRESS.fullmatch(word)]
    if match[1] == "gdown":
        links += [f"https://drive.google.com/file/d/{word}" for word in rest if _DRIVE_ID.fullmatch(word)]
    if match[1] in ("hf", "huggingface-cli"):
        links += _hub_links(rest, command)
    kind = next((_FOLDERS[part.lower()] for part in reversed(_folders(folder, name)) if part.lower() in _FOLDERS), "")
    base = _with_blanks(PurePosixPath(name).name, rest)
    called = f" > {base.translate(_IN_NAMES)}" if base not in ("", "-") and len(links) == 1 else ""
    return [f"{kind + ':' if kind else ''}{link}{called}" for link in links]


def whole_name(name: str) -> str:
    """A name out of ``plain_text`` with the signs that it has."""
    return name.translate(_BACK)


def _with_blanks(name: str, words: Sequence[str]) -> str:
    """A name whose blanks nobody quoted, with the words that its ending stands behind."""
    following = [word for word in words if not _ADDRESS.fullmatch(word)][:_NAME_WORDS]
    last = next((place for place, word in enumerate(following) if _NAME_END.fullmatch(word)), None)
    return name if not name or "." in name or last is None else " ".join([name, *following[: last + 1]])


_REPOSITORY = re.compile(r"[\w.-]{1,96}/[\w.-]{1,96}")


def _hub_links(words: Sequence[str], command: str) -> list[str]:
    """The addresses of ``hf download OWNER/NAME FILE…``; without files, that of the repository."""
    if words[:1] != ["download"] or len(words) < 2 or not _REPOSITORY.fullmatch(words[1]):
        return []
    said = dict(re.findall(r"(--(?:revision|repo-type))[= ]([\w./-]+)", command))
    kind = {"dataset": "datasets/", "space": "spaces/"}.get(said.get("--repo-type", ""), "")
    home = f"https://huggingface.co/{kind}{words[1]}"
    branch = said.get("--revision", "main")
    return [f"{home}/resolve/{branch}/{file}" for file in words[2:]] or [home]


def _folders(folder: str, name: str) -> Sequence[str]:
    return (*PurePosixPath(folder).parts, *PurePosixPath(name).parent.parts)


def _options(words: Sequence[str], program: _Program) -> tuple[str, str, list[str]]:
    """Name, folder and the remaining words of a command."""
    told = {"name": "", "folder": ""}
    rest: list[str] = []
    waiting = list(reversed(words))
    while waiting:
        word = waiting.pop()
        role, value = _role(word, program)
        if word.startswith(">"):  # what a program writes goes there
            target = word.lstrip(">") or (waiting.pop() if waiting else "")
            told["name"] = target if told["name"] in ("", "-") and not target.startswith("/dev/") else told["name"]
        elif role == "":
            rest.append(word)
        elif role in told:
            told[role] = value or (waiting.pop() if waiting else "")
        elif role == "valued" and not value and waiting:
            rest += [word] if (word := waiting.pop()) and _DRIVE_ID.fullmatch(word) else []
    return told["name"], told["folder"], rest


def _role(word: str, program: _Program) -> tuple[str, str]:
    """What an option is for ("name", "folder", "valued", "flag"; "" for no option), and a value written into it."""
    if not word.startswith("-") or word == "-":
        return "", ""
    option, _, value = word.partition("=")
    for role, options in (("name", program.name), ("folder", program.folder), ("valued", program.valued)):
        if option in options:
            return role, value
        for short in options:
            if len(short) == 2 and not word.startswith("--"):
                if word.startswith(short):
                    return role, word[2:]  # -Oname
                if word.endswith(short[1]) and word[1:].isalpha():
                    return role, ""  # -Lo name
    return "flag", ""
