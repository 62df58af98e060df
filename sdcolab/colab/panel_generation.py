"""The panel's generation form: the sections of the layout and the gadgets between them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from PIL import Image

from sdcolab.colab.panel_form import FormBox
from sdcolab.core.errors import SdcolabError
from sdcolab.core.pictures import picture_from
from sdcolab.core.prompt import Style, apply_styles
from sdcolab.core.request import RANDOM_SEED, GenerationRequest
from sdcolab.core.settings import Settings
from sdcolab.core.tasks import Generate, Origin
from sdcolab.core.tuning import Tuning
from sdcolab.core.words import explain
from sdcolab.core.words.faces import SIZES
from sdcolab.studio.form import Reader, once, shown
from sdcolab.studio.generating import (
    IMAGE_MODE,
    TEXT_MODE,
    Asked,
    GenerationDesk,
    Reading,
    chip_size,
    fitting_size,
    lora_names,
    with_lora,
)
from sdcolab.studio.layout import Layout, Section
from sdcolab.studio.scripting import comparison, filled_axis, forecast_sentence
from sdcolab.studio.studio import Studio

Note = Callable[[str], None]
"""Shows a line of news."""

Guarded = Callable[[Callable[[], None]], Callable[[object], None]]
"""A button's handler that explains what goes wrong."""


def picture_of(raw: Any) -> Image.Image:
    """The picture that a widget holds as bytes. Raises ``PictureUnreadable``."""
    return picture_from(bytes(raw), Path("imagen"))


