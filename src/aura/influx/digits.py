"""
Many numbers as text at once, exact to the last bit, without a compiler.

The text of a number is a *cell*: some words of 8 bytes, in which NUL stands
for nothing, so that cells can be laid side by side and all NULs dropped in
one go. All work is on words: digits are looked up four at a time, and the
point is put among them by a shift. A float is written with the 15 digits
that most floats have, else with 17, which always suffice (7 and 9 in single
precision); the product with a power of ten is carried with twice the
precision of a float [1]_.

References
----------
.. [1] Dekker (1971). A floating-point technique for extending the available
   precision. Numerische Mathematik, 18, 224-242.
   https://doi.org/10.1007/BF01397083
"""

from fractions import Fraction
from functools import cache

import numpy as np
from numpy.typing import NDArray

from aura.recording import Floats

Words = NDArray[np.uint64]
Integers = NDArray[np.int64]

WORD = 8
# Words of a cell: sign and leading zeros, 8 or 16 digits, the last digit
# and the exponent; for integers 4, 8 and 7 digits.
DOUBLE_WORDS, SINGLE_WORDS, INTEGER_WORDS = 4, 3, 3
DOUBLE_DIGITS, SINGLE_DIGITS = 17, 9
MINUS = ord("-")

# Beyond these, products with powers of ten leave the range of floats.
SMALLEST, LARGEST = 1e-250, 1e250
# As Python writes it: 0.0001 but 1e-05.
FIRST_PLAIN = -4
# The last power of ten that a float holds exactly.
EXACT_POWER = 22
# Tables by powers of ten begin here.
FIRST_POWER = -300
POWERS = range(FIRST_POWER, -FIRST_POWER + 1)
# Bits of 0 to 7 bytes, and what `_as_zeros` adds to and keeps of each byte.
EIGHT = np.arange(0, 64, 8, dtype=np.uint64)
FIFTEENS, SIXTEENS = np.uint64(0x0f0f0f0f0f0f0f0f), np.uint64(
    0x1010101010101010)


def float_cells(values: NDArray[np.floating]) -> tuple[Words, ...]:
    """Text of floats, from which the same floats are read back."""
    single = values.dtype == np.float32
    exact = values.astype(np.float64)
    size = np.abs(exact)
    plain = (size >= SMALLEST) & (size <= LARGEST)
    all_plain = bool(plain.all())
    if not all_plain:
        size = np.where(plain, size, 1.0)
    digits = SINGLE_DIGITS if single else DOUBLE_DIGITS
    mantissa, power = _single(size) if single else _double(size)
    # 9.999... may have become 10: that is one power of ten more.
    full = mantissa == 10 ** digits
    if full.any():
        mantissa[full] = 10 ** (digits - 1)
        power += full
    if not all_plain:
        # All digits of a zero are zero.
        mantissa *= plain
    cells = _laid_out(mantissa, power, digits)
    cells[0] |= (exact.view(np.uint64) >> np.uint64(63)) * np.uint64(MINUS)
    if not all_plain:
        for row in np.flatnonzero(~plain & (exact != 0)):
            text = repr(float(values[row])).encode("ascii")
            for word, place in zip(cells, range(0, 32, WORD)):
                word[row] = _word(text[place:place + WORD])
    return tuple(cells)


def integer_cells(values: Integers, end: str = "") -> tuple[Words, ...]:
    """Text of integers."""
    negative = values < 0
    # In two's complement this is right for the smallest integer as well.
    size = np.abs(values).view(np.uint64)
    upper = size // 10 ** 7
    lower = size - upper * 10 ** 7
    top = upper // 10 ** 8
    high: Words = _four_digits().take(top.view(np.int64)) << EIGHT[4]
    cells = [high,
             _eight_digits((upper - top * 10 ** 8).view(np.int64)),
             _eight_digits((lower * 10).view(np.int64))]
    if len(size):
        shortest, longest = len(str(size.min())), len(str(size.max()))
        if shortest == longest:
            shown = [table[longest] for table in _last_digits()]
        else:
            count = np.searchsorted(
                10 ** np.arange(1, 19, dtype=np.uint64), size, "right") + 1
            shown = [table.take(count) for table in _last_digits()]
        for cell, zeros in zip(cells, shown):
            cell |= zeros
    cells[0] |= negative * np.uint64(MINUS << 24)
    cells[2] |= _word(end.encode("ascii").rjust(WORD, b"\0"))
    return tuple(cells)


def _double(size: Floats) -> tuple[Integers, Integers]:
    """Integers of 17 digits, and the powers of ten of the first digits."""
    power = _power(size)
    mantissa = _times_power_of_ten(size, DOUBLE_DIGITS - 1 - power)
    short = (mantissa + 50) // 100
    same = _value(short, 14 - power) == size
    return np.where(same, short * 100, mantissa), power


def _single(size: Floats) -> tuple[Integers, Integers]:
    """The same of 9 digits, for floats of single precision."""
    power = _power(size)
    # Nine digits are six times as fine as such floats: one product will do.
    scaled = size * _powers_of_ten()[0].take(
        SINGLE_DIGITS - 1 - FIRST_POWER - power)
    nine = np.rint(scaled).astype(np.int64)
    seven = np.rint(scaled / 100).astype(np.int64)
    same = _value(seven, 6 - power).astype(np.float32) == size
    return np.where(same, seven * 100, nine), power


