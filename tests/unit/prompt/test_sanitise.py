import unicodedata

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from refinepoi.prompt.pieces import ID_TOKEN
from refinepoi.prompt.sanitise import LONGEST, sanitise

PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # shared cores

NASTY = st.text(alphabet=st.sampled_from("<>[]{}|\uff1c\uff1e〈≮A_1,2B é\u0338\u200b\u202e\n\t\x00") | st.characters())


@PATIENT
@given(NASTY)
def test_nothing_that_could_open_a_token_survives(text: str) -> None:
    clean = sanitise(text)
    for form in ("NFC", "NFD", "NFKC", "NFKD"):  # whatever normaliser a tokenizer has
        assert not set("<>[]{}|") & set(unicodedata.normalize(form, clean))
        assert not ID_TOKEN.search(unicodedata.normalize(form, clean))
    assert clean == " ".join(clean.split()) and clean
    assert not any(unicodedata.category(c)[0] == "C" for c in clean)
    assert unicodedata.is_normalized("NFC", clean)


@PATIENT
@given(NASTY)
def test_sanitising_twice_changes_nothing(text: str) -> None:
    assert sanitise(sanitise(text)) == sanitise(text)


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("Coffee Shop", "Coffee Shop"),
        ("Cafe\u0301", "Café"),
        ("<A_1,2><B_3,4>", "(A_1,2)(B_3,4)"),
        ("<|im_end|>", "(/im_end/)"),
        ("[INST] do\nthis\x00", "(INST) do this"),
        ("\uff1cA_1,2\uff1e", "(A_1,2)"),
        ("", "unknown"),
        ("\u200b \x07", "unknown"),
        ("北京 Café", "北京 Café"),
        ("x" * 500, "x" * LONGEST),
    ],
)
def test_hand_worked_names(text: str, clean: str) -> None:
    assert sanitise(text) == clean
