"""One small image for each row of the table in docs/decisions.md, and its pixels under both values of image.rules.

usage: python3 make_rules.py      (Pillow 9.4 of Debian 12; 12.3 gives the same pixels; run in this folder)
Writes the images and expected.csv: height, width and SHA-256 of the RGB bytes, or "rejected". With --check it compares
instead of writing.
"""
import hashlib
import io
import math
import random
import struct
import sys
import warnings
import zlib

import PIL
from PIL import Image, ImageDraw, ImageOps

warnings.simplefilter("ignore")
random.seed(14)
FACTOR = 28                                       # patch size 14, merge size 2
LEAST, MOST = 3136, 12544                         # image.min-pixels, image.max-pixels of the test
files = {}


# --- the published pipeline: qwen_vl_utils 0.0.14, then the processor of transformers with its Pillow backend
def fit(height, width, factor, least, most, shortest):
    if max(height, width) / min(height, width) > 200:
        raise ValueError("aspect ratio")
    h = max(shortest, round(height / factor) * factor)
    w = max(shortest, round(width / factor) * factor)
    if h * w > most:
        shrink = math.sqrt(height * width / most)
        h = max(factor, math.floor(height / shrink / factor) * factor)
        w = max(factor, math.floor(width / shrink / factor) * factor)
    elif h * w < least:
        grow = math.sqrt(least / (height * width))
        h = math.ceil(height * grow / factor) * factor
        w = math.ceil(width * grow / factor) * factor
    return w, h


def utils(image):
    if image.mode == "RGBA":
        rgb = Image.new("RGB", image.size, (255, 255, 255))
        rgb.paste(image, mask=image.split()[3])
    else:
        rgb = image.convert("RGB")
    return rgb.resize(fit(rgb.height, rgb.width, FACTOR, 4 * FACTOR**2, 16384 * FACTOR**2, FACTOR))


def processor(rgb):
    return rgb.resize(fit(rgb.height, rgb.width, FACTOR, LEAST, MOST, 0), Image.BICUBIC)


def published(image):
    return processor(utils(image))


# --- ours
def sensible(image):
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I"):
        clear = image.info.get("transparency")
        values = list(image.convert("I").getdata())
        rgb = Image.new("RGB", image.size)
        rgb.putdata([(255,) * 3 if v == clear else (v >> 8,) * 3 for v in values])
    elif image.mode in ("RGBA", "LA") or "transparency" in image.info:
        image = image.convert("RGBA")
        rgb = Image.new("RGB", image.size, (255, 255, 255))
        rgb.paste(image, mask=image.split()[3])
    else:
        rgb = image.convert("RGB")
    return processor(rgb)


# --- the images
def scene(w, h):
    small = Image.frombytes("RGB", (6, 4), bytes(random.randrange(256) for _ in range(72)))
    image = small.resize((w, h), Image.BICUBIC)
    draw = ImageDraw.Draw(image)
    draw.ellipse([w // 5, h // 4, w // 2, h - 3], fill=(220, 30, 40))
    draw.line([0, h - 1, w - 1, 0], fill=(255, 255, 255), width=2)
    return image


def save(image, name, **options):
    out = io.BytesIO()
    image.save(out, {"jpg": "JPEG"}.get(name[-3:], name.rsplit(".")[-1].upper()), **options)
    files[name] = out.getvalue()


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png16(name, kind, w, h, sample, *extra):
    rows = b"".join(b"\0" + b"".join(sample(x, y) for x in range(w)) for y in range(h))
    head = struct.pack(">IIBBBBB", w, h, 16, kind, 0, 0, 0)
    chunks = [chunk(b"IHDR", head), *extra, chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b"")]
    files[name] = b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


W, H = 41, 27
image = scene(W, H)
grey = image.convert("L")
opacity = Image.linear_gradient("L").resize((W, H)).rotate(10)
exif = Image.Exif()
exif[0x0112] = 6
save(image, "orientation.jpg", quality=90, exif=exif.tobytes())
save(image, "orientation.png", exif=exif.tobytes())

clear = image.copy()
clear.putalpha(opacity)
save(clear, "rgba.png")
save(clear, "rgba.webp", lossless=True)
grey_clear = grey.copy()
grey_clear.putalpha(opacity)
save(grey_clear, "grey-alpha.png")
png16("grey-alpha-16.png", 4, W, H, lambda x, y: struct.pack(">HH", (x * 1597 + y * 401) % 65536, (y * 2427) % 65536))

palette = image.convert("P", palette=Image.ADAPTIVE, colors=20)
save(palette, "palette.png")
save(palette, "palette-transparent.png", transparency=bytes([0, 60, 128, 255, 255]))
save(image, "rgb-transparent.png", transparency=image.getpixel((30, 3)))
save(grey, "grey-transparent.png", transparency=grey.getpixel((W - 5, 5)))
save(palette, "transparent.gif", transparency=3)
gif = files["transparent.gif"]                    # the same frame on a larger canvas, its corner at (3, 2)
frame = gif.index(b"\x2c\0\0\0\0")
canvas, corner = struct.pack("<HH", W + 7, H + 4), struct.pack("<HH", 3, 2)
files["transparent-canvas.gif"] = gif[:6] + canvas + gif[10:frame] + b"\x2c" + corner + gif[frame + 5:]

grey16 = lambda x, y: struct.pack(">H", (x * 7 + y * 5) if x < 20 else (x * 1597 + y * 401) % 65536)
png16("grey-16.png", 0, W, H, grey16)
png16("grey-16-transparent.png", 0, W, H, grey16, chunk(b"tRNS", grey16(30, 3)))
png16("rgb-16.png", 2, W, H, lambda x, y: struct.pack(">HHH", x * 1500, y * 2000, (x * y * 97) % 65536))
save(image.convert("CMYK"), "cmyk.jpg", quality=92)

save(scene(160, 120), "larger.png")               # above image.max-pixels: resized twice
save(scene(24, 17), "smaller.png")                # below image.min-pixels
save(scene(190, 10), "narrow.png")                # a side under half a factor
save(scene(5, 3), "tiny.png")
save(Image.new("RGB", (2010, 10), (20, 120, 220)), "too-long.png")
save(Image.new("RGB", (6000, 30), (20, 120, 220)), "long.png")   # 200 to 1, and 214 to 1 once resized


def line(name, data, rules):
    try:
        rgb = rules(Image.open(io.BytesIO(data)))
    except ValueError:
        return f"{name},{rules.__name__},,,rejected"
    return f"{name},{rules.__name__},{rgb.height},{rgb.width},{hashlib.sha256(rgb.tobytes()).hexdigest()}"


check = "--check" in sys.argv
if not check:
    for name, data in files.items():
        with open(name, "wb") as f:
            f.write(data)
lines = ["file,rules,height,width,sha256"]
for name in sorted(files):
    with open(name, "rb") as f:
        data = f.read()
    lines += [line(name, data, rules) for rules in (sensible, published)]
text = "\n".join(lines) + "\n"
if check:
    with open("expected.csv") as f:
        print("same" if f.read() == text else "differs", "with Pillow", PIL.__version__)
else:
    with open("expected.csv", "w") as f:
        f.write(text)
