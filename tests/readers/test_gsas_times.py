"""Reader of GSAS files over the time of flight."""

import numpy as np
import pytest

from text_content import find_refusal, read_one_scan, read_text

COUNTS = "".join(f"{v:8d}" for v in range(1, 11))
MAP = (
    "TIME_MAP  7  7  1  TIME_MAP  100.0\n       1     100      10       5     140      20     200\n"
)


def test_times_of_gsas_points_are_kept():
    rows = "1005.0 5.5 0.5\n1015.05 6.5 0.6\n1025.2 7.5 0.7\n"
    for bins in ("SLOG 1000 1030 0.01 0", "RALF 32000 320 32000 0.01"):
        scan = read_one_scan(f"t\nBANK 1 3 3 {bins} FXYE\n{rows}")
        np.testing.assert_array_equal(scan.positions, [1005, 1015.05, 1025.2])
        np.testing.assert_array_equal(scan.errors, [0.5, 0.6, 0.7])
        assert (scan.kind, scan.axis.name, scan.axis.units) == ("other", "tof", "us")


def test_steps_of_gsas_slog_channels_grow_with_the_time():
    end = 1000 * 1.01**9
    scan = read_one_scan(f"t\nBANK 1 10 1 SLOG 1000 {end} 0.01 0 STD\n{COUNTS}\n")
    np.testing.assert_allclose(scan.positions, 1000 * 1.01 ** np.arange(10))
    np.testing.assert_array_equal(scan.intensity, np.arange(1, 11))
    assert scan.units == "counts"
    esd = "".join(f"{v:8.1f}{1:8.1f}" for v in range(1, 6))
    scan = read_one_scan(f"t\nBANK 1 5 1 SLOG 1000 1041 0.01 0 ESD\n{esd}\n")
    np.testing.assert_allclose(scan.positions, 1000 * 1.01 ** np.arange(5))


@pytest.mark.parametrize("order", [0, 1])
def test_gsas_time_maps_give_the_channels_their_times(order):
    parts = [MAP, f"BANK 1 7 1 TIME_MAP 7 0 0 0 STD\n{COUNTS[:56]}\n"]
    scan = read_one_scan("t\n" + "".join(parts[:: 1 - 2 * order]))
    # 100 ns a pulse: four channels of 10 pulses from 100 on, then of 20 from 140 to 200
    np.testing.assert_allclose(scan.positions, [10, 11, 12, 13, 14, 16, 18])
    np.testing.assert_array_equal(scan.intensity, np.arange(1, 8))


def test_gsas_banks_over_the_time_of_flight_have_numbers_and_no_monitor():
    bank = "BANK {} 3 3 SLOG 1000 1030 0.01 0 FXYE\n1005.0 5 1\n1015.05 6 1\n1025.2 7 1\n"
    scans = read_text("t\n" + "".join(bank.format(i) for i in range(3)))
    assert [scan.metadata["bank"] for scan in scans] == [1, 2]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"BANK 1 10 1 RALF 32000 320 32000 0.01 STD\n{COUNTS}\n", "RALF"),
        (f"BANK 1 10 1 SLOG 1000 2000 0.01 0 STD\n{COUNTS}\n", "end at 1093.69 us"),
        (f"BANK 1 10 1 SLOG 1000 1.2.3 0.01 0 STD\n{COUNTS}\n", "coefficients"),
        (f"BANK 1 10 1 SLOG 0 2000 0.01 0 STD\n{COUNTS}\n", "cannot be"),
        (f"BANK 1 10 1 TIME_MAP 3 0 0 0 STD\n{COUNTS}\n", "no time map 3"),
        (f"{MAP}BANK 1 10 1 TIME_MAP 7 0 0 0 STD\n{COUNTS}\n", "more than time map 7"),
        (f"{MAP}BANK 1 2 1 TIME_MAP 7 0 0 0 FXYE\n1 2 3\n2 3 4\n", "time map"),
        (f"{MAP.replace('140', '150')}BANK 1 7 1 TIME_MAP 7 0 0 0 STD\n{COUNTS}\n", "follow"),
        (f"{MAP.replace('  7  7', '  7 10')}BANK 1 7 1 TIME_MAP 7 STD\n{COUNTS}\n", "7 of 10"),
        ("BANK 1 2 2 SLOG 1000 1030 0.01 0 FXYE\n1.005 5 1\n1.015 6 1\n", "not in us"),
        ("BANK 1 2 2 RALF 32000 320 32000 0.01 FXYE\n32160 5 1\n32480 6 1\n", "not in us"),
    ],
)
def test_gsas_times_that_are_not_known_are_refused(text, said):
    assert said in find_refusal("t\n" + text)
