"""Makes the demo shop: pictures as ordinary files and lists.jsonl in the product's request form, all from one seed.

    python shop.py --out .. --seed 7
"""
import argparse
import io
import json
import os
import shutil

import numpy as np
import torch
from PIL import Image

import catalog as cat
from lists import Drawer, ndcg
from render import camera, chance, draw

SIZES = [(96, 96), (112, 112), (128, 96), (96, 128), (160, 120), (120, 160), (128, 128), (144, 112), (176, 132), (160, 160), (192, 128), (128, 192), (200, 160), (224, 224), (256, 192), (192, 256), (256, 170)]


def photo(item, rng, noise=.02):
    """A picture of the item at one of the shop's sizes: PIL image."""
    width, height = SIZES[rng.integers(len(SIZES))]
    gen = torch.Generator().manual_seed(int(rng.integers(1 << 62)))
    picture = camera(draw(torch.as_tensor(item)[None], height, width, chance(1, gen)), gen, noise)
    return Image.fromarray((picture[0] * 255).round().byte().permute(1, 2, 0).numpy())


def encode(image, rng):
    """(bytes, extension): mostly JPEG of some quality, small ones sometimes PNG."""
    out = io.BytesIO()
    png = image.width * image.height < 16000 and rng.random() < .4
    image.save(out, "PNG", optimize=True) if png else image.save(out, "JPEG", quality=int(rng.integers(82, 95)))
    return out.getvalue(), "png" if png else "jpg"


class Shop:
    """A catalog of pictured products, filled with what its queries need and with others."""

    def __init__(self, seed):
        self.rng, self.drawer = np.random.default_rng(seed), Drawer(seed, "heldout")
        self.items, self.files, self.split = [], [], []

    def stock(self, item):
        self.items.append(np.asarray(item))
        return len(self.items) - 1

    def name(self, i):
        return f"{cat.PRODUCTS[self.items[i][0]]}-{i:03d}"

    def write_pictures(self, folder):
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(folder)
        for i, item in enumerate(self.items):
            data, kind = encode(photo(item, self.rng), self.rng)
            self.files.append(f"{self.name(i)}.{kind}")
            with open(os.path.join(folder, self.files[-1]), "wb") as f:
                f.write(data)


def plan(drawer_of):
    """What is asked: for each list mode, group, instruction, split, language."""
    out, turn = [], 0
    for mode in cat.MODES:
        for i in range(20):
            split, lang = ("heldout", "seen")[i % 2], ("en", "zh")[turn // 2 % 2]
            turn += 1
            if mode.startswith("text") and i < 16:
                asked = dict(group=cat.GROUPS[i // 2 % 4], instruction=cat.NEED)
            else:
                asked = dict(group=None, instruction=[cat.SIMILAR, cat.SAME_COLOUR, cat.SIMILAR, cat.SAME_KIND][i // 2 % 4])
            out.append(dict(mode=mode, split=split, lang=lang, **asked))
    return [(x, drawer_of[x["split"]].query(x["mode"], x["group"], x["instruction"], x["lang"])) for x in out]


def make(out, seed):
    shop, rng = Shop(seed), np.random.default_rng(seed + 1)
    drawers = {s: Drawer(seed + 2 + i, s) for i, s in enumerate(("heldout", "seen"))}
    asked = plan(drawers)
    for how, q in asked:                                        # stock a few products for every query about pictures
        q["query_picture"] = shop.stock(q["item"]) if q["picture"] else None
        if q["mode"].endswith("image"):
            d, room = drawers[how["split"]], {2: 4, 1: 3, 0: 2}
            for _ in range(3000):
                item = d.proposal(q)
                grade = int(cat.grades(q["required"], item))
                if room[grade] and (grade < 2 or d.is_heldout(item) == (how["split"] == "heldout")):
                    room[grade] -= 1
                    shop.stock(item)
    shop.write_pictures(os.path.join(out, "images"))
    queries = {q["query_picture"] for _, q in asked}
    shelf = [i for i in range(len(shop.items)) if i not in queries]
    shelf_items = np.stack([shop.items[i] for i in shelf])
    before, rows = [], []
    for n, (how, q) in enumerate(asked):
        d, size = drawers[how["split"]], int(rng.integers(30, 51))
        if q["mode"].endswith("image"):
            grade = cat.grades(q["required"], shelf_items)
            pick = lambda g, most: list(rng.permutation(np.flatnonzero(grade == g))[:most])
            chosen = pick(2, 6) + pick(1, 8)
            chosen += pick(0, size - len(chosen))
            chosen = rng.permutation(chosen)
            items, refs = shelf_items[chosen], [shelf[i] for i in chosen]
        else:
            items, _ = d.candidates(q, size)
            refs = [None] * size
        grade, score = cat.grades(q["required"], items), d.retrieval(q, items, noise=8.0)
        candidates = []
        for k in np.argsort(-score, kind="stable"):
            title = d.writer.title(items[k], how["lang"])
            name = shop.name(refs[k]) if refs[k] is not None else f"{cat.PRODUCTS[items[k][0]]}-t{n:02d}{k:02d}"
            candidates.append(dict(id=name, text=None if refs[k] is not None else title, images=[f"file:images/{shop.files[refs[k]]}"] if refs[k] is not None else [],
                                   retrieval_score=float(score[k]), attributes={"title": title, "sales": str(int(rng.lognormal(6, 1.3)))}, relevance=int(grade[k])))
        picture = [f"file:images/{shop.files[q['query_picture']]}"] if q["picture"] else []
        default = q["instruction"] == cat.NEED and n % 3 == 0
        row = dict(request_id=f"demo-{n + 1:03d}", instruction=None if default else q["wording"],
                   attributes=dict(group=q["group"], mode=q["mode"], split=how["split"], language=how["lang"], asks=cat.INSTRUCTION_NAMES[q["instruction"]]),
                   query=dict(text=q["text"], images=picture), candidates=candidates, top_n=None, timeout_ms=None)
        rows.append(row)
        if q["instruction"] == cat.SIMILAR:               # the same list again under the other instruction
            other = cat.grades(cat.requirement(cat.SAME_COLOUR, q["item"]), items)[np.argsort(-score, kind="stable")]
            rows.append(dict(row, request_id=row["request_id"] + "-colour", instruction=cat.INSTRUCTIONS[cat.SAME_COLOUR][0],
                             attributes=dict(row["attributes"], asks="same-colour", same_list_as=row["request_id"]),
                             candidates=[dict(c, relevance=int(g)) for c, g in zip(candidates, other)]))
    for row in rows:
        before.append(ndcg(np.array([c["relevance"] for c in row["candidates"]]), -np.arange(len(row["candidates"]))))
    with open(os.path.join(out, "lists.jsonl"), "w") as f:
        f.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    print(len(rows), "lists,", len(shop.items), "pictures, nDCG@10 of the retrieval order", round(float(np.mean(before)), 3))


if __name__ == "__main__":
    a = argparse.ArgumentParser()
    a.add_argument("--out", default=os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
    a.add_argument("--seed", type=int, default=7)
    a = a.parse_args()
    torch.set_num_threads(1)
    make(a.out, a.seed)
