"""Measures a checkpoint through transformers' own forward in float32, from encoded image files.

    python evaluate.py --seed 2027 --per-mode 40 --switches 10     fresh lists of 50, right answers from held-out combinations
    python evaluate.py --lists ../lists.jsonl --record recorded_scores.jsonl     the demo shop, and scores to compare with
    python evaluate.py --lists ../lists.jsonl --titles                           its pictured candidates, each with its title beside the picture
"""
import argparse
import io
import json
import multiprocessing
import os
import time

import numpy as np
import torch
from PIL import Image

from judge import Judge
from lists import ndcg, report, standard
from phrases import Writer
from shop import encode, photo

HERE = os.path.dirname(os.path.abspath(__file__))


def start(checkpoint):
    global JUDGE
    torch.set_num_threads(1)
    JUDGE = Judge(checkpoint)


def score_group(job):
    """Scores of lists that share query and candidates under different instructions; every picture goes through an encoded file."""
    seed, asked = job
    rng, writer, l = np.random.default_rng(seed), Writer(seed), asked[0]

    def side(item, pictured, text):
        return (text, [Image.open(io.BytesIO(encode(photo(item, rng), rng)[0]))] if pictured else [])

    pictured = l["mode"].endswith("image")
    query = side(l["item"], l["picture"], l["text"])
    docs = [side(i, pictured, None if pictured else writer.title(i)) for i in l["items"]]
    out = [np.array([JUDGE.score(x["wording"], query, d) for d in docs]) for x in asked]
    JUDGE.seen.clear()
    return out


def fresh(checkpoint, seed, per_mode, switches, split, jobs):
    """The report on newly drawn lists."""
    lists, pairs = standard(seed, per_mode, switches, split)
    work = [(seed * 100_000 + i, g) for i, g in enumerate([[l] for l in lists] + pairs)]
    with multiprocessing.get_context("spawn").Pool(jobs, start, (checkpoint,)) as pool:
        scores = pool.map(score_group, work, 4)
    return report(lists, [s[0] for s in scores[:len(lists)]], pairs, scores[len(lists):])


def shop_lists(judge, path, record, count, titles=False, seed=3):
    """The demo shop's nDCG, and `count` recorded pairs spread over all its lists."""
    folder, rows, rng = os.path.dirname(os.path.abspath(path)), [json.loads(x) for x in open(path)], np.random.default_rng(seed)
    full = lambda s: (s["text"], [os.path.join(folder, i[len("file:"):]) for i in s["images"]])
    if titles:
        rows = [r for r in rows if r["attributes"]["mode"].endswith("image")]
        for row in rows:
            row["candidates"] = [dict(c, text=c["attributes"]["title"]) for c in row["candidates"]]
    table, scored = {}, []
    for row in rows:
        scores = [judge.score(row["instruction"], full(row["query"]), full(c)) for c in row["candidates"]]
        grade = np.array([c["relevance"] for c in row["candidates"]])
        at = row["attributes"]
        for key in ("all", "mode " + at["mode"], "group " + at["group"], "asks " + at["asks"], "split " + at["split"], "language " + at["language"]):
            table.setdefault(key, []).append((ndcg(grade, -np.arange(len(grade))), ndcg(grade, scores)))
        scored.append((row["request_id"], scores))
    if record:
        share = np.diff(np.linspace(0, count, len(scored) + 1).round().astype(int))
        with open(record, "w") as f:
            for (name, scores), n in zip(scored, share):
                for k in sorted(int(i) for i in rng.choice(len(scores), n, replace=False)):
                    f.write(json.dumps(dict(request_id=name, candidate_index=k, score=scores[k])) + "\n")
    return {k: {"lists": len(v), "before": round(float(np.mean(v, 0)[0]), 4), "after": round(float(np.mean(v, 0)[1]), 4)} for k, v in sorted(table.items())}


if __name__ == "__main__":
    a = argparse.ArgumentParser()
    a.add_argument("--checkpoint", default=os.path.join(HERE, "..", "checkpoint"))
    a.add_argument("--seed", type=int, default=2027)
    a.add_argument("--per-mode", type=int, default=40)
    a.add_argument("--switches", type=int, default=10)
    a.add_argument("--split", default="heldout", choices=["heldout", "seen"])
    a.add_argument("--jobs", type=int, default=os.cpu_count())
    a.add_argument("--lists")
    a.add_argument("--record")
    a.add_argument("--titles", action="store_true")
    a.add_argument("--count", type=int, default=200)
    a = a.parse_args()
    begin = time.time()
    if a.lists:
        result = shop_lists(Judge(a.checkpoint), a.lists, a.record, a.count, a.titles)
    else:
        result = dict(fresh(a.checkpoint, a.seed, a.per_mode, a.switches, a.split, a.jobs), seed=a.seed, split=a.split, seconds=round(time.time() - begin))
    print(json.dumps(result, indent=1))