def _power(size: Floats) -> Integers:
    # Each power of two spans at most one power of ten.
    binade = size.view(np.int64) >> 52
    power_below, next_power = _binades()
    power = power_below.take(binade)
    power += size >= next_power.take(binade)
    return power


def _times_power_of_ten(size: Floats, power: Integers) -> Integers:
    """Nearest integer of size * 10 ** power, below 2 ** 63."""
    place = power - FIRST_POWER
    high, low, top, bottom = (row.take(place) for row in _powers_of_ten())
    product = size * high
    split = size * 134217729.0
    size_top = split - (split - size)
    size_bottom = size - size_top
    error = ((size_top * top - product) + size_top * bottom
             + size_bottom * top) + size_bottom * bottom
    error += size * low
    return product.astype(np.int64) + np.rint(error).astype(np.int64)


def _value(integers: Integers, places: Integers) -> Floats:
    """Integers over powers of ten, or NaN where floats cannot tell."""
    times, over = (row.take(places - FIRST_POWER) for row in _exact_powers())
    value: Floats = integers * times / over
    return value


def _laid_out(mantissa: Integers, power: Integers,
              digits: int) -> list[Words]:
    """Words of digits without trailing zeros, point, and exponent."""
    rest = mantissa // 10
    last = (mantissa - rest * 10).view(np.uint64)
    if digits == SINGLE_DIGITS:
        numbers = [rest]
    else:
        upper = rest // 10 ** 8
        numbers = [upper, rest - upper * 10 ** 8]
    place = power - FIRST_POWER
    prefix, *kept, fixed_end = (
        table.take(place) for table in _patterns(digits))
    # From the end: what is moved out of a word by the point comes into the
    # next, and a digit is shown if any behind it is.
    words, shown = list[Words](), last
    for number in reversed(numbers):
        word = _eight_digits(number)
        shown = _with_earlier(word | shown << EIGHT[7])
        words.insert(0, word | _as_zeros(shown))
        shown = shown & np.uint64(0xff)
    end: Words = (last | _as_zeros(last)) << EIGHT[1] | fixed_end
    cells: list[Words] = [prefix]
    moved: Words = np.zeros_like(last)
    for word, keep, fixed in zip(words, kept[::2], kept[1::2]):
        before = word & keep
        behind = word ^ before
        cells.append(before | behind << EIGHT[1] | fixed | moved)
        moved = behind >> EIGHT[7]
    return [*cells, end | moved]


def _with_earlier(word: Words) -> Words:
    """Each byte, or with all bytes behind it."""
    for count in (1, 2, 4):
        word = word | word >> EIGHT[count]
    return word


def _as_zeros(word: Words) -> Words:
    """The character 0 in each byte that is 1 to 15, and NUL where it is 0."""
    zeros: Words = (word + FIFTEENS & SIXTEENS) * np.uint64(3)
    return zeros


def _eight_digits(numbers: Integers) -> Words:
    """The digits of integers below 10 ** 8, each as a number in a byte."""
    upper = numbers // 10_000
    table = _four_digits()
    digits: Words = table.take(upper) | (
        table.take(numbers - upper * 10_000) << EIGHT[4])
    return digits


def _word(text: bytes) -> np.uint64:
    return np.uint64(int.from_bytes(text.ljust(WORD, b"\0"), "little"))


@cache
def _four_digits() -> Words:
    """The digits of 0 to 9999, each as a number in a byte."""
    places = np.array([1000, 100, 10, 1])
    digits = np.arange(10_000)[:, None] // places % 10
    table: Words = (digits.astype(np.uint64) << EIGHT[:4]).sum(
        axis=1, dtype=np.uint64)
    return table


@cache
def _last_digits() -> tuple[Words, ...]:
    """For the last n of 19 digits: zeros to make characters of them."""
    texts = [(b"0" * count).rjust(23, b"\0") + b"\0" for count in range(20)]
    return tuple(np.array([_word(text[place:place + WORD]) for text in texts])
                 for place in range(0, 24, WORD))


@cache
def _patterns(digits: int) -> tuple[Words, ...]:
    """What stands in cells besides digits, for each power of ten."""
    rows = []
    for power in POWERS:
        whole, prefix, exponent = 1, "", f"e{power:+03d}"
        if FIRST_PLAIN <= power <= digits - 2:
            whole, exponent = max(power + 1, 0), ""
        if not whole:
            prefix = "0." + "0" * (-power - 1)
        # One digit stays behind the point: 120.0 is seen to be a float.
        fixed = (b"0" * whole + b".0" if whole else b"").ljust(
            digits + 1, b"\0") + exponent.encode("ascii")
        keep = b"\xff" * (whole or digits)
        row = [_word(b"\0" + prefix.encode("ascii"))]
        for place in range(0, digits - 1, WORD):
            row += [_word(keep[place:place + WORD]),
                    _word(fixed[place:place + WORD])]
        rows.append([*row, _word(fixed[digits - 1:])])
    return tuple(np.array(column) for column in zip(*rows))


@cache
def _powers_of_ten() -> tuple[Floats, Floats, Floats, Floats]:
    """10 ** -300 to 10 ** 300: value, what it lacks, and its two halves."""
    exact = [Fraction(10) ** power for power in POWERS]
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
    places = np.array(POWERS)
    times = 10.0 ** np.clip(-places, 0, EXACT_POWER)
    times[np.abs(places) > EXACT_POWER] = np.nan
    over = 10.0 ** np.clip(places, 0, EXACT_POWER)
    return times.astype(np.float64), over.astype(np.float64)
