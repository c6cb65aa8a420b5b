"""The drawn catalog: what a product is, how it is called, and which combinations are held out.

An item is five small integers, always in this order: product, colour, pattern, style, scene.
A *requirement* is the same five with -1 where nothing is asked.
"""
import os

import numpy as np

PRODUCTS = ["mug", "handbag", "lamp", "dress", "jacket", "shoe", "chair", "hat", "umbrella", "vase", "t-shirt", "sofa"]
COLOURS = ["red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "white", "black"]
PATTERNS = ["plain", "striped", "dotted", "checked"]
STYLES = ["simple", "cute", "luxury", "sporty"]
SCENES = ["studio", "beach", "home", "office", "garden", "snow"]
AXES = ["product", "colour", "pattern", "style", "scene"]
NAMES = [PRODUCTS, COLOURS, PATTERNS, STYLES, SCENES]
SIZES = [len(n) for n in NAMES]
PRODUCT, COLOUR, PATTERN, STYLE, SCENE = range(5)
ITEMS = int(np.prod(SIZES))

# Which attributes a query names, by group. Every query names the product: by its name, or by what it is for.
QUERY_KINDS = [
    ("function", (0,)), ("function", (0, 1)), ("function", (0, 2)), ("function", (0, 1, 2)),
    ("visual", (0, 1)), ("visual", (0, 2)), ("visual", (0, 1, 2)),
    ("style", (0, 3)), ("style", (0, 1, 3)), ("style", (0, 2, 3)), ("style", (0, 1, 2, 3)),
    ("scenario", (0, 4)), ("scenario", (0, 1, 4)), ("scenario", (0, 2, 4)), ("scenario", (0, 3, 4)), ("scenario", (0, 1, 2, 4)),
]
GROUPS = ["scenario", "style", "function", "visual"]
MODES = ["text-text", "text-image", "image-text", "image-image"]

# What an instruction asks for. The first sentence of each is the one the demo shop uses.
NEED, SIMILAR, SAME_COLOUR, SAME_KIND = range(4)
INSTRUCTION_NAMES = ["need", "similar", "same-colour", "same-kind"]
INSTRUCTIONS = [
    ["Given a web search query, retrieve relevant passages that answer the query.",
     "Given an e-commerce search query, rank product titles by their relevance to the user's need.",
     "Given a shopping query, retrieve products that meet every wish",
     "根据搜索词，找出符合要求的商品"],
    ["Given a product image and description, retrieve similar products",
     "Given a product, retrieve the same product with the same attributes",
     "找出与该商品相同的商品"],
    ["Given a product, retrieve products of the same colour",
     "Given a product image, find items that have the same color",
     "找出颜色相同的商品"],
    ["Given a product, retrieve products of the same kind",
     "Given a product image, find items of the same type in any color",
     "找出同一类的商品"],
]
FOCUS = {SIMILAR: (0, 1, 2, 3), SAME_COLOUR: (1,), SAME_KIND: (0,)}   # scene is never part of an item's identity

HELDOUT_FILE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "heldout.txt")


def item_index(items):
    """Items (..., 5) -> index (...) in 0..ITEMS; works on numpy and torch."""
    index = items[..., 0]
    for axis in range(1, 5):
        index = index * SIZES[axis] + items[..., axis]
    return index


def all_items():
    """Every item there is, (ITEMS, 5), in the order of item_index."""
    return np.stack(np.unravel_index(np.arange(ITEMS), SIZES), -1)


def draw_heldout(seed=2026, share=0.15):
    """Product x colour x pattern combinations that training never sees: (12, 10, 4) of bool."""
    total = SIZES[0] * SIZES[1] * SIZES[2]
    flat = np.zeros(total, bool)
    flat[np.random.default_rng(seed).permutation(total)[: round(total * share)]] = True
    return flat.reshape(SIZES[:3])


def write_heldout(path=HELDOUT_FILE):
    with open(path, "w") as f:
        f.write("# product colour pattern: combinations never used in training, neither as picture nor as text\n")
        for p, c, t in np.argwhere(draw_heldout()):
            f.write(f"{PRODUCTS[p]} {COLOURS[c]} {PATTERNS[t]}\n")


def read_heldout(path=HELDOUT_FILE):
    """The same as (12, 10, 4) of bool, read from the file that is shipped."""
    held = np.zeros(SIZES[:3], bool)
    for line in open(path):
        if line.strip() and not line.startswith("#"):
            p, c, t = line.split()
            held[PRODUCTS.index(p), COLOURS.index(c), PATTERNS.index(t)] = True
    return held


def requirement(instruction, items, named=(0, 1, 2, 3, 4)):
    """What candidates must show: for NEED the named attributes, else what the instruction looks at."""
    axes = named if instruction == NEED else [a for a in FOCUS[instruction] if a in named]
    out = np.full_like(items, -1)
    out[..., list(axes)] = items[..., list(axes)]
    return out


def grades(required, items):
    """2: everything asked holds. 1: the asked product, one other attribute off. 0: the rest.

    required (..., 5) and items (..., 5) broadcast; works on numpy and torch.
    """
    off = (required >= 0) & (items != required)
    count = off.sum(-1)
    near = (required[..., 0] >= 0) & ~off[..., 0] & (count == 1)
    return (count == 0) * 2 + near * 1


if __name__ == "__main__":
    write_heldout()
    print(int(read_heldout().sum()), "combinations held out")
