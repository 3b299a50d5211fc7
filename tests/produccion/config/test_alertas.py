from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from src.nucleo.alertas import Nivel
from src.nucleo.errores import ConfiguracionInvalida
from src.produccion.config.alertas import secreto, secretos_de
from src.produccion.config.config import Ajustes, leer_ajustes

RAIZ = Path(__file__).parents[3]
CHAT = {"name": "eva", "chat_id": 7}


def leer(tmp_path: Path, **alertas: object) -> Ajustes:
    ruta = tmp_path / "timonel.yaml"
    ruta.write_text(yaml.safe_dump({"alerts": alertas}))
    return leer_ajustes(ruta)


def test_sin_seccion_no_se_avisa_a_nadie():
    assert Ajustes().alerts.telegram is None
    assert Ajustes().alerts.apprise == ()


def test_el_ejemplo_son_los_valores_por_defecto():
    assert leer_ajustes(RAIZ / "timonel.example.yaml") == Ajustes()


def test_un_chat_y_un_servicio(tmp_path: Path):
    alertas = leer(
        tmp_path,
        telegram={"chats": [CHAT | {"commands": "all", "min_level": "WARNING"}]},
        apprise=[{"name": "mail", "url_env": "TIMONEL_MAIL", "tenant": "*"}],
    ).alerts

    assert alertas.telegram is not None
    assert alertas.telegram.chats[0].min_level is Nivel.WARNING
    assert (alertas.telegram.chats[0].client_id, alertas.apprise[0].client_id) == ("default", None)


@pytest.mark.parametrize(
    ("alertas", "motivo"),
    [
        ({"telegram": {"chats": []}}, "at least 1"),
        ({"telegram": {"chats": [CHAT, CHAT]}}, "twice"),
        ({"telegram": {"chats": [CHAT, CHAT | {"name": "otra"}]}}, "twice"),
        ({"telegram": {"chats": [CHAT | {"chat_id": -5, "commands": "all"}]}}, "who may in 'users'"),
        ({"telegram": {"chats": [CHAT | {"tenant": "*", "commands": "read"}]}}, "one tenant"),
        ({"telegram": {"chats": [CHAT], "token_env": "123:abc"}}, "NAME"),
        ({"telegram": {"chats": [CHAT], "api_url": "https://x/bot"}}, "api_url"),
        ({"apprise": [{"name": "m", "url_env": "mailto://a:b@c"}]}, "NAME"),
        ({"throttle_per_kind": 0}, "throttle_per_kind"),
        ({"large_loss_fraction": 2}, "large_loss_fraction"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_lo_que_no_puede_ser_se_rechaza(tmp_path: Path, alertas: dict[str, object], motivo: str):
    with pytest.raises(ConfiguracionInvalida, match=motivo):
        leer(tmp_path, **alertas)


def test_un_secreto_mal_puesto_no_se_repite(tmp_path: Path):
    with pytest.raises(ConfiguracionInvalida) as visto:
        leer(tmp_path, apprise=[{"name": "m", "url_env": "mailto://eva:clave@host"}])
    assert "clave" not in str(visto.value)


def test_un_secreto_que_falta_se_nombra():
    assert secreto("X_TOKEN", {"X_TOKEN": " 1:a\n"}) == "1:a"
    with pytest.raises(ConfiguracionInvalida, match="X_TOKEN is not set"):
        secreto("X_TOKEN", {})


def test_los_secretos_se_toman_de_las_variables_que_se_nombran_se_llamen_como_se_llamen(tmp_path: Path):
    alertas = leer(
        tmp_path,
        telegram={"chats": [CHAT], "token_env": "BOT_OF_THE_DESK"},
        apprise=[{"name": "mail", "url_env": "MAIL"}, {"name": "sms", "url_env": "SMS"}],
    ).alerts
    entorno = {"BOT_OF_THE_DESK": " 1:a\n", "MAIL": "mailto://a:b@c, slack://d", "OTHER": "x"}

    assert set(secretos_de(alertas, entorno)) == {
        "1:a",
        "mailto://a:b@c, slack://d",
        "mailto://a:b@c",
        "slack://d",
    }
