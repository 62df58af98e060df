#!/usr/bin/env bash
# Instala o actualiza sdcolab en Linux y macOS. Solo busca uv, que trae su propio Python; lo demás lo decide instalador.py.
#   ./instalar.sh [CARPETA] [--volver] [--sin-abrir]
set -euo pipefail
version_de_uv="0.13.9"
aqui="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
carpeta="$HOME/sdcolab-pc"
opciones=()
while [ $# -gt 0 ]; do
  case "$1" in
    -h | --help | --ayuda)
      echo "Uso: ./instalar.sh [CARPETA] [--volver] [--sin-abrir]"
      echo "Instala o actualiza sdcolab en CARPETA ($carpeta si no dices otra)."
      echo "  --volver     vuelve a la versión anterior; tus modelos y ajustes siguen igual"
      echo "  --sin-abrir  no abre el programa al terminar"
      exit 0
      ;;
    --carpeta)
      shift
      carpeta="${1:?Falta la carpeta}"
      ;;
    --volver | --sin-abrir | --solo-torch) opciones+=("$1") ;;
    -*)
      echo "No existe la opción «$1». Mira las que hay con: ./instalar.sh --ayuda" >&2
      exit 2
      ;;
    *) carpeta="$1" ;;
  esac
  shift
done
if ! mkdir -p "$carpeta/herramientas" 2>/dev/null; then
  echo "No se puede escribir en «$carpeta»: elige otra carpeta, por ejemplo ./instalar.sh ~/sdcolab" >&2
  exit 1
fi
carpeta="$(cd "$carpeta" && pwd)"
uv="$carpeta/herramientas/uv"

huella() {
  if command -v sha256sum >/dev/null; then sha256sum "$1"; else shasum -a 256 "$1"; fi | cut -d' ' -f1
}

bajar() {
  if command -v curl >/dev/null; then curl -fsSL "$1" -o "$2"; else wget -q "$1" -O "$2"; fi
}

if [ ! -x "$uv" ] && command -v uv >/dev/null; then
  cp "$(command -v uv)" "$uv"
  "$uv" --version >/dev/null 2>&1 || rm -f "$uv" # there are programs that leave a shim, which is no use elsewhere
fi
if [ ! -x "$uv" ]; then
  echo "Descargando uv, que trae Python…"
  case "$(uname -s)-$(uname -m)" in
    Linux-x86_64) plataforma="x86_64-unknown-linux-gnu" ;;
    Linux-aarch64) plataforma="aarch64-unknown-linux-gnu" ;;
    Darwin-arm64) plataforma="aarch64-apple-darwin" ;;
    *)
      echo "Este equipo ($(uname -s) $(uname -m)) no sirve: PyTorch ya no se hace para él. Usa el cuaderno de Colab." >&2
      exit 1
      ;;
  esac
  if ! command -v curl >/dev/null && ! command -v wget >/dev/null; then
    echo "Falta curl o wget para descargar: instala uno (sudo apt install curl) y vuelve a intentarlo." >&2
    exit 1
  fi
  sitio="https://github.com/astral-sh/uv/releases/download/$version_de_uv/uv-$plataforma.tar.gz"
  temporal="$(mktemp -d)"
  trap 'rm -rf "$temporal"' EXIT
  if ! bajar "$sitio" "$temporal/uv.tar.gz" || ! bajar "$sitio.sha256" "$temporal/uv.sha256"; then
    echo "No se pudo descargar uv de github.com. Comprueba tu conexión a internet y vuelve a intentarlo." >&2
    exit 1
  fi
  if [ "$(huella "$temporal/uv.tar.gz")" != "$(cut -d' ' -f1 "$temporal/uv.sha256")" ]; then
    echo "La descarga de uv no es la que debe. Vuelve a intentarlo." >&2
    exit 1
  fi
  tar -xzf "$temporal/uv.tar.gz" -C "$temporal"
  cp "$temporal/uv-$plataforma/uv" "$uv"
  rm -rf "$temporal" # what follows takes this program's place, and no trap is heard any more
fi
export UV_PYTHON_INSTALL_DIR="$carpeta/python" UV_CACHE_DIR="$carpeta/cache"
exec "$uv" run --no-project --python "${SDCOLAB_PYTHON:-3.12}" "$aqui/instalador.py" --carpeta "$carpeta" \
  ${opciones[@]+"${opciones[@]}"} # bash 3, macOS', knows no empty lists
