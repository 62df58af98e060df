#!/usr/bin/env bash
# Rehace requirements.lock con las versiones instaladas en .venv (después de actualizarlas y de pasar las pruebas).
set -euo pipefail
cd "$(dirname "$0")/.."
{
  echo "# Versiones con las que se prueba sdcolab. Se rehace con tools/lock.sh."
  .venv/bin/python -m pip freeze --exclude-editable | sed -E 's/^(torch==[0-9.]+)\+.*/\1/' | grep -v -E '^-e|^sdcolab'
} > requirements.lock
