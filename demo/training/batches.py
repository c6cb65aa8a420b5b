"""Batches made on the device: no sample is touched by Python.

A *list* is one prompt prefix (system, instruction, query) and K candidates. Its tokens lie in fixed slots
`[head | query picture | query text]` and, for each candidate, `[<Document>: | picture | title | tail]`; what a slot does
not use is masked out and takes no position, so the model sees exactly the prompt without gaps.
"""
import numpy as np
import torch

import catalog as cat
import vocabulary as voc
from model import GRIDS, IMAGE_TOKENS
from render import camera, chance, draw

SLOT = IMAGE_TOKENS + 2      # vision start, the picture's tokens, vision end
PICTURE = -2                 # marks a picture's token in an id tensor; -1 is an unused place


class Texts:
    """All texts as id tables on the device, -1 in unused places."""

    def __init__(self, tok, device, seed=1):
        queries, titles = voc.training_texts(seed)
        self.device, self.tok = device, tok
        put = lambda a: torch.from_numpy(a).to(device)
        self.queries = put(voc.encode_rows(tok, [q + "\n" if q else "" for q in queries]))
        self.titles = put(voc.encode_rows(tok, titles))
        self.starts = torch.tensor(voc.query_keys()[1], device=device)
        self.heads = put(voc.encode_rows(tok, [voc.HEAD % s for group in cat.INSTRUCTIONS for s in group]))
        sizes = [len(g) for g in cat.INSTRUCTIONS]
        self.head_start, self.head_count = (torch.tensor(x, device=device) for x in (np.cumsum([0] + sizes[:-1]), sizes))
        row = lambda s: put(voc.encode_rows(tok, [s]))[0].long()
        self.document, self.tail, self.newline = row(voc.DOCUMENT), row(voc.TAIL), row("\n")
        self.yes, self.no = tok.token_to_id("yes"), tok.token_to_id("no")
        self.vision_start, self.vision_end = tok.token_to_id("<|vision_start|>"), tok.token_to_id("<|vision_end|>")
        self.im_end = tok.token_to_id("<|im_end|>")
        named = np.zeros((len(cat.QUERY_KINDS), 5), bool)
        radix = np.zeros((len(cat.QUERY_KINDS), 5), np.int64)     # a query's place among its kind's = sum(value * radix)
        for i, (_, axes) in enumerate(cat.QUERY_KINDS):
            step = 1
            for a in reversed(axes):
                named[i, a], radix[i, a], step = True, step, step * cat.SIZES[a]
        self.named, self.radix = put(named), put(radix)

    def query_rows(self, kind, items):
        """Query texts of these kinds (B,) about items (B, 5): ids (B, width) with the newline that ends a query."""
        key = self.starts[kind] + (items * self.radix[kind]).sum(-1)
        return self.queries[key * voc.QUERY_VARIANTS + torch.randint(voc.QUERY_VARIANTS, key.shape, device=self.device)].long()

    def title_rows(self, items):
        key = cat.item_index(items)
        return self.titles[key * voc.TITLE_VARIANTS + torch.randint(voc.TITLE_VARIANTS, key.shape, device=self.device)].long()

    def title_queries(self, items):
        """Titles as query texts: as wide as query_rows, a newline at the end."""
        rows = self.title_rows(items)
        out = torch.full((len(rows), self.queries.shape[1]), -1, device=self.device)
        out[:, :rows.shape[1]] = rows
        return out.scatter_(1, (rows >= 0).sum(1, keepdim=True), self.newline[0].expand(len(rows), 1))

    def head_rows(self, instruction):
        """Prompt heads of instruction types (B,); the first wording half of the time."""
        pick = (torch.rand(len(instruction), device=self.device) * 2 - 1).clamp(min=0) * self.head_count[instruction]
        return self.heads[self.head_start[instruction] + pick.long()].long()


class Pictures:
    """Renders of every trainable item at every grid, renewed one grid at a time."""

    def __init__(self, device, seed=0, renders=2, items=None):
        self.device, self.renders = device, renders
        self.gen = torch.Generator(device).manual_seed(seed)
        self.cpu = np.random.default_rng(seed)
        every = cat.all_items()
        keep = every[~cat.read_heldout()[tuple(every[:, :3].T)]] if items is None else items
        self.items = torch.from_numpy(np.repeat(keep, renders, 0)).to(device)
        self.rank = torch.full((cat.ITEMS,), -1, dtype=torch.long, device=device)
        self.rank[cat.item_index(torch.from_numpy(keep).to(device))] = torch.arange(len(keep), device=device) * renders
        self.pools = [None] * len(GRIDS)

    def renew(self, g):
        rows, cols = GRIDS[g]
        if self.pools[g] is None:
            self.pools[g] = torch.empty(len(self.items), 3, 28 * rows, 28 * cols, dtype=torch.uint8, device=self.device)
        step = 1024
        for at in range(0, len(self.items), step):
            self.pools[g][at:at + step] = photograph(self.items[at:at + step], 28 * rows, 28 * cols, self.gen, self.cpu)

    def take(self, items, g):
        """One render of each item (..., 5) at grid g: (n, 3, H, W) uint8."""
        rank = self.rank[cat.item_index(items.reshape(-1, 5))]
        return self.pools[g][rank + torch.randint(self.renders, rank.shape, device=self.device)]


