"""The tokenizer (byte-level BPE as Qwen2.5's, small vocabulary) and the token tables that batches are gathered from.

A prompt is pieces whose seams the pre-tokenizer always cuts (`>:` before text, `\\n` or a control token after), so
encoding the pieces apart gives the ids of encoding each run whole; `check_seams` asserts it.
"""
import os

import numpy as np
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

import catalog as cat
from phrases import Writer

SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|object_ref_start|>", "<|object_ref_end|>", "<|box_start|>", "<|box_end|>", "<|quad_start|>",
           "<|quad_end|>", "<|vision_start|>", "<|vision_end|>", "<|vision_pad|>", "<|image_pad|>", "<|video_pad|>"]
SYSTEM = ("Judge whether the Document meets the requirements based on the Query and the Instruct provided. "
          "Note that the answer can only be \"yes\" or \"no\".")
HEAD = f"<|im_start|>system\n{SYSTEM}<|im_end|>\n<|im_start|>user\n<Instruct>: %s<Query>:"
DOCUMENT, TAIL = "<Document>:", "<|im_end|>\n<|im_start|>assistant\n"
QWEN_WORDS = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
QUERY_VARIANTS, TITLE_VARIANTS = 24, 10
VOCABULARY = 1152


def query_keys():
    """(group, requirement) of every query that can be asked of a trainable item, and where each kind starts.

    Returns list of (group, (5,) int), list of start offsets, one a kind of catalog.QUERY_KINDS; inside a kind, mixed radix in axis order.
    """
    keys, starts = [], []
    for group, named in cat.QUERY_KINDS:
        starts.append(len(keys))
        for values in np.ndindex(*[cat.SIZES[a] for a in named]):
            r = np.full(5, -1)
            r[list(named)] = values
            keys.append((group, r))
    return keys, starts


def is_heldout(held, r):
    return r[0] >= 0 and r[1] >= 0 and r[2] >= 0 and held[r[0], r[1], r[2]]


def training_texts(seed):
    """Queries (keys x QUERY_VARIANTS) and titles (items x TITLE_VARIANTS), flat; empty where the combination is held out."""
    held, writer = cat.read_heldout(), Writer(seed)
    keys, _ = query_keys()
    queries = ["" if is_heldout(held, r) else writer.query(g, r) for g, r in keys for _ in range(QUERY_VARIANTS)]
    titles = ["" if is_heldout(held, r) else writer.title(r) for r in cat.all_items() for _ in range(TITLE_VARIANTS)]
    return queries, titles


def train_tokenizer(path, seed=1):
    queries, titles = training_texts(seed)
    rng = np.random.default_rng(seed)
    corpus = [t for t in rng.permutation(np.array(queries + titles, object))[:120_000] if t]
    corpus += [(HEAD % i).replace("<|im_start|>", "").replace("<|im_end|>", "") for group in cat.INSTRUCTIONS for i in group] * 200
    corpus += ["yes", "no", "system\n", "user\n", "assistant\n", "\n" + DOCUMENT] * 200
    tok = Tokenizer(models.BPE(byte_fallback=False))
    tok.normalizer = normalizers.NFC()
    tok.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(QWEN_WORDS), "isolated"),
                                                 pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    tok.decoder = decoders.ByteLevel()
    tok.train_from_iterator(corpus, trainers.BpeTrainer(vocab_size=VOCABULARY - len(SPECIAL), initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
                                                        show_progress=False, min_frequency=2, max_token_length=14))
    tok.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in SPECIAL])
    os.makedirs(os.path.dirname(path), exist_ok=True)
    tok.save(path)
    return tok


def encode_rows(tok, texts, width=None):
    """Texts -> ids (n, width) int16 padded with -1."""
    rows = [e.ids for e in tok.encode_batch(texts, add_special_tokens=False)]
    width = width or max(map(len, rows))
    out = np.full((len(rows), width), -1, np.int16)
    for i, ids in enumerate(rows):
        out[i, :len(ids)] = ids[:width]
    return out


def check_seams(tok, seed=9, count=100):
    writer, rng, keys = Writer(seed), np.random.default_rng(seed), query_keys()[0]
    for _ in range(count):
        group, r = keys[rng.integers(len(keys))]
        ins = cat.INSTRUCTIONS[rng.integers(4)]
        ins = ins[rng.integers(len(ins))]
        q, d = writer.query(group, r), writer.title(cat.all_items()[rng.integers(cat.ITEMS)])
        enc = lambda s: tok.encode(s, add_special_tokens=False).ids
        assert enc(HEAD % ins) + enc(q + "\n") + enc(DOCUMENT) + enc(d) + enc(TAIL) == enc((HEAD % ins) + q + "\n" + DOCUMENT + d + TAIL), (ins, q, d)


if __name__ == "__main__":
    target = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "checkpoint", "tokenizer.json")
    tok = train_tokenizer(target)
    check_seams(tok)
    queries, titles = training_texts(1)
    for name, texts in (("query", queries), ("title", titles)):
        lengths = np.array([len(e.ids) for e in tok.encode_batch([t for t in texts if t][::37])])
        print(name, len(texts), "tokens mean", lengths.mean().round(1), "p99", np.percentile(lengths, 99), "max", lengths.max())
    print("vocabulary", tok.get_vocab_size(), "head", [len(tok.encode(HEAD % g[0]).ids) for g in cat.INSTRUCTIONS], tok.token_to_id("yes"), tok.token_to_id("no"))
    for t in [q for q in queries if q][::9973][:12] + [t for t in titles if t][::9973][:12]:
        print(repr(t), [tok.decode([i]) for i in tok.encode(t).ids])
