#!/usr/bin/env bash
# Prepara todo y abre la página de sdcolab. Acepta las mismas opciones que el comando sdcolab.
source "$(dirname "${BASH_SOURCE[0]}")/entorno.sh" controlnet
exec .venv/bin/sdcolab "$@"
