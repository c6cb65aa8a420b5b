"""Lists to judge the model by: a query, candidates with grades, and the order a cheap retriever would give them."""
import numpy as np

import catalog as cat
from phrases import Writer

KINDS_OF = {g: [i for i, k in enumerate(cat.QUERY_KINDS) if k[0] == g] for g in cat.GROUPS}
# instruction a picture (or a title) is asked with -> the group it is counted in
GROUP_OF = {cat.SIMILAR: "visual", cat.SAME_COLOUR: "visual", cat.SAME_KIND: "function"}


class Drawer:
    """Draws lists by seed. split 'heldout': the query and everything fully right come from combinations never trained on;
    'seen': nothing does."""

    def __init__(self, seed, split="heldout"):
        self.rng, self.writer = np.random.default_rng(seed), Writer(seed + 1)
        self.split, self.held = split, cat.read_heldout()

    def is_heldout(self, item):
        return self.held[item[0], item[1], item[2]]

    def item(self, split=None):
        want = (split or self.split) == "heldout"
        while True:
            item = self.rng.integers(0, cat.SIZES)
            if split == "any" or self.is_heldout(item) == want:
                return item

    def change(self, item, axes):
        """The item with each of these axes set to another value."""
        out = item.copy()
        for a in axes:
            out[a] = (out[a] + self.rng.integers(1, cat.SIZES[a])) % cat.SIZES[a]
        return out

    def query(self, mode, group=None, instruction=cat.NEED, lang=None, base=None):
        """What is asked: dict with item, required, text (None for a bare picture), picture (bool), instruction, wording, group, mode."""
        base = self.item() if base is None else base
        picture = mode.startswith("image")
        kind = None
        if instruction == cat.NEED:
            kind = self.rng.choice(KINDS_OF[group])
            _, named = cat.QUERY_KINDS[kind]
            if cat.SCENE in named and base[cat.SCENE] == 0:
                base = base.copy()
                base[cat.SCENE] = self.rng.integers(1, cat.SIZES[cat.SCENE])
            required = cat.requirement(cat.NEED, base, named)
            text = self.writer.query(group, required, lang)
        else:
            required = cat.requirement(instruction, base)
            text = None if picture else self.writer.title(base, lang)
        return dict(mode=mode, group=group or GROUP_OF[instruction], instruction=instruction, wording=cat.INSTRUCTIONS[instruction][0], item=base,
                    required=required, text=text, picture=picture, split=self.split)

    def proposal(self, q):
        """A candidate item somewhere between right and unrelated."""
        item, required = q["item"], q["required"]
        free = [a for a in range(5) if required[a] < 0]
        asked = [a for a in range(5) if required[a] >= 0]
        out = item.copy()
        for a in free:
            if self.rng.random() < .7:
                out[a] = self.rng.integers(cat.SIZES[a])
        form = self.rng.random()
        if form < .3:
            return out
        if form < .7:
            return self.change(out, [self.rng.choice(asked)])
        if form < .85:
            return self.change(out, self.rng.choice(asked, min(2, len(asked)), replace=False))
        return self.item("any")

    def candidates(self, q, size=50, right=(4, 8), near=(6, 12)):
        """Items (size, 5) and grades (size,), shuffled."""
        room = {2: self.rng.integers(*right), 1: self.rng.integers(*near)}
        room[0], out = size - room[2] - room[1], []
        tries = 0
        while len(out) < size:
            tries += 1
            item = self.proposal(q) if tries < 20000 else self.item("any")
            grade = int(cat.grades(q["required"], item))
            if tries > 4000:                                            # no grade 1 under this requirement: fill with others
                room[0], room[1] = room[0] + room[1], 0
            fits = self.is_heldout(item) == (self.split == "heldout") if grade == 2 else (self.split == "heldout" or not self.is_heldout(item))
            if room[grade] > 0 and fits:
                room[grade] -= 1
                out.append(item)
        items = self.rng.permutation(np.stack(out))
        return items, cat.grades(q["required"], items)

    def retrieval(self, q, items, noise=4.0):
        """Scores of a first-stage retriever that sees the gist of an item and little else."""
        same = (items == q["item"]) @ np.array([1.0, .6, .4, .3, .3])
        return np.round(20 + 3 * (same + noise * self.rng.standard_normal(len(items))), 3)

    def full(self, mode, group=None, instruction=cat.NEED, size=50, lang=None):
        q = self.query(mode, group, instruction, lang)
        items, grade = self.candidates(q, size)
        return dict(q, items=items, grades=grade, retrieval=self.retrieval(q, items))

    def switch(self, mode, first, size=50, each=5):
        """One query and one candidate list under two instructions whose right answers are disjoint.

        first SAME_KIND or SIMILAR, against SAME_COLOUR. Returns the two lists; 'best' marks the right candidates of each.
        """
        a = self.query(mode, None, first)
        b = dict(a, instruction=cat.SAME_COLOUR, wording=cat.INSTRUCTIONS[cat.SAME_COLOUR][0], required=cat.requirement(cat.SAME_COLOUR, a["item"]), group="visual")
        base, groups = a["item"], {"first": [], "colour": [], "rest": []}
        room = {"first": each, "colour": each, "rest": size - 2 * each}
        while sum(map(len, groups.values())) < size:
            item = self.item("any")
            form = self.rng.random()
            if form < .3:
                item = self.change(base, [cat.COLOUR] if first == cat.SIMILAR else self.rng.choice([cat.COLOUR, cat.PATTERN, cat.STYLE], 2, replace=False))
                item[cat.SCENE] = self.rng.integers(cat.SIZES[cat.SCENE])
            elif form < .6:
                item[cat.COLOUR] = base[cat.COLOUR]
            same_colour = item[cat.COLOUR] == base[cat.COLOUR]
            alike = item[0] == base[0] if first == cat.SAME_KIND else cat.grades(a["required"], item) > 0
            if same_colour and item[0] == base[0]:
                continue
            name = "colour" if same_colour else "first" if alike else "rest"
            if len(groups[name]) < room[name]:
                groups[name].append(item)
        items = np.stack(groups["first"] + groups["colour"] + groups["rest"])
        mark = np.repeat([1, 2, 0], [each, each, size - 2 * each])
        order = self.rng.permutation(size)
        items, mark = items[order], mark[order]
        return [dict(x, items=items, grades=cat.grades(x["required"], items), best=mark == k, retrieval=self.retrieval(x, items)) for k, x in ((1, a), (2, b))]


