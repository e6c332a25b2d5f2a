"""Text of files in older encodings."""

from pathlib import Path

import pytest

from xrdae.readers.data_file import DataFile


@pytest.mark.parametrize(
    "text", ['*FILE_SAMPLE "酸化チタン"\n', "試料: テスト, 25 °C\n".replace(" °C", " ℃")]
)
def test_japanese_text_in_shift_jis_is_japanese(text):
    assert DataFile(Path("a.ras"), text.encode("cp932")).text == text


@pytest.mark.parametrize(
    "text",
    [
        "T = 25 °C, 2θ".replace("θ", "th"),
        "Société générale, réélu, naïveté, été",
        "Königsberg, größe, Übung, Ärger",
        "µm, Å, ±, ×, ½",
        "°2Th.",
        "Espectrómetro de difracción, señal, año",
        "Mätning på prov, Åäö",
    ],
)
def test_text_in_latin_1_stays_as_it_is(text):
    assert DataFile(Path("a.xy"), text.encode("latin-1")).text == text
