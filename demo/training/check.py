"""Asserts that the fast forward of training equals transformers' own, in all modes and grids, on random weights."""
import os
import tempfile

import numpy as np
import torch
from PIL import Image
from tokenizers import Tokenizer

import vocabulary as voc
from batches import Texts, candidate_ids, logits, photograph, prefix_ids, run
from judge import Judge
from lists import Drawer
from model import GRIDS, FastForward, build
from train import CHECKPOINT, export


def main():
    tok = Tokenizer.from_file(os.path.join(CHECKPOINT, "tokenizer.json"))
    model = build(tok, 3)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(torch.randn_like(p) * .05)
    fast = FastForward(model)
    fast.cast(torch.float32)
    voc.QUERY_VARIANTS = voc.TITLE_VARIANTS = 1
    texts = Texts(tok, "cpu")
    with tempfile.TemporaryDirectory() as folder:
        export(model, folder)
        tok.save(os.path.join(folder, "tokenizer.json"))
        judge = Judge(folder, model)
    drawer, gen, cpu, k, worst = Drawer(4), torch.Generator().manual_seed(5), np.random.default_rng(5), 4, 0
    for i, grid in enumerate(GRIDS[: int(os.environ.get("GRIDS", 7))]):
        for mode in ("text-image", "image-image", "image-text", "text-text", "image-both"):
            query_grid = GRIDS[(i + 3) % len(GRIDS)]
            q = drawer.query(mode, "visual" if mode.startswith("text") else None, 0 if mode.startswith("text") else 1 + i % 3)
            items = torch.from_numpy(np.stack([drawer.proposal(q) for _ in range(k)]))
            titles = [drawer.writer.title(x) for x in items.numpy()]
            photo = lambda it, g: photograph(it, 28 * g[0], 28 * g[1], gen, cpu)
            query_photo, photos = photo(torch.from_numpy(q["item"])[None], query_grid), photo(items, grid)
            rows = lambda s, w: torch.from_numpy(voc.encode_rows(tok, s, w)).long()
            has = torch.tensor([q["picture"]])
            prefix = prefix_ids(texts, torch.zeros(1, dtype=torch.long), rows([(q["text"] or "") + "\n"], texts.queries.shape[1]), has, query_grid[0] * query_grid[1])
            prefix[:, :texts.heads.shape[1]] = rows([voc.HEAD % q["wording"]], texts.heads.shape[1])
            pictured, titled = mode.endswith(("image", "both")), mode.endswith(("text", "both"))
            ids = candidate_ids(texts, 1, k, rows(titles, 16)[None] if titled else None, grid[0] * grid[1] if pictured else None)
            with torch.no_grad():
                hidden = run(fast, texts, prefix, query_grid, fast.vision(query_photo) if q["picture"] else None, ids, grid, fast.vision(photos)[None] if pictured else None)
                got = torch.sigmoid(logits(fast, texts, hidden))[0]
            pil = lambda t: Image.fromarray(t.permute(1, 2, 0).numpy())
            want = [judge.score(q["wording"], (q["text"], [pil(query_photo[0])] if q["picture"] else []), (titles[j] if titled else None, [pil(photos[j])] if pictured else []))
                    for j in range(k)]
            worst = max(worst, (got - torch.tensor(want)).abs().max().item())
            print(grid, mode, [round(x, 4) for x in want], f"largest difference {worst:.1e}")
    assert worst < 2e-5, worst
    print("equal")


if __name__ == "__main__":
    main()
