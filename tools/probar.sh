#!/usr/bin/env bash
# Prepara todo y ejecuta las pruebas. Acepta las mismas opciones que pytest.
source "$(dirname "${BASH_SOURCE[0]}")/entorno.sh" pruebas

if ! command -v chromium >/dev/null; then
  echo "Instalando Chromium para las pruebas de la página…"
  admin=$([ "$(id -u)" = 0 ] || echo sudo)
  $admin apt-get update -qq
  $admin apt-get install -y -qq chromium fonts-noto-color-emoji
fi

exec .venv/bin/python -m pytest "$@"
