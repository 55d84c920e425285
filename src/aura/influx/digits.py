"""
Many numbers as text at once, exact to the last bit, without a compiler.

Each number becomes a *cell*: a row of bytes of fixed width in which NUL
stands for nothing, so that cells can be laid side by side and all NULs
dropped in one go. Floats are written with the 15 digits that most of them
have, else with 17, which always suffice; the product with a power of ten is
carried with twice the precision of a float [1]_.

References
----------
.. [1] Dekker (1971). A floating-point technique for extending the available
   precision. Numerische Mathematik, 18, 224-242.
   https://doi.org/10.1007/BF01397083
"""

from fractions import Fraction
from functools import cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from aura.recording import Bools, Floats

Cells = NDArray[np.uint8]
Integers = NDArray[np.int64]

FLOAT_WIDTH = 25
INTEGER_WIDTH = 21
DIGITS = 17
ZERO, POINT, MINUS, EXPONENT = b"0.-e"

# Beyond these, products with powers of ten leave the range of floats.
SMALLEST, LARGEST = 1e-250, 1e250
# As Python writes them: 1e-05 but 0.0001, 1e+16 but 1000000000000000.0.
FIRST_PLAIN, LAST_PLAIN = -4, 15
# The last power of ten that a float holds exactly.
EXACT_POWER = 22
# Row n keeps n of 17 digits, which stand at the end of 20 bytes.
FIRST_DIGITS = np.tri(DIGITS + 1, 20, 2, np.uint8)
LAST_DIGITS = np.tri(21, 20, -1, np.uint8)[:, ::-1].copy()
UNSIGNED_POWERS = np.array([10 ** power for power in range(20)], np.uint64)


def float_cells(values: NDArray[np.floating]) -> Cells:
    """
    Text of floats, from which the same floats are read back.

    Parameters
    ----------
    values : ndarray of float64 or float32, shape (n,)
        Finite values. A float32 is written as short as its own precision
        allows: 0.1, not 0.10000000149011612.

    Returns
    -------
    ndarray of uint8, shape (n, 25)
        ASCII, with NUL where there is no character.
    """
    single = values.dtype == np.float32
    exact = values.astype(np.float64)
    size = np.abs(exact)
    plain = (size >= SMALLEST) & (size <= LARGEST)
    size = np.where(plain, size, 1.0)
    mantissa, power = _scaled(size)
    mantissa, short = (_shorter_single if single else _shorter)(
        size, mantissa, power)
    # 9.999... may have become 10: that is one power of ten more.
    full = mantissa == 10 ** DIGITS
    mantissa[full] = 10 ** (DIGITS - 1)
    power += full
    cells = _laid_out(_digits(mantissa, power, short), power)
    cells[:, 0] = np.where(np.signbit(exact), MINUS, 0)
    for row in np.flatnonzero(~plain):
        cells[row] = _one_cell(float(values[row]))
    return cells


def integer_cells(values: Integers) -> Cells:
    """
    Text of integers.

    Parameters
    ----------
    values : ndarray of int64, shape (n,)
        Any integers.

    Returns
    -------
    ndarray of uint8, shape (n, 21)
        ASCII, with NUL where there is no character.
    """
    negative = values < 0
    size = values.astype(np.uint64)
    # In two's complement this is right for the smallest integer as well.
    size = magnitude = np.where(negative, ~size + np.uint64(1), size)
    cells = np.zeros((len(values), INTEGER_WIDTH), np.uint8)
    cells[:, 0] = np.where(negative, MINUS, 0)
    four = np.uint64(10_000)
    groups = np.empty((len(values), 5), np.uint32)
    for column in range(4, -1, -1):
        rest = size // four
        groups[:, column] = _four_digits()[size - rest * four]
        size = rest
    cells[:, 1:] = groups.view(np.uint8)
    if len(size):
        _drop_leading_zeros(cells[:, 1:], magnitude)
    return cells


