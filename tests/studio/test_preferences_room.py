"""The tab "Ajustes": what it tells, changes and brings from A1111's own files."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from sdcolab.core.errors import StrangeQuestion
from sdcolab.core.fields import table_of
from sdcolab.core.folders import Folders
from sdcolab.core.preferences import STANDARD_BAR, Preferences, PreferencesFile
from sdcolab.core.prompt import Style
from sdcolab.core.settings import Settings, SettingsFile
from sdcolab.core.speed import Speed
from sdcolab.core.words.preferences import CHOICES, PREFERENCE_WORDS, TOLD_WORDS
from sdcolab.studio.layout import LAYOUT, barred
from sdcolab.studio.machine_desk import MachineDesk, Opened
from sdcolab.studio.preferences_room import PreferencesRoom

CONFIG = {
    "samples_format": "jpeg",
    "jpeg_quality": 92,
    "samples_filename_pattern": "[seed]-[model_name]",
    "save_txt": True,
    "quicksettings_list": [
        "sd_model_checkpoint",
        "sd_vae",
        "CLIP_stop_at_last_layers",
        "eta_noise_seed_delta",
        "sd_lora",
    ],
    "CLIP_stop_at_last_layers": 2,
    "eta_noise_seed_delta": 31337,
    "s_churn": 1,
    "tiling": "maybe",
    "outdir_samples": "C:\\x",
}


@pytest.fixture
def room(tmp_path: Path) -> PreferencesRoom:
    return PreferencesRoom(PreferencesFile(tmp_path), SettingsFile(tmp_path))


def test_every_preference_has_words_and_every_choice_a_name() -> None:
    table = table_of(Preferences)
    assert set(table) == set(PREFERENCE_WORDS)
    for name, choices in CHOICES.items():
        assert [*choices] == [one.value for one in table[name].kind]


def test_a_change_is_kept_and_told(room: PreferencesRoom, tmp_path: Path) -> None:
    told = room.answers["change"]({"name": "quality", "value": 55})
    assert {row["name"]: row["value"] for row in told["rows"]}["quality"] == 55
    room.answers["change"]({"name": "look", "value": "dark"})
    assert room.answers["page"]({}) == {"bar": [*STANDARD_BAR], "look": "dark", "sound": False, "notify": False}
    assert PreferencesFile(tmp_path).peek().quality == 55
    for wrong in ({"name": "quality", "value": "x"}, {"name": "x", "value": 1}, {"name": "look"}):
        with pytest.raises(StrangeQuestion):
            room.answers["change"](wrong)
    room.answers["reset"]({})
    assert PreferencesFile(tmp_path).peek() == Preferences()


def test_what_is_imported_undoes_no_change_that_was_made_meanwhile(tmp_path: Path) -> None:
    class Busy(SettingsFile):
        def change(self, change: Callable[[Settings], Settings]) -> Settings:
            SettingsFile(tmp_path).change(lambda now: replace(now, defaults=replace(now.defaults, steps=77)))
            return super().change(change)

    class BusyToo(PreferencesFile):
        def change(self, change: Callable[[Preferences], Preferences]) -> Preferences:
            PreferencesFile(tmp_path).change(lambda now: replace(now, sound=True))
            return super().change(change)

    PreferencesRoom(BusyToo(tmp_path), Busy(tmp_path)).answers["import"]({"text": json.dumps(CONFIG)})
    now, defaults = PreferencesFile(tmp_path).peek(), SettingsFile(tmp_path).load().defaults
    assert (now.quality, now.sound, defaults.clip_skip, defaults.steps) == (92, True, 2, 77)


def test_config_json_becomes_preferences_and_defaults(room: PreferencesRoom, tmp_path: Path) -> None:
    said = room.answers["import"]({"text": json.dumps(CONFIG)})["said"]
    assert said.startswith("Ajustes que se trajeron: 8.") and "tiling, outdir_samples" in said
    now, defaults = PreferencesFile(tmp_path).peek(), SettingsFile(tmp_path).load().defaults
    assert (now.image_format, now.quality, now.file_pattern, now.save_text) == ("jpg", 92, "[seed]-[model_name]", True)
    assert now.bar == ("checkpoint", "vae", "clip_skip", "tuning.ensd")
    assert (defaults.clip_skip, defaults.tuning.ensd, defaults.tuning.sigma_churn) == (2, 31337, 1.0)


def test_ui_config_json_becomes_defaults(room: PreferencesRoom, tmp_path: Path) -> None:
    ui = {
        "customscript/sampler.py/txt2img/Sampling steps/value": 30,
        "customscript/sampler.py/txt2img/Sampling method/value": "DPM++ 2M",
        "txt2img/Width/value": 640,
        "txt2img/CFG Scale/value": 6,
        "txt2img/Width/maximum": 2048,
    }
    assert room.answers["import"]({"text": json.dumps(ui)})["said"].startswith("Ajustes que se trajeron: 4.")
    defaults = SettingsFile(tmp_path).load().defaults
    assert (defaults.steps, defaults.sampler, defaults.width, defaults.cfg_scale) == (30, "DPM++ 2M", 640, 6)


def test_styles_csv_adds_its_styles(room: PreferencesRoom, tmp_path: Path) -> None:
    SettingsFile(tmp_path).change(lambda settings: settings.with_style(Style("mío", "a")))
    said = room.answers["import"]({"text": "\ufeffname,prompt,negative_prompt\nmío,b,\nsuyo,c,d\n"})["said"]
    assert said.startswith("Estilos que se añadieron: 1. Uno")
    assert SettingsFile(tmp_path).load().styles == (Style("mío", "a"), Style("suyo", "c", "d"))


@pytest.mark.parametrize("text", ["", "[1]", "{", '{"a":' * 90, "x" * 900_001])
def test_what_is_no_file_of_settings_is_refused(room: PreferencesRoom, text: str) -> None:
    with pytest.raises(StrangeQuestion):
        room.answers["import"]({"text": text})


def test_another_bar_takes_its_fields_out_of_the_form_and_puts_others_back() -> None:
    made = LAYOUT.with_bar(("checkpoint", "steps", "tuning.eta", "prompt"))
    assert made.bar == ("checkpoint", "steps", "tuning.eta")
    assert sorted(made.form_paths()) == sorted(LAYOUT.form_paths())
    assert LAYOUT.with_bar(()) is LAYOUT and LAYOUT.with_bar(STANDARD_BAR) is LAYOUT
    assert set(barred()) <= set(LAYOUT.form_paths())


def test_as_many_units_of_controlnet_as_wanted(room: PreferencesRoom, tmp_path: Path) -> None:
    room.answers["change"]({"name": "control_units", "value": 5})
    wanted = PreferencesFile(tmp_path).peek().control_units
    made = LAYOUT.with_units(wanted)
    assert [section.most for section in made.generation if section.part == "control"] == [5]
    assert [section.most for section in made.generation if section.part == "details"] == [2]
    assert LAYOUT.with_units(3) is LAYOUT


def test_the_speed_of_a_new_form_is_changed_here(room: PreferencesRoom, tmp_path: Path) -> None:
    told = room.answers["change"]({"name": "speed", "value": "fast"})
    row = next(row for row in told["rows"] if row["name"] == "speed")
    assert (row["value"], row["kind"], len(row["choices"])) == ("fast", "choice", len(Speed))
    assert SettingsFile(tmp_path).load().defaults.speed is Speed.FAST
    for wrong in (None, 3, "rápida", ["fast"]):
        with pytest.raises(StrangeQuestion):
            room.answers["change"]({"name": "speed", "value": wrong})


def test_what_is_decided_elsewhere_is_told(tmp_path: Path) -> None:
    folders = Folders(tmp_path)
    desk = MachineDesk(folders, Opened(page=False))
    room = PreferencesRoom(PreferencesFile(folders.config), SettingsFile(folders.config), folders, desk)
    told = room.answers["settings"]({})
    shown = {row["name"]: row["value"] for row in told["rows"] if row["kind"] == "told"}
    assert set(shown) == set(TOLD_WORDS) - {"speed", "memory", "checkpoints", "graphs", "linked"}
    assert shown["outputs"] == str(folders.outputs.absolute())
