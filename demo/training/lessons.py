"""What one training step is made of: groups of nine pictures, the lists asked about them, and the losses.

A group is a base item and eight candidates that differ from it in nothing, one attribute, two, or all. The same eight
are asked about by a text query, a picture query, and as titles, under several instructions: what is right for one is
wrong for another, so neither words nor pictures can be ignored.
"""
import torch
import torch.nn.functional as F

import catalog as cat
from batches import SLOT, candidate_ids, logits, picture_slot, positions, prefix_ids, run

K = 8                                        # candidates of a list
TARGET = torch.tensor([0.0, 0.3, 1.0])       # what a grade is worth as probability of yes
# share of candidates that differ from the base in: scene only, one attribute, two, all but colour, all but product, all
DIFFER = torch.tensor([.20, .42, .14, .08, .08, .08])
EASY = torch.tensor([.5, 1, 1, .3, 1.2, 1.2, .6, 1.2, .4, .4, .1, 1.2, .4, .4, .4, .1])     # kinds of query at the start ...
HARD = torch.tensor([.5, 1, .8, 1.2, 1, .8, 2.2, .7, 1.2, 1.0, 1.2, .8, 1.2, 1.0, .8, 1.4])  # ... and from a third of the way on


class Heads(torch.nn.Module):
    """Training-only readers, thrown away at export: attributes of a picture, and which of them a candidate violates."""

    def __init__(self, hidden):
        super().__init__()
        self.attributes = torch.nn.Linear(hidden, sum(cat.SIZES))
        self.matches = torch.nn.Linear(hidden, 5 * 3)


