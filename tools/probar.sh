#!/usr/bin/env bash
# Prepara todo y ejecuta las pruebas. Acepta las mismas opciones que pytest; con --rapido, solo lo que no necesita ni
# torch ni navegador ni red; con --completo, también lo que otras ya miran más deprisa.
source "$(dirname "${BASH_SOURCE[0]}")/entorno.sh" pruebas

if ! command -v chromium >/dev/null; then
  echo "Instalando Chromium para las pruebas de la página…"
  admin=$([ "$(id -u)" = 0 ] || echo sudo)
  $admin apt-get update -qq
  $admin apt-get install -y -qq chromium fonts-noto-color-emoji
fi

# Un proceso por núcleo (5 como mucho), cada uno con un hilo: con más, los navegadores se estorban. Las pruebas de un
# mismo archivo van juntas, porque comparten navegador, servidores y modelos; el orden es el de tests/conftest.py.
export OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}"
if [ "${1:-}" = --rapido ]; then
  shift
  set -- tests/core tests/api/test_translate.py tests/test_architecture.py "$@"
fi
cores=$(nproc)
exec .venv/bin/python -m pytest -n "${SDCOLAB_PROCESOS:-$((cores < 2 ? 2 : cores < 5 ? cores : 5))}" --dist loadfile --no-loadscope-reorder "$@"
