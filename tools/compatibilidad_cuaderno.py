"""What ``compatibilidad.py`` runs inside each environment before sdcolab is there: the notebook's own cells.

    python compatibilidad_cuaderno.py [--sin-torch] CUADERNO CARPETA

``CARPETA/content`` stands for Colab's /content and holds the wheel, as a user would leave it. In a Jupyter kernel of
this environment: play; where the packages are too old, the cell that puts newer ones, and play again; a picture with
the panel's buttons; the report; and the cell that closes everything. Prints ``PAQUETES`` and what had to be put.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import sys
from pathlib import Path
from typing import Any

SUPPORT = Path(__file__).parents[1] / "tests" / "support" / "kernel.py"


def kernel_class() -> Any:
    """``tests.support.kernel.Kernel`` by its path: this source must not be in the way of the wheel."""
    spec = importlib.util.spec_from_file_location("kernel", SUPPORT)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module.Kernel


def main() -> None:
    """Everything, in order."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--sin-torch", action="store_true")
    parser.add_argument("cuaderno", type=Path)
    parser.add_argument("carpeta", type=Path)
    options = parser.parse_args()
    cells = {
        cell["id"]: "".join(cell["source"])
        for cell in json.loads(options.cuaderno.read_text(encoding="utf-8"))["cells"]
        if cell["cell_type"] == "code"
    }
    start = cells["empezar"].replace("recursos_de_la_guia = True", "recursos_de_la_guia = False")
    content = options.carpeta / "content"
    environ = {**os.environ, "SDCOLAB_CONTENIDO": str(content), "HOME": str(options.carpeta)}
    kernel = kernel_class()(Path(sys.executable), {**environ, "SDCOLAB_CARPETA": str(content / "sdcolab")}, content)
    try:
        kernel.run(start)
        said = kernel.finish()
        if "demasiado antiguas" in said:
            kernel.run(cells["paquetes"])
            said = kernel.finish()
            assert "✅ Listo" in said, said
            print("PAQUETES", said.partition("✅ Listo: ")[2].partition(". Ahora")[0])
            kernel.run(start)
            said = kernel.finish()
        assert "✅ El panel está abierto" in said, said
        if not options.sin_torch:
            for label, value in (("Prompt", "gato"), ("Pasos", 2), ("Semilla", "7")):
                kernel.write(label, value)
            kernel.press("🎨 Generar")
            kernel.until_shown("1 de 1 ·")
        kernel.run(cells["informe"])
        assert "🩺 Informe guardado" in kernel.finish(), kernel.text
        kernel.run(cells["cerrar"])
        assert "👋 El panel está cerrado." in kernel.finish(), kernel.text
    finally:
        kernel.close()


if __name__ == "__main__":
    main()