def _drop_leading_zeros(digits: Cells, size: NDArray[np.uint64]) -> None:
    shortest, longest = len(str(size.min())), len(str(size.max()))
    digits[:, :20 - longest] = 0
    if shortest < longest:
        used = np.searchsorted(UNSIGNED_POWERS[1:], size, side="right") + 1
        digits *= LAST_DIGITS.take(used, axis=0)


def _scaled(size: Floats) -> tuple[Integers, Integers]:
    """Integers of 17 digits, and the powers of ten of the first digits."""
    # Each power of two spans at most one power of ten.
    binade = size.view(np.int64) >> 52
    power_below, next_power = _binades()
    power = power_below.take(binade)
    power += size >= next_power.take(binade)
    return _times_power_of_ten(size, DIGITS - 1 - power), power


def _times_power_of_ten(size: Floats, power: Integers) -> Integers:
    """Nearest integer of size * 10 ** power, below 2 ** 63."""
    high, low, top, bottom = (
        row.take(power + 300) for row in _powers_of_ten())
    product = size * high
    split = size * 134217729.0
    size_top = split - (split - size)
    size_bottom = size - size_top
    error = ((size_top * top - product) + size_top * bottom
             + size_bottom * top) + size_bottom * bottom
    error += size * low
    return product.astype(np.int64) + np.rint(error).astype(np.int64)


def _shorter(size: Floats, mantissa: Integers,
             power: Integers) -> tuple[Integers, Bools]:
    """Mantissas of 15 digits where these mean the same float."""
    short = (mantissa + 50) // 100
    same = _value(short, 14 - power) == size
    return np.where(same, short * 100, mantissa), same


def _shorter_single(size: Floats, mantissa: Integers,
                    power: Integers) -> tuple[Integers, Bools]:
    """Mantissas of 7 digits where these mean the same float32, else 9."""
    seven = (mantissa + 5 * 10 ** 9) // 10 ** 10
    same = _value(seven, 6 - power).astype(np.float32) == size
    nine = (mantissa + 5 * 10 ** 7) // 10 ** 8
    safe = (power > -30) & (power < 30)
    short = np.where(same, seven * 10 ** 10, np.where(
        safe & (nine < 10 ** 9), nine * 10 ** 8, mantissa))
    return short, same | safe


def _value(integers: Integers, places: Integers) -> Floats:
    """Integers over powers of ten, or NaN where floats cannot tell."""
    times, over = (row.take(places + 300) for row in _exact_powers())
    value: Floats = integers * times / over
    return value


