"""Ways to damage the bytes of a file, by a seed.

To try another kind of damage, add a function to `WAYS`. The programs `try_model_files.py`,
`try_result_files.py` and `try_scan_files.py` damage files with `damage_bytes`.
"""

import random


def flip_bits(out, chance, n, first, second, length):
    for i in (chance.randrange(len(out)) for _ in range(n)):
        out[i] ^= 1 << chance.randrange(8)


def replace_bytes(out, chance, n, first, second, length):
    for i in (chance.randrange(len(out)) for _ in range(n)):
        out[i] = chance.choice((0, 255, 127, 128, chance.randrange(256)))


def zero_piece(out, chance, n, first, second, length):
    out[first : first + length] = bytes(length)


def swap_pieces(out, chance, n, first, second, length):
    pieces = out[first : first + length], out[second : second + length]
    out[first : first + length], out[second : second + length] = pieces[::-1]


def repeat_piece(out, chance, n, first, second, length):
    out[first:first] = out[second : second + length]


def remove_piece(out, chance, n, first, second, length):
    del out[first : first + length]


# Arguments: the bytes, the random numbers, a number of bytes, two positions, the length of a piece.
WAYS = (flip_bits, replace_bytes, zero_piece, swap_pieces, repeat_piece, remove_piece)


def damage_bytes(content: bytes, seed: int) -> bytes:
    """Return bytes damaged in one of the `WAYS`."""
    chance = random.Random(seed)
    out = bytearray(content)
    way = chance.choice(WAYS)
    n = chance.choice((1, 1, 2, 8, 64))
    length = min(chance.choice((1, 4, 8, 64, 512, 4096)), len(out) // 2)
    first, second = (chance.randrange(len(out) - length + 1) for _ in range(2))
    way(out, chance, n, first, second, length)
    return bytes(out)


def stretch_bytes(content: bytes, seed: int) -> bytes:
    """Return bytes with a piece repeated up to a megabyte, which reveals quadratic run times."""
    chance = random.Random(seed)
    length = min(chance.choice((1, 2, 10, 100, 1000)), len(content))
    start = chance.randrange(len(content) - length + 1)
    piece = content[start : start + length]
    return content[:start] + piece * (2**20 // length) + content[start:]


def damage_file(content: bytes, seed: int) -> bytes:
    """Return bytes cut off (a third of all seeds), stretched (a fiftieth) or damaged."""
    if seed % 50 == 1:
        return stretch_bytes(content, seed)
    if seed % 3 == 0:
        return content[: random.Random(seed).randrange(len(content))]
    return damage_bytes(content, seed)
