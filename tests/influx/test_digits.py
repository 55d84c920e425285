"""Numbers written by many at once read back as the numbers they were."""

import numpy as np
import pytest
from hypothesis import given, strategies as st

from aura.influx.digits import float_cells, integer_cells


def texts(cells):
    return [row.astype("<u8").tobytes().replace(b"\0", b"").decode("ascii")
            for row in np.stack(cells, axis=1)]


def check(values):
    """All values read back, sign of zero included."""
    for start in range(0, len(values), 20_000):
        part = values[start:start + 20_000]
        back = np.array(texts(float_cells(part)), float).astype(part.dtype)
        assert back.tobytes() == part.tobytes()


RNG = np.random.default_rng(1)
POWERS = np.array([float(f"1e{power}") for power in range(-323, 309)])


def test_random_bits_read_back():
    bits = RNG.integers(0, 2 ** 64, 150_000, dtype=np.uint64)
    values = bits.view(np.float64)
    check(values[np.isfinite(values)])


def test_random_bits_of_single_precision_read_back():
    bits = RNG.integers(0, 2 ** 32, 100_000, dtype=np.uint32)
    values = bits.view(np.float32)
    check(values[np.isfinite(values)])


@pytest.mark.parametrize("scale", [1e-6, 1e-3, 1, 70, 1e4, 1e9])
@pytest.mark.parametrize("places", [0, 2, 4, 17])
def test_measured_values_read_back(scale, places):
    check(np.round(RNG.normal(size=10_000) * scale, places))


def test_samples_of_a_converter_read_back():
    check(np.arange(-32768, 32768) * (10 / 65535) - 5)


def test_powers_of_ten_and_their_neighbours_read_back():
    check(np.concatenate([POWERS, np.nextafter(POWERS, 0), -POWERS,
                          np.nextafter(POWERS, np.inf)]))
    single = POWERS[(POWERS > 1e-44) & (POWERS < 1e38)].astype(np.float32)
    check(np.concatenate([single, np.nextafter(single, np.float32(0)),
                          np.nextafter(single, np.float32(np.inf))]))


def test_powers_of_two_read_back():
    check(np.ldexp(1.0, np.arange(-1074, 1024)))


@pytest.mark.parametrize("value, text", [
    (0.0, "0.0"), (-0.0, "-0.0"), (120.0, "120.0"), (1 / 3, "0.333333343"),
    (1e-4, "0.0001"), (16777217.0, "16777216.0"), (1e9, "1.0e+09"),
    (1e-45, "1.40129846e-45"), (3.4028235e38, "3.40282347e+38")])
def test_examples_of_single_precision(value, text):
    assert texts(float_cells(np.array([value], np.float32))) == [text]


@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False)))
def test_any_single_float_reads_back_from_nine_digits(values):
    column = np.array(values, np.float32)
    for text, value in zip(texts(float_cells(column)) if values else [],
                           column):
        back = np.float32(text)
        assert back == value and np.signbit(back) == np.signbit(value)
        digits = text.split("e")[0].replace(".", "").strip("-0")
        assert len(digits) <= 9


def test_zeros_among_other_numbers_read_back():
    values = RNG.normal(size=1000)
    values[::3], values[::5] = 0.0, -0.0
    values[1::97], values[2::101] = 5e-324, 1.5e308
    check(values)
    check(values.clip(-1, 1).astype(np.float32))


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False)))
def test_any_float_reads_back(values):
    check(np.array(values, float))


@given(st.lists(st.decimals(-10 ** 6, 10 ** 6, places=4), min_size=1))
def test_short_decimals_stay_short(values):
    column = np.array([float(value) for value in values])
    for text, value in zip(texts(float_cells(column)), column):
        if abs(value) >= .0001:
            assert text == repr(float(value))


@given(st.lists(st.integers(-2 ** 63, 2 ** 63 - 1)))
def test_any_integer_is_written_as_python_does(values):
    column = np.array(values, np.int64)
    assert texts(integer_cells(column)) == [str(value) for value in values]


@pytest.mark.parametrize("value, text", [
    (0.0, "0.0"), (-0.0, "-0.0"), (1.0, "1.0"), (-12.5, "-12.5"),
    (.1, "0.1"), (1e-4, "0.0001"), (1.25e-5, "1.25e-05"),
    (1e15, "1000000000000000.0"), (1e16, "1.0e+16"), (1e23, "1.0e+23"),
    (5e-324, "5e-324"), (123456.789, "123456.789"), (1e-300, "1e-300"),
    (1e100, "1.0e+100"), (2 / 3, "0.66666666666666663"), (120.0, "120.0"),
    (12345678901234.5, "12345678901234.5"), (9999999.5, "9999999.5")])
def test_examples(value, text):
    assert texts(float_cells(np.array([value]))) == [text]
