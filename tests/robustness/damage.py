"""Ways in which bytes get damaged, by a seed."""

import random


def damaged(content: bytes, seed: int) -> bytes:
    """Return bytes of which some are flipped, replaced, zeroed, swapped, doubled or left out."""
    chance = random.Random(seed)
    out = bytearray(content)
    way = chance.choice(("flip", "replace", "zero", "swap", "double", "leave out"))
    some = range(chance.choice((1, 1, 2, 8, 64)))
    length = min(chance.choice((1, 4, 8, 64, 512, 4096)), len(out) // 2)
    at, to = (chance.randrange(len(out) - length + 1) for _ in range(2))
    if way == "flip":
        for i in (chance.randrange(len(out)) for _ in some):
            out[i] ^= 1 << chance.randrange(8)
    elif way == "replace":
        for i in (chance.randrange(len(out)) for _ in some):
            out[i] = chance.choice((0, 255, 127, 128, chance.randrange(256)))
    elif way == "zero":
        out[at : at + length] = bytes(length)
    elif way == "swap":
        first, second = out[at : at + length], out[to : to + length]
        out[at : at + length], out[to : to + length] = second, first
    elif way == "double":
        out[at:at] = out[to : to + length]
    else:
        del out[at : at + length]
    return bytes(out)
