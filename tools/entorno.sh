# Crea o actualiza .venv con las versiones probadas. Lo cargan abrir.sh y probar.sh:  source tools/entorno.sh [EXTRA]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

sirve() {
  command -v "$1" >/dev/null 2>&1 &&
    "$1" -c 'import sys, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null
}

if [ ! -x .venv/bin/python ]; then
  for candidato in python3 python3.13 python3.12 python3.11; do
    if sirve "$candidato"; then
      "$candidato" -m venv .venv
      break
    fi
  done
fi
if [ ! -x .venv/bin/python ]; then
  echo "Hace falta Python 3.11, 3.12 o 3.13 con venv. En Debian o Ubuntu: sudo apt install python3 python3-venv" >&2
  exit 1
fi

echo "Preparando el entorno en .venv (la primera vez tarda unos minutos)…"
.venv/bin/python -m pip install --quiet --disable-pip-version-check -c requirements.lock -e ".${1:+[$1]}"
# Sin lo que pide: spandrel quiere torchvision, que los upscalers no usan y que rompe diffusers si no casa con torch;
# rtmlib quiere otras versiones de OpenCV.
.venv/bin/python -m pip install --quiet --disable-pip-version-check -c requirements.lock --no-deps spandrel einops rtmlib tomesd