def photograph(items, height, width, gen, cpu):
    """uint8 pictures as they come out of resizing files: drawn at some other size and aspect, then resized."""
    dev, n = items.device, len(items)
    aspect = width / height * torch.exp((torch.rand(n, generator=gen, device=dev) - .5) * .36)
    scale = cpu.choice([.75, 1.0, 1.0, 1.5])
    picture = camera(draw(items, int(height * scale), int(width * scale), chance(n, gen, dev), aspect), gen)
    if scale != 1:
        picture = torch.nn.functional.interpolate(picture, (height, width), mode="bicubic", antialias=True).clamp(0, 1)
    return (picture * 255).round().byte()


# ---- layout -----------------------------------------------------------------------------------------------------------

def picture_slot(texts, shape, count, present):
    """Ids (*shape, SLOT) of a picture with `count` tokens where present (*shape) is true."""
    row = torch.full((SLOT,), -1, device=texts.device)
    row[0], row[1:count + 1], row[SLOT - 1] = texts.vision_start, PICTURE, texts.vision_end
    return torch.where(present.unsqueeze(-1), row, -1).expand(*shape, SLOT)


def prefix_ids(texts, instruction, query_text, has_picture, tokens):
    """(B, P): head, picture slot, query text with its newline."""
    b = len(instruction)
    ids = torch.cat((texts.head_rows(instruction), picture_slot(texts, (b,), tokens, has_picture), query_text), 1)
    return torch.nn.functional.pad(ids, (0, -ids.shape[1] % 8), value=-1)


def candidate_ids(texts, b, k, title_rows, tokens):
    """(B, K, C): document label, picture slot when tokens is given, title (B, K, T) when given, tail."""
    spread = lambda row: row.long().expand(b, k, -1)
    parts = [spread(texts.document)]
    if tokens is not None:
        parts.append(picture_slot(texts, (b, k), tokens, torch.ones(b, k, dtype=torch.bool, device=texts.device)))
    if title_rows is not None:
        parts.append(title_rows)
    parts.append(spread(texts.tail))
    ids = torch.cat(parts, -1)
    tail = len(texts.tail)
    gap = torch.full((b, k, -ids.shape[-1] % 8), -1, device=texts.device)
    return torch.cat((ids[..., :-tail], gap, ids[..., -tail:]), -1)


def positions(ids, grid, start=None):
    """M-RoPE positions (..., L, 3) of ids (..., L) that hold at most one picture of `grid`, and where the next token goes (..., 1)."""
    rows, cols = grid
    picture = ids == PICTURE
    nth = picture.long().cumsum(-1) - 1
    advance = (ids >= 0).long() + (picture & (nth == rows * cols - 1)) * max(rows, cols)
    at = advance.cumsum(-1) - advance + (0 if start is None else start)
    row, col = torch.where(picture, nth // cols, 0), torch.where(picture, nth % cols, 0)
    return torch.stack((at, at + row, at + col), -1), advance.sum(-1, keepdim=True)


def run(fast, texts, prefix, prefix_grid, query_vision, candidates, grid, vision):
    """Hidden states of the lists. prefix (B, P), candidates (B, K, C); query_vision (B, tokens, D) or None; vision (B, K, tokens, D) or None.

    Returns (B, K, D): after the final norm, at each candidate's last position.
    """
    b, p = prefix.shape
    _, k, c = candidates.shape
    embed = torch.nn.functional.embedding
    head, docs = embed(prefix.clamp(min=0), fast.table), embed(candidates.clamp(min=0), fast.table)
    if query_vision is not None:
        at, n = texts.heads.shape[1] + 1, query_vision.shape[1]
        head = torch.cat((head[:, :at], query_vision.to(head.dtype), head[:, at + n:]), 1)
    if vision is not None:
        at, n = len(texts.document) + 1, vision.shape[2]
        docs = torch.cat((docs[:, :, :at], vision.to(docs.dtype), docs[:, :, at + n:]), 2)
    where, length = positions(prefix, prefix_grid)
    where_docs, _ = positions(candidates, grid, length.unsqueeze(1))
    ids = torch.cat((prefix, candidates.flatten(1)), 1)
    segment = torch.cat((torch.full((p,), -1, device=ids.device), torch.arange(k, device=ids.device).repeat_interleave(c)))
    allowed = ((segment[None] == -1) | (segment[None] == segment[:, None])).tril()
    mask = allowed & (ids != -1)[:, None, None, :]
    x = fast.text(torch.cat((head, docs.flatten(1, 2)), 1), torch.cat((where, where_docs.flatten(1, 2)), 1), mask)
    return fast.final(x[:, p:].view(b, k, c, -1)[:, :, -1])


def logits(fast, texts, hidden):
    """log odds of yes, (...,)."""
    return hidden @ (fast.table[texts.yes] - fast.table[texts.no])