def _digits(mantissa: Integers, power: Integers, short: Bools) -> Cells:
    """20 digits of each number; trailing zeros of short ones are NUL."""
    groups = np.empty((len(mantissa), 5), np.uint32)
    table = _four_digits()
    upper = mantissa // 10 ** 8
    lower = mantissa - upper * 10 ** 8
    first = upper // 10 ** 4
    groups[:, 2] = table[upper - first * 10 ** 4]
    groups[:, 0] = table[first // 10 ** 4]
    groups[:, 1] = table[first % 10 ** 4]
    third = lower // 10 ** 4
    groups[:, 3] = table[third]
    groups[:, 4] = table[lower - third * 10 ** 4]
    digits: Cells = groups.view(np.uint8)
    rows: Integers | slice = np.flatnonzero(short)
    if short.all():
        rows = slice(None)
    if short.any():
        # One digit stays behind the point: 120.0 is seen to be a float.
        some = power[rows]
        least = np.where((some < FIRST_PLAIN) | (some > LAST_PLAIN), 2,
                         np.maximum(some, -1) + 2)
        used = np.maximum(DIGITS - _trailing_zeros(mantissa[rows]), least)
        digits[rows] *= FIRST_DIGITS.take(used, axis=0)
    return digits


def _trailing_zeros(mantissa: Integers) -> Integers:
    zeros = np.zeros(len(mantissa), np.int64)
    for power in (1, 8, 4, 2, 1):
        shorter = mantissa // 10 ** power
        even = shorter * 10 ** power == mantissa
        zeros += power * even
        mantissa = np.where(even, shorter, mantissa)
    return zeros


def _laid_out(digits: Cells, power: Integers) -> Cells:
    """Put the point among the digits, or an exponent behind them."""
    order = np.argsort(power.astype(np.int16), kind="stable")
    digits = digits.take(order, axis=0)[:, -DIGITS:]
    power = power.take(order)
    cells = np.zeros((len(digits), FLOAT_WIDTH), np.uint8)
    steps = [0, *np.flatnonzero(np.diff(power)) + 1, len(power)]
    for start, stop in pairwise(steps):
        if start < stop:
            _place(cells[start:stop], digits[start:stop], int(power[start]))
    laid_out = np.empty_like(cells)
    # As one item per row, this is several times as fast as by bytes.
    row = np.dtype((np.void, FLOAT_WIDTH))
    laid_out.view(row).ravel()[order] = cells.view(row).ravel()
    return laid_out


def _place(cells: Cells, digits: Cells, power: int) -> None:
    if FIRST_PLAIN <= power < 0:
        start = 2 - power
        cells[:, 1:start] = ZERO
        cells[:, 2] = POINT
        cells[:, start:start + DIGITS] = digits
        cells[:, start - 1] = ZERO if power < -1 else POINT
        return
    whole = power + 1 if 0 <= power <= LAST_PLAIN else 1
    cells[:, 1:1 + whole] = digits[:, :whole]
    cells[:, 1 + whole] = POINT
    cells[:, 2 + whole:2 + DIGITS] = digits[:, whole:]
    if whole == 1 and power:
        text = f"e{power:+03d}".encode("ascii")
        cells[:, 19:19 + len(text)] = np.frombuffer(text, np.uint8)


def _one_cell(value: float) -> Cells:
    """The cell of a zero, or of a number at the end of the range."""
    text = repr(value).encode("ascii").ljust(FLOAT_WIDTH, b"\0")
    return np.frombuffer(text, np.uint8)


@cache
def _four_digits() -> NDArray[np.uint32]:
    """The text of 0000 to 9999, four bytes in one number."""
    text = "".join(f"{number:04d}" for number in range(10_000))
    return np.frombuffer(text.encode("ascii"), np.uint32)


@cache
def _powers_of_ten() -> tuple[Floats, Floats, Floats, Floats]:
    """10 ** -300 to 10 ** 300: value, what it lacks, and its two halves."""
    exact = [Fraction(10) ** power for power in range(-300, 301)]
    high = np.array([float(value) for value in exact])
    low = np.array([float(value - Fraction(float(value)))
                    for value in exact])
    split = high * 134217729.0
    top = split - (split - high)
    return high, low, top, high - top


@cache
def _binades() -> tuple[Integers, Floats]:
    """For each exponent of a float: the power of ten below, and the next."""
    exponents = np.arange(2048)
    starts = np.ldexp(1.0, np.clip(exponents - 1023, -1000, 1000))
    powers = [len(str(Fraction(start).numerator)) - 1 if start >= 1
              else -len(str(Fraction(start).denominator - 1))
              for start in starts.tolist()]
    # A quotient of integers is the nearest float, as 10.0 ** n is not.
    nexts = [10 ** (power + 1) / 1 if power >= 0
             else 1 / 10 ** -(power + 1) for power in powers]
    return np.array(powers), np.array(nexts)


@cache
def _exact_powers() -> tuple[Floats, Floats]:
    """Factor and divisor for 300 places before to 300 behind the point."""
    places = np.arange(-300, 301)
    times = 10.0 ** np.clip(-places, 0, EXACT_POWER)
    times[np.abs(places) > EXACT_POWER] = np.nan
    over = 10.0 ** np.clip(places, 0, EXACT_POWER)
    return times.astype(np.float64), over.astype(np.float64)