def standard(seed, per_mode=16, switches=8, split="heldout"):
    """The lists quality is reported on: per_mode lists of each mode, and `switches` pairs for each of two modes and two pairs of instructions."""
    d, lists = Drawer(seed, split), []
    for mode in cat.MODES:
        for i in range(per_mode):
            if mode.startswith("text"):
                asked = dict(group=cat.GROUPS[i % 4]) if i % 8 < 7 else dict(instruction=[cat.SIMILAR, cat.SAME_COLOUR, cat.SAME_KIND][i // 8 % 3])
            else:
                asked = dict(instruction=[cat.SIMILAR, cat.SAME_COLOUR, cat.SIMILAR, cat.SAME_KIND][i % 4])
            lists.append(d.full(mode, **asked))
    pairs = [d.switch(mode, first) for mode in ("image-image", "image-text", "text-image", "text-text") for first in (cat.SIMILAR, cat.SAME_KIND) for _ in range(switches)]
    return lists, pairs


# ---- measures -----------------------------------------------------------------------------------------------------------

def ndcg(grade, score, k=10):
    """nDCG@k with linear gain, ties by the given order; 0 when nothing is relevant."""
    order = np.argsort(-np.asarray(score), kind="stable")
    discount = 1 / np.log2(np.arange(2, k + 2))
    gain = lambda g: float((g[:k] * discount[:len(g[:k])]).sum())
    best = gain(np.sort(grade)[::-1])
    return gain(np.asarray(grade)[order]) / best if best else 0.0


def report(lists, scores, pairs, pair_scores):
    """Before and after by mode, group and instruction, and how often the instruction switch is right."""
    def mean_by(key):
        out = {}
        for l, s in zip(lists, scores):
            out.setdefault(key(l), []).append((ndcg(l["grades"], l["retrieval"]), ndcg(l["grades"], s)))
        return {k: {"lists": len(v), "before": round(float(np.mean(v, 0)[0]), 4), "after": round(float(np.mean(v, 0)[1]), 4)} for k, v in sorted(out.items())}
    out = {"ndcg_at_10": {"all": mean_by(lambda l: "all")["all"], "by_mode": mean_by(lambda l: l["mode"]), "by_group": mean_by(lambda l: l["group"]),
                          "by_instruction": mean_by(lambda l: cat.INSTRUCTION_NAMES[l["instruction"]])}}
    top1, top5, ordered = {}, {}, {}
    for (a, b), (sa, sb) in zip(pairs, pair_scores):
        sa, sb = np.asarray(sa), np.asarray(sb)
        right = [float(l["best"][np.argmax(s)]) for l, s in ((a, sa), (b, sb))]
        five = [float(l["best"][np.argsort(-s)[:5]].mean()) for l, s in ((a, sa), (b, sb))]
        x, y = a["best"], b["best"]
        both = (sa[x][:, None] > sa[y][None]) & (sb[y][None] > sb[x][:, None])
        key = f"{cat.INSTRUCTION_NAMES[a['instruction']]}/same-colour {a['mode']}"
        for table, value in ((top1, min(right)), (top5, np.mean(five)), (ordered, both.mean())):
            for k in (key, "all"):
                table.setdefault(k, []).append(float(value))
    mean = lambda t: {k: round(float(np.mean(v)), 4) for k, v in t.items()}
    out["instruction_switch"] = {"lists": len(pairs), "first_right_under_both": mean(top1), "precision_at_5": mean(top5), "pairs_ordered_right_under_both": mean(ordered)}
    return out