class GenerationForm:
    """The form with its styles, LoRA, seeds and sizes. ``mode`` is the tab of generation that is open; each has a size
    of its own."""

    def __init__(self, widgets: Any, studio: Studio, layout: Layout, note: Note, guarded: Guarded) -> None:
        self._new = widgets
        self._studio = studio
        self._layout = layout
        self._note = note
        self._guarded = guarded
        self.reader = Reader(studio.lists, picture_of)
        self.desk = GenerationDesk(studio, layout, self.reader, Origin.PANEL)
        self._sizes: dict[str, tuple[int, int]] = {}
        self.mode = TEXT_MODE
        settings = self._settings()
        values, chosen = self._opening(settings)
        self._native = self.desk.native_size(values["checkpoint"])
        self._make_gadgets(settings, chosen)
        bar = Section("bar", items=(*layout.bar, "@refresh"))
        self._form = FormBox(
            widgets, GenerationRequest, (bar, *layout.generation), values, once(studio.lists), gadgets=self._gadgets()
        )
        self._form.show_mode(self.mode)
        self._form.watch("checkpoint", self._follow_model)
        self.box = self._form.box

    def _settings(self) -> Settings:
        try:
            return self._studio.settings.load()
        except SdcolabError as error:
            self._note(f"⚠️ {explain(error)}")
            return Settings()

    def _opening(self, settings: Settings) -> tuple[dict[str, Any], list[str]]:
        try:
            return self.desk.opening(settings)
        except SdcolabError as error:
            self._note(f"⚠️ {explain(error)}")
            return self.desk.opening(settings, peek=True)

    # --- Asking -------------------------------------------------------------------------------------------------------

    @property
    def asked(self) -> Asked:
        """The form as it stands."""
        script = self._script.value or ""
        form = self._script_forms.get(script)
        return Asked(self._form.values, self.mode, tuple(self._styles.value), script, form.values if form else {})

    def generate(self) -> None:
        """Queue what the form asks for. Raises ``RequestError`` or ``QueueFull``."""
        self.desk.submit(self.asked)

    def enhance(self, infotext: str) -> None:
        """The picture with this infotext again, with a pass of hires."""
        self._studio.submit(Generate(self.desk.enhanced(infotext)), Origin.PANEL)

    # --- Filling ------------------------------------------------------------------------------------------------------

    def open_mode(self, mode: str) -> None:
        """Show what belongs to the tab ``mode``, with its own size."""
        if mode != self.mode:
            values = self._form.values
            self._sizes[self.mode] = (values["width"], values["height"])
            self.mode = mode
            self._put_size(self._sizes.get(mode))
        self._form.show_mode(mode)

    def _put_size(self, size: tuple[int, int] | None) -> None:
        if size:
            self._form.fill({"width": size[0], "height": size[1]})

    def read(self, infotext: str) -> Reading:
        """Put what an infotext says into the form."""
        reading = self.desk.read(infotext)
        self._form.fill(reading.values)
        return reading

    def begin_from(self, picture: bytes, infotext: str, *, inpaint: bool) -> None:
        """``picture`` as the one to start from, with what its text says."""
        size = fitting_size(*picture_of(picture).size)
        if infotext.strip():
            left = {"width", "height", "hires", "init.inpaint", "seed"}
            self._form.fill(
                {path: value for path, value in self.desk.read(infotext).values.items() if path not in left}
            )
        self.open_mode(IMAGE_MODE)
        self._form.fill({"init.images": picture, "init.inpaint": inpaint})
        self._put_size(size)

    def put_seed(self, seed: int) -> None:
        """Ask for ``seed``."""
        self._form.fill({"seed": str(seed)})

    def refresh(self) -> None:
        """Look for files again."""
        lists = once(self._studio.lists)
        self._form.offer(lists)
        for form in self._script_forms.values():
            form.offer(lists)
        self._lora.options = [
            ("Añadir un LoRA al prompt", ""),
            *((name, name) for name in lora_names(self._studio.library)),
        ]

    def _follow_model(self) -> None:
        """A new model: sizes that were the old one's own become the new one's."""
        values = self._form.values
        former, self._native = self._native, self.desk.native_size(values["checkpoint"])
        if values["width"] == values["height"] == former:
            self._put_size((self._native, self._native))

    # --- Gadgets ------------------------------------------------------------------------------------------------------

    def _make_gadgets(self, settings: Settings, chosen: list[str]) -> None:
        names = [style.name for style in settings.styles]
        wide = {"layout": self._new.Layout(width="98%"), "style": {"description_width": "130px"}}
        self._styles = self._new.SelectMultiple(
            options=names, value=[name for name in chosen if name in names], rows=3, description="Estilos", **wide
        )
        self._style_name = self._new.Text(placeholder="Nombre del estilo", layout=self._new.Layout(width="180px"))
        self._lora = self._new.Dropdown(options=[], description="LoRA", **wide)
        self._lora.options = [
            ("Añadir un LoRA al prompt", ""),
            *((name, name) for name in lora_names(self._studio.library)),
        ]
        self._lora.observe(lambda change: self._add_lora(change["new"]), names="value")
        scripts = self._layout.scripts
        self._script = self._new.Dropdown(
            options=[("Ninguno", ""), *((script.title, script.id) for script in scripts)], description="Script", **wide
        )
        self._script_forms: dict[str, FormBox] = {}
        self._script_box = self._new.VBox([])
        self._script.observe(lambda change: self._show_script(change["new"]), names="value")

    def _gadgets(self) -> Mapping[str, Callable[[], Any]]:
        return {
            "@refresh": lambda: self._row(("🔃 Actualizar lista", self.refresh)),
            "@paste": lambda: self._row(("↙️ Leer los datos del prompt", self._paste)),
            "@styles": self._style_box,
            "@loras": lambda: self._lora,
            "@size_chips": self._size_row,
            "@seed": lambda: self._row(("🎲 Al azar", lambda: self.put_seed(RANDOM_SEED))),
            "@init_size": lambda: self._row(("📐 Usar el tamaño de la imagen", self._size_of_picture)),
            "@reset_tuning": lambda: self._row(("Restablecer los ajustes finos", self._reset_tuning)),
            "@defaults": lambda: self._row(
                ("Poner los valores predeterminados", self._put_defaults),
                ("Guardar como valores predeterminados", self._save_defaults),
            ),
            "@scripts": lambda: self._new.VBox([self._script, self._script_box] if self._layout.scripts else []),
        }

    def _row(self, *buttons: tuple[str, Callable[[], None]]) -> Any:
        made = []
        for text, action in buttons:
            button = self._new.Button(description=text, layout=self._new.Layout(width="auto"))
            button.on_click(self._guarded(action))
            made.append(button)
        return self._new.HBox(made, layout=self._new.Layout(flex_flow="row wrap"))

    def _size_row(self) -> Any:
        def size(name: str) -> Callable[[], None]:
            def put() -> None:
                values = self._form.values
                self._put_size(chip_size(name, values["width"], values["height"], self._native))

            return put

        return self._row(*((words.label, size(name)) for name, words in SIZES.items()))

    def _style_box(self) -> Any:
        buttons = self._row(
            ("📋 Pasar al prompt", self._apply_styles),
            ("💾 Guardar estilo", self._save_style),
            ("🗑️ Borrar estilos", self._delete_styles),
        )
        return self._new.VBox(
            [self._styles, self._new.HBox([self._style_name, buttons], layout=self._new.Layout(flex_flow="row wrap"))]
        )

    def _prompts(self) -> tuple[str, str]:
        values = self._form.values
        return values["prompt"], values["negative_prompt"]

    def _apply_styles(self) -> None:
        chosen = self._studio.settings.load().chosen_styles(self._styles.value)
        prompt, negative = apply_styles(*self._prompts(), chosen)
        self._form.fill({"prompt": prompt, "negative_prompt": negative})
        self._styles.value = ()

    def _save_style(self) -> None:
        name = self._style_name.value.strip()
        if not name:
            self._note("⚠️ Falta el nombre del estilo. Escríbelo en su casilla.")
            return
        style = Style(name, *self._prompts())
        self._offer_styles(self._studio.settings.change(lambda settings: settings.with_style(style)))
        self._note(f"💾 Estilo «{name}» guardado.")

    def _delete_styles(self) -> None:
        chosen = tuple(self._styles.value)
        self._offer_styles(self._studio.settings.change(lambda settings: settings.without_styles(chosen)))
        self._note("🗑️ Estilos borrados: " + ", ".join(chosen) + ".")

    def _offer_styles(self, settings: Settings) -> None:
        names = [style.name for style in settings.styles]
        kept = [name for name in self._styles.value if name in names]
        self._styles.value = ()
        self._styles.options = names
        self._styles.value = kept

    def _add_lora(self, name: str) -> None:
        if name:
            self._guarded(lambda: self._put_lora(name))(None)

    def _put_lora(self, name: str) -> None:
        self._form.fill({"prompt": with_lora(self._studio.library, name, self._prompts()[0])})
        self._lora.value = ""

    def _paste(self) -> None:
        reading = self.read(self._prompts()[0])
        self._note("✅ Los datos están en el formulario." if not reading.troubles else " ".join(reading.troubles))

    def _size_of_picture(self) -> None:
        if picture := self._form.values.get("init.images"):
            self._put_size(fitting_size(*picture_of(picture).size))

    def _reset_tuning(self) -> None:
        neutral = shown(GenerationRequest, GenerationRequest(tuning=Tuning()))
        self._form.fill({path: value for path, value in neutral.items() if path.startswith("tuning.")})

    def _put_defaults(self) -> None:
        self._form.fill(self.desk.values(self._studio.settings.load().defaults))

    def _save_defaults(self) -> None:
        request = self.desk.defaults_from(self.asked, self._native)
        self._studio.settings.change(lambda settings: replace(settings, defaults=request))
        self._note("💾 Valores predeterminados guardados.")

    def _show_script(self, name: str) -> None:
        script = next((script for script in self._layout.scripts if script.id == name), None)
        if script and name not in self._script_forms:
            self._script_forms[name] = FormBox(
                self._new,
                script.settings,
                script.shown(),
                shown(script.settings),
                once(self._studio.lists),
                gadgets=self._script_gadgets(name),
                prefix=script.prefix or script.id,
            )
        hint = [self._new.HTML(f"<p>{script.hint}</p>")] if script and script.hint else []
        count = self._row(("¿Cuántas imágenes serán?", self._tell_forecast))
        self._script_box.children = (*hint, self._script_forms[name].box, count) if script else ()

    def _script_gadgets(self, name: str) -> Mapping[str, Callable[[], Any]]:
        def fill(axis: str) -> None:
            form = self._script_forms[name]
            values = form.values
            text = filled_axis(self._studio, values[f"{axis}_axis"], values[f"{axis}_values"])
            form.fill({f"{axis}_values": text})

        def button(axis: str) -> Callable[[], Any]:
            return lambda: self._row((f"📒 Todos los valores de {axis.upper()}", lambda: fill(axis)))

        return {"@compare_loras": lambda: self._compare_row(name), **{f"@fill:{axis}": button(axis) for axis in "xyz"}}

    def _compare_row(self, name: str) -> Any:
        lora = self._new.Dropdown(options=[*lora_names(self._studio.library)], description="LoRA")
        compare = self._row(
            ("📊 Comparar LoRA", lambda: self._script_forms[name].fill(comparison(self._studio, lora.value or "")))
        )
        return self._new.HBox([lora, compare], layout=self._new.Layout(flex_flow="row wrap"))

    def _tell_forecast(self) -> None:
        self._note(forecast_sentence(self._studio, self.desk, self.asked))
