"""Trains the demo checkpoint on pictures drawn as it goes, in runs that can be cut and resumed.

    python train.py --out RUN1 --minutes 9 --total 17
    python train.py --out RUN2 --minutes 9 --total 17 --resume RUN1

The schedule (learning rate, difficulty) follows the share of --total minutes that has passed, so that it ends in time on any machine.

--out receives state-*.pt (resume), model.safetensors + config (usable at once) and curve.jsonl.
"""
import argparse
import copy
import json
import math
import os
import time

import numpy as np
import torch
from tokenizers import Tokenizer

import vocabulary as voc
from batches import Pictures, Texts, candidate_ids, logits, photograph, prefix_ids, run
from lessons import Heads, Lessons
from lists import report, standard
from phrases import Writer
from model import GRIDS, MAX_PIXELS, MIN_PIXELS, FastForward, build

HERE = os.path.dirname(os.path.abspath(__file__))
CHECKPOINT = os.path.join(HERE, "..", "checkpoint")


# ---- judging lists quickly ------------------------------------------------------------------------------------------------

@torch.no_grad()
def score_lists(fast, texts, lists, gen, cpu, k=10):
    """Scores of each list's candidates; every list at its own pair of grids, on fresh pictures."""
    out = []
    for l in lists:
        grid, query_grid = GRIDS[cpu.integers(len(GRIDS))], GRIDS[cpu.integers(len(GRIDS))]
        items = torch.from_numpy(l["items"]).to(fast.device)
        b = len(items) // k
        text = voc.encode_rows(texts.tok, [(l["text"] or "") + "\n"], texts.queries.shape[1])
        head = voc.encode_rows(texts.tok, [voc.HEAD % l["wording"]], texts.heads.shape[1])
        put = lambda a: torch.from_numpy(a).to(fast.device).long()
        query_vision = None
        if l["picture"]:
            query = torch.from_numpy(l["item"])[None].to(fast.device)
            query_vision = fast.vision(photograph(query, 28 * query_grid[0], 28 * query_grid[1], gen, cpu)).expand(b, -1, -1)
        has = torch.full((b,), l["picture"], device=fast.device)
        prefix = prefix_ids(texts, torch.zeros(b, dtype=torch.long, device=fast.device), put(text).expand(b, -1), has, query_grid[0] * query_grid[1])
        prefix[:, :head.shape[1]] = put(head)
        if l["mode"].endswith("image"):
            seen = fast.vision(photograph(items, 28 * grid[0], 28 * grid[1], gen, cpu))
            hidden = run(fast, texts, prefix, query_grid, query_vision, candidate_ids(texts, b, k, None, seen.shape[1]), grid, seen.view(b, k, *seen.shape[1:]))
        else:
            titles = put(voc.encode_rows(texts.tok, l["titles"], texts.titles.shape[1]))
            hidden = run(fast, texts, prefix, query_grid, query_vision, candidate_ids(texts, b, k, titles.view(b, k, -1), None), (1, 1), None)
        out.append(logits(fast, texts, hidden).float().view(-1).cpu().numpy())
    return out


def evaluate(fast, texts, seed=77, per_mode=12, switches=2):
    fast.cast(torch.float32)
    lists, pairs = standard(seed, per_mode, switches)
    writer = Writer(seed)
    for l in lists + [x for p in pairs for x in p]:
        l["titles"] = [writer.title(i) for i in l["items"]]
    for a, b in pairs:
        b["titles"] = a["titles"]
    gen, cpu = torch.Generator(fast.device).manual_seed(seed), np.random.default_rng(seed)
    scores = score_lists(fast, texts, lists, gen, cpu)
    flat = score_lists(fast, texts, [x for p in pairs for x in p], gen, cpu)
    return report(lists, scores, pairs, list(zip(flat[0::2], flat[1::2])))


# ---- saving -----------------------------------------------------------------------------------------------------------

def save_state(out, model, heads, step, minutes):
    """Float32 weights in two files of at most 16 MB each; the optimizer starts anew after a short warm-up."""
    tensors = list(model.state_dict().items())
    for part in range(2):
        torch.save({"step": step, "minutes": minutes, "heads": heads.state_dict() if part else {}, "model": {k: v.cpu().clone() for k, v in tensors[part::2] if k != "lm_head.weight"}},
                   os.path.join(out, f"state-{part}.pt"))


def load_state(path, model, heads):
    parts = [torch.load(os.path.join(path, f"state-{i}.pt"), map_location="cpu") for i in range(2)]
    missing, unexpected = model.load_state_dict({**parts[0]["model"], **parts[1]["model"]}, strict=False)
    assert not unexpected and set(missing) <= {"lm_head.weight"}, (missing, unexpected)
    heads.load_state_dict(parts[1]["heads"])
    return parts[1]["step"], parts[1]["minutes"]


def export(model, path):
    """The checkpoint as published ones are: bf16, original tensor names, config and preprocessor settings."""
    os.makedirs(path, exist_ok=True)
    small = copy.deepcopy(model).cpu().to(torch.bfloat16)
    small.config.dtype = torch.bfloat16
    small.save_pretrained(path)
    mean, std = [0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711]
    with open(os.path.join(path, "preprocessor_config.json"), "w") as f:
        json.dump(dict(image_processor_type="Qwen2VLImageProcessor", do_convert_rgb=True, do_resize=True, do_rescale=True, do_normalize=True, resample=3,
                       rescale_factor=1 / 255, image_mean=mean, image_std=std, min_pixels=MIN_PIXELS, max_pixels=MAX_PIXELS,
                       size={"shortest_edge": MIN_PIXELS, "longest_edge": MAX_PIXELS}, patch_size=14, temporal_patch_size=2, merge_size=2), f, indent=2)


