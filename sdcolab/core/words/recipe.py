"""Why a merge's recipe cannot be read; each ends the sentence of ``RecipeUnreadable``."""

from __future__ import annotations

TOO_LONG = "es demasiado larga"
ONLY_STEPS = "debe tener de 1 a {most} pasos [[{table}]] y nada más"
NO_RESULT = "al paso {number} le falta «{name}», el nombre de su resultado"
NO_TABLE = "el paso {number} no es una tabla"
UNKNOWN_KEY = "el paso {number} tiene «{name}», que no existe"
STEP_FAULT = "paso {number}: {fault}"
WHERE = "«{name}» del paso {number}"
NO_CHOICE = "{where} no es ninguna de: {choices}"
OTHER_KIND = "{where} tiene un valor de otro tipo"
