"""What our child processes find in their environment."""

from __future__ import annotations

from sdcolab.process.environment import PRIVATE_NAMES, child_environ


def test_children_get_no_secret_and_do_not_spin() -> None:
    found = child_environ({**dict.fromkeys((*PRIVATE_NAMES, "OTRO_API_KEY", "otro_token"), "secreto"), "HOME": "/h"})
    assert "secreto" not in found.values() and found["HOME"] == "/h"
    assert found["OMP_WAIT_POLICY"] == "PASSIVE"


def test_children_get_what_only_sounds_like_a_secret() -> None:
    plain = {"TOKENIZERS_PARALLELISM": "false", "HF_TOKEN_PATH": "/h/token"}
    assert plain.items() <= child_environ(plain).items()


def test_only_the_page_s_own_process_knows_its_password() -> None:
    assert "SDCOLAB_USUARIO" not in child_environ({"SDCOLAB_USUARIO": "ana:clave"})


def test_who_chose_how_threads_wait_is_obeyed() -> None:
    assert child_environ({"OMP_WAIT_POLICY": "ACTIVE"})["OMP_WAIT_POLICY"] == "ACTIVE"
