"""Writes graded.qrels, first.run and second.run: `python3 generate.py SEED`, run in this folder."""

import random
import sys

rng = random.Random(int(sys.argv[1]))
# docnos whose order differs by case, by number against text, and by bytes against UTF-16 units
DOCS = [f"d{i}" for i in range(1, 31)] + ["D5", "é-1", "裙-1", "😀-1", "\uffee-1", "Z", "a", "_", "d1-b", "d01"]
QRELS_QUERIES = [f"q{i}" for i in range(1, 13)]
# q11 and q12 are judged but not run, x1 is run but not judged
RUN_QUERIES = [f"q{i}" for i in range(1, 11)] + ["x1"]


def qrels():
    lines = []
    for query in QRELS_QUERIES:
        for doc in rng.sample(DOCS + [f"far{i}" for i in range(8)], rng.randint(3, 40)):
            # q3 has nothing relevant
            rel = rng.choice([-1, 0, 0] if query == "q3" else [-1, 0, 0, 0, 1, 1, 2, 3])
            lines.append(f"{query}{rng.choice([' ', chr(9)])}0 {doc} {rel}")
    # trec_eval reads a level that was never set where everything is unjudged; keep one 0 in q3
    lines.append("q3 0 only-zero 0")
    rng.shuffle(lines)
    return lines


def run(tag, queries):
    lines = []
    for query in queries:
        docs = rng.sample(DOCS, rng.randint(1, len(DOCS)))
        # few distinct numbers, so that most tie; two that tie as 32-bit numbers only
        sims = ["0.5", "5e-1", "0.25", "1", "-3.5", "0.1000000000001", "0.1000000000002", "7.125"]
        for doc in docs:
            rank = rng.randint(0, 99)  # means nothing
            lines.append(f"{query} Q0 {doc}{rng.choice([' ', chr(9)])}{rank} {rng.choice(sims)} {tag}")
    rng.shuffle(lines)
    return lines


def write(name, lines):
    with open(name, "w", encoding="utf-8", newline="\n") as out:
        out.write("\n".join(lines) + "\n")


write("graded.qrels", qrels())
write("first.run", run("first", RUN_QUERIES))
write("second.run", run("second", RUN_QUERIES[1:] + ["q11"]))