class Lessons:
    def __init__(self, fast, heads, texts, pictures, groups, seed):
        self.fast, self.heads, self.texts, self.pictures, self.groups = fast, heads, texts, pictures, groups
        self.device = fast.device
        self.held = torch.from_numpy(cat.read_heldout()).to(self.device)
        self.target = TARGET.to(self.device)
        torch.manual_seed(seed)

    # ---- items ----

    def allowed(self, items):
        return ~self.held[items[..., 0], items[..., 1], items[..., 2]]

    def random_items(self, *shape):
        """Uniform trainable items (*shape, 5)."""
        n = len(self.pictures.items)
        return self.pictures.items[torch.randint(n, shape, device=self.device)]

    def vary(self, base):
        """Candidates (G, K, 5) of the base items (G, 5), none of them held out."""
        g = len(base)
        base = base.unsqueeze(1).expand(g, K, 5)
        out, done = base.clone(), torch.zeros(g, K, dtype=torch.bool, device=self.device)
        for _ in range(4):
            how = torch.multinomial(DIFFER.to(self.device), g * K, True).view(g, K, 1)
            rank = torch.rand(g, K, 5, device=self.device).argsort(-1)
            change = (how == 1) & (rank == 0) | (how == 2) & (rank <= 1) | (how >= 3)
            change[..., cat.COLOUR] &= how[..., 0] != 3
            change[..., cat.PRODUCT] &= how[..., 0] != 4
            change[..., cat.SCENE] |= (how[..., 0] == 0) | (torch.rand(g, K, device=self.device) < .3)
            other = self.random_items(g, K)
            step = torch.stack([torch.randint(1, s, (g, K), device=self.device) for s in cat.SIZES], -1)
            other = torch.where((how <= 2), (base + step) % torch.tensor(cat.SIZES, device=self.device), other)   # really different
            trial = torch.where(change, other, base)
            take = ~done & self.allowed(trial)
            out, done = torch.where(take.unsqueeze(-1), trial, out), done | take
        return out

    # ---- questions ----

    def kinds(self, n, progress):
        mix = min(1.0, progress * 3)
        weights = EASY / EASY.sum() * (1 - mix) + HARD / HARD.sum() * mix
        return torch.multinomial(weights.to(self.device), n, True)

    def ask(self, base, kind, with_picture, picture_share_text=.2):
        """Questions about the base items: (instruction (B,), query text ids (B, W), requirement (B, 5)).

        with_picture (B,) bool: the query is the base's picture (sometimes with its title), else words of `kind` or a title.
        """
        b, dev = len(base), self.device
        chance = torch.rand(b, device=dev)
        text_ins = torch.where(chance < .74, 0, torch.where(chance < .83, 1, torch.where(chance < .93, 2, 3)))
        picture_ins = torch.where(chance < .1, 0, torch.where(chance < .5, 1, torch.where(chance < .78, 2, 3)))
        instruction = torch.where(with_picture, picture_ins, text_ins)
        words = self.texts.query_rows(kind, base)
        title = self.texts.title_queries(base)
        empty = torch.full_like(words, -1)
        empty[:, 0] = self.texts.newline[0]
        said_colour = self.texts.named[kind, cat.COLOUR] | (instruction == cat.SAME_KIND)
        plain_words = (instruction == cat.NEED) | (said_colour & (instruction >= 2) & (torch.rand(b, device=dev) < .5))
        text = torch.where(plain_words.unsqueeze(1), words, title)
        beside = (torch.rand(b, device=dev) < picture_share_text).unsqueeze(1)
        text = torch.where(with_picture.unsqueeze(1), torch.where(beside, title, empty), text)
        axes = torch.zeros(4, 5, dtype=torch.bool, device=dev)
        for ins, focus in cat.FOCUS.items():
            axes[ins, list(focus)] = True
        asked = axes[instruction]
        asked = torch.where(((instruction == cat.NEED) & ~with_picture).unsqueeze(1), self.texts.named[kind], asked)
        asked = torch.where(((instruction == cat.NEED) & with_picture).unsqueeze(1), axes[cat.SIMILAR], asked)
        return instruction, text, torch.where(asked, base, -1)

    # ---- one step ----

    def judged(self, hidden, required, items):
        """Losses of lists: yes/no against the grade, and which attribute fails. hidden (B, K, D), required (B, 5), items (B, K, 5)."""
        required = required.unsqueeze(1)
        want = self.target[cat.grades(required, items)]
        score = logits(self.fast, self.texts, hidden)
        state = torch.where(required < 0, 0, torch.where(items == required, 1, 2))
        match = F.cross_entropy(self.heads.matches(hidden).view(-1, 3), state.view(-1))
        right = ((score > 0) == (want > .5)).float().mean()
        return F.binary_cross_entropy_with_logits(score, want), match, right

    def caption(self, vision, items, grid):
        """Loss of telling a title after its picture: vision (B, tokens, D)."""
        b, n = vision.shape[:2]
        title = self.texts.title_rows(items)
        slot = picture_slot(self.texts, (b,), n, torch.ones(b, dtype=torch.bool, device=self.device))
        ids = torch.cat((slot, title), 1)
        ids = F.pad(ids, (0, 8 - ids.shape[1] % 8), value=-1)
        x = F.embedding(ids.clamp(min=0), self.fast.table)
        x = torch.cat((x[:, :1], vision.to(x.dtype), x[:, n + 1:]), 1)
        where, _ = positions(ids, grid)
        mask = torch.ones(ids.shape[1], ids.shape[1], dtype=torch.bool, device=self.device).tril() & (ids != -1)[:, None, None, :]
        hidden = self.fast.final(self.fast.text(x, where, mask)[:, SLOT - 1:-1])
        want = ids[:, SLOT:].clone()
        want[:, 1:] = torch.where((want[:, 1:] == -1) & (want[:, :-1] >= 0), self.texts.im_end, want[:, 1:])
        return F.cross_entropy((hidden @ self.fast.table.T).flatten(0, 1), want.flatten(), ignore_index=-1)

    def step(self, progress, grid, query_grid, grids):
        """Total loss and its parts. grid, query_grid: indices into grids (rows, columns)."""
        g, dev, texts, fast = self.groups, self.device, self.texts, self.fast
        shape, query_shape = grids[grid], grids[query_grid]
        base, kind = self.random_items(g), self.kinds(g, progress)
        needs_scene = texts.named[kind, cat.SCENE] & (base[:, cat.SCENE] == 0)
        base[:, cat.SCENE] = torch.where(needs_scene, torch.randint(1, cat.SIZES[cat.SCENE], (g,), device=dev), base[:, cat.SCENE])
        items = self.vary(base)
        seen = fast.vision(self.pictures.take(items, grid))
        seen_query = fast.vision(self.pictures.take(base, query_grid))
        vision = seen.view(g, K, *seen.shape[1:])
        n, nq = seen.shape[1], seen_query.shape[1]
        yes, no = torch.ones(g, dtype=torch.bool, device=dev), torch.zeros(g, dtype=torch.bool, device=dev)

        # pictures judged for words, and for a picture
        asked = [torch.cat(x) for x in zip(self.ask(base, kind, no), self.ask(base, kind, yes))]
        prefix = prefix_ids(texts, asked[0], asked[1], torch.cat((no, yes)), nq)
        hidden = run(fast, texts, prefix, query_shape, torch.cat((seen_query, seen_query)), candidate_ids(texts, 2 * g, K, None, n), shape, torch.cat((vision, vision)))
        want = torch.cat((items, items))
        parts = {}
        parts["text-image"] = self.judged(hidden[:g], asked[2][:g], want[:g])
        parts["image-image"] = self.judged(hidden[g:], asked[2][g:], want[g:])

        # titles judged for words, and for a picture
        half = torch.arange(g, device=dev) % 2 == 0
        kind2 = self.kinds(g, progress)
        kind2 = torch.where(texts.named[kind2, cat.SCENE] & (base[:, cat.SCENE] == 0), 6, kind2)
        ask2 = self.ask(base, kind2, half)
        hidden = run(fast, texts, prefix_ids(texts, ask2[0], ask2[1], half, nq), query_shape, seen_query,
                     candidate_ids(texts, g, K, texts.title_rows(items), None), (1, 1), None)
        parts["image-text"] = self.judged(hidden[0::2], ask2[2][0::2], items[0::2])
        parts["text-text"] = self.judged(hidden[1::2], ask2[2][1::2], items[1::2])

        # pictures with titles
        q = g // 4
        ask3 = self.ask(base[:q], kind2[:q], half[:q], .6)
        hidden = run(fast, texts, prefix_ids(texts, ask3[0], ask3[1], half[:q], nq), query_shape, seen_query[:q],
                     candidate_ids(texts, q, K, texts.title_rows(items[:q]), n), shape, vision[:q])
        parts["both"] = self.judged(hidden, ask3[2], items[:q])

        caption = self.caption(seen_query, base, query_shape) + self.caption(vision[:, 0], items[:, 0], shape)
        see = lambda v, i: sum(F.cross_entropy(l, i[:, a]) for a, l in enumerate(self.heads.attributes(v.float().mean(1)).split(cat.SIZES, 1)))
        probe = see(seen_query, base) + see(seen, items.flatten(0, 1))
        weight = {"text-image": 1.0, "image-image": 1.0, "image-text": .6, "text-text": .4, "both": .2}
        judge = sum(weight[m] * parts[m][0] for m in parts)
        match = sum(weight[m] * parts[m][1] for m in parts)
        aux = 1.0 if progress < .5 else max(.2, 2 - 2 * progress)
        loss = judge + .5 * aux * match + .25 * aux * caption + .15 * aux * probe
        report = {"judge": judge, "match": match, "caption": caption / 2, "probe": probe / 2, **{"right " + m: parts[m][2] for m in parts}}
        return loss, {k: v.detach() for k, v in report.items()}