# ---- the loop ---------------------------------------------------------------------------------------------------------

def rate(step, progress, resumed_at, peak):
    warm = min(1, (step + 1) / 300, (step - resumed_at + 1) / 60)
    return peak * warm * (.01 + .99 * .5 * (1 + math.cos(math.pi * min(1, progress))))


def main():
    a = argparse.ArgumentParser()
    a.add_argument("--out", required=True)
    a.add_argument("--resume")
    a.add_argument("--total", type=float, default=17, help="minutes of the whole training")
    a.add_argument("--minutes", type=float, default=9, help="of this run; it then saves and stops")
    a.add_argument("--groups", type=int, default=128)
    a.add_argument("--lr", type=float, default=8e-4)
    a.add_argument("--seed", type=int, default=1)
    a.add_argument("--eval-every", type=float, default=2, help="minutes")
    a.add_argument("--renders", type=int, default=2)
    a.add_argument("--grids", type=int, default=len(GRIDS), help="use the first n grids only (for trying out)")
    a = a.parse_args()
    begin = time.time()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.set_float32_matmul_precision("high")
    os.makedirs(a.out, exist_ok=True)
    tok = Tokenizer.from_file(os.path.join(CHECKPOINT, "tokenizer.json"))
    voc.check_seams(tok)
    model = build(tok, a.seed).to(device)
    heads = Heads(model.config.text_config.hidden_size).to(device)
    step, minutes = load_state(a.resume, model, heads) if a.resume else (0, 0.0)
    resumed_at = step
    fast = FastForward(model)
    texts = Texts(tok, device)
    print(f"{sum(p.numel() for p in model.parameters()) / 1e6:.2f} M parameters, texts ready after {time.time() - begin:.1f} s", flush=True)
    pictures, grids = Pictures(device, a.seed + step, a.renders), GRIDS[:a.grids]
    for g in range(len(grids)):
        pictures.renew(g)
    print(f"{len(pictures.items) * len(grids)} pictures after {time.time() - begin:.1f} s", flush=True)
    lessons = Lessons(fast, heads, texts, pictures, a.groups, a.seed + step)
    decay = [p for p in model.parameters() if p.dim() > 1]
    other = [p for p in model.parameters() if p.dim() <= 1] + list(heads.parameters())
    weights = decay + other
    optimizer = torch.optim.AdamW([{"params": decay, "weight_decay": .02}, {"params": other, "weight_decay": 0.0}], lr=a.lr, betas=(.9, .98), eps=1e-8, fused=device == "cuda")
    choose = np.random.default_rng(a.seed + step)
    curve, seen, started = open(os.path.join(a.out, "curve.jsonl"), "a"), {}, time.time()
    skipped = torch.zeros((), device=device)
    spent, judged_at = minutes, minutes
    while spent < min(a.total, minutes + a.minutes):
        spent = minutes + (time.time() - begin) / 60
        progress = spent / a.total
        for group in optimizer.param_groups:
            group["lr"] = rate(step, progress, resumed_at, a.lr)
        fast.cast(torch.bfloat16 if device == "cuda" else torch.float32)
        grid, query_grid = choose.integers(len(grids), size=2)
        loss, parts = lessons.step(progress, grid, query_grid, grids)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(weights, 1.0)
        fine = torch.isfinite(norm)
        skipped += ~fine
        for p in weights:                      # a step that is not finite becomes a step of zero, without asking the device
            if p.grad is not None:
                p.grad = torch.where(fine, p.grad, 0.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        step += 1
        for key, value in parts.items():
            seen[key] = seen.get(key, 0) * .98 + value * .02
        if step % 75 == 0:
            pictures.renew(int(choose.integers(len(grids))))
        if step % 250 == 0 or step - resumed_at == 20:
            torch.cuda.synchronize() if device == "cuda" else None
            row = {"step": step, "minutes": round(spent, 2), "ms": round((time.time() - started) / (step - resumed_at) * 1000, 1), "skipped": int(skipped),
                   **{k: round(float(v) / (1 - .98 ** (step - resumed_at)), 4) for k, v in seen.items()}}
            if spent - judged_at > a.eval_every:
                row["heldout"], judged_at = evaluate(fast, texts), spent
            curve.write(json.dumps(row) + "\n")
            curve.flush()
            print(json.dumps({k: v if k != "heldout" else {"ndcg": {m: x["after"] for m, x in v["ndcg_at_10"]["by_mode"].items()},
                                                          "switch": v["instruction_switch"]["first_right_under_both"]["all"]} for k, v in row.items()}), flush=True)
        if device == "cuda" and step % 8 == 0:
            torch.cuda.synchronize()           # the clock that ends the run must not run ahead of the device
    minutes += (time.time() - begin) / 60
    save_state(a.out, model, heads, step, minutes)
    export(model, a.out)
    print(json.dumps(evaluate(fast, texts, seed=78)["ndcg_at_10"]["by_mode"]))
    print(f"stopped at step {step} after {minutes:.2f} minutes in all", f"{torch.cuda.max_memory_allocated() / 2**30:.1f} GiB" if device == "cuda" else "", flush=True)


if __name__ == "__main__":
    main()
