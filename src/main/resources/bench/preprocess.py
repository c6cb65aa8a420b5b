"""The same work as ours by Pillow and Hugging Face's tokenizers, on one thread; says what was possible."""

import json
import math
import sys
import time


def smart_resize(height, width, factor, least, most):
    h = round(height / factor) * factor
    w = round(width / factor) * factor
    if h * w > most:
        beta = math.sqrt(height * width / most)
        h = max(factor, math.floor(height / beta / factor) * factor)
        w = max(factor, math.floor(width / beta / factor) * factor)
    elif h * w < least:
        beta = math.sqrt(least / (height * width))
        h = math.ceil(height * beta / factor) * factor
        w = math.ceil(width * beta / factor) * factor
    return h, w


def rate(work, items, seconds):
    """Pieces of work in a second of one core."""
    for share in (0.5, 1):
        done = 0
        start = time.process_time()
        while time.process_time() - start < share * seconds:
            work(items[done % len(items)])
            done += 1
    return done / (time.process_time() - start)


def images(task, result):
    try:
        import io

        import PIL
        from PIL import Image
    except ImportError:
        return

    def encode(data):
        image = Image.open(io.BytesIO(data)).convert("RGB")
        h, w = smart_resize(image.height, image.width, task["factor"], task["min"], task["max"])
        return image.resize((w, h), Image.BICUBIC).tobytes()

    result["pillow"] = PIL.__version__
    for name, paths in task["groups"].items():
        files = [open(path, "rb").read() for path in paths]
        result[name] = rate(encode, files, task["seconds"])


def texts(task, result):
    try:
        import tokenizers
    except ImportError:
        return
    tokenizer = tokenizers.Tokenizer.from_file(task["tokenizer"])
    result["tokenizers"] = tokenizers.__version__
    for name, lines in task["texts"].items():
        result[name] = rate(lambda text: tokenizer.encode(text, add_special_tokens=False).ids, lines, task["seconds"])


task = json.load(sys.stdin)
result = {}
images(task, result)
texts(task, result)
json.dump(result, sys.stdout)
