"""Files that are unusual and that Pillow reads all the same, with the RGB it makes of them, in edge.zip.

usage: python3 make_edge.py      (Pillow 12.3; run in this folder)
Writes edge.zip with NAME.EXT and NAME.EXT.rgb: height and width (big-endian int32), then RGB bytes.
Reference: ImageOps.exif_transpose, alpha pasted on white, convert("RGB").
"""
import io, struct, warnings, zipfile, zlib
from PIL import Image, ImageOps

warnings.simplefilter("ignore")
W, H = 11, 6
files = {}


def scene(w=W, h=H):
    return Image.frombytes("RGB", (w, h), bytes(v for y in range(h) for x in range(w) for v in (20 * x % 256, 40 * y % 256, 255 - 10 * (x + y))))


def saved(im, kind, **options):
    out = io.BytesIO()
    im.save(out, kind, **options)
    return out.getvalue()


# --- TIFF directories with the orientation in every shape
def ifd(*entries, order="<", magic=None, extra=b"", start=8):
    head = magic or (b"II*\0" if order == "<" else b"MM\0*")
    body = struct.pack(order + "H", len(entries))
    for tag, kind, count, value in entries:
        body += struct.pack(order + "HHI", tag, kind, count) + value
    return head + struct.pack(order + "I", start) + body + struct.pack(order + "I", 0) + extra


def short(v, order="<"):
    return struct.pack(order + "HH", v, 0)


def at(offset):
    return struct.pack("<I", offset)


ONE = 8 + 2 + 12 + 4          # behind a directory of one entry
TWO = ONE + 12
O = 0x0112
EXIF = {
    "short": ifd((O, 3, 1, short(6))),
    "big-endian": ifd((O, 3, 1, short(6, ">")), order=">"),
    "odd-magic": ifd((O, 3, 1, short(6, ">")), order=">", magic=b"MM*\0"),
    "odd-magic-ii": ifd((O, 3, 1, short(6)), magic=b"II\0*"),
    "long": ifd((O, 4, 1, struct.pack("<I", 6))),
    "signed": ifd((O, 9, 1, struct.pack("<i", 6))),
    "rational": ifd((O, 5, 1, at(ONE)), extra=struct.pack("<II", 12, 2)),
    "signed-rational": ifd((O, 10, 1, at(ONE)), extra=struct.pack("<ii", -16, -2)),
    "no-rational": ifd((O, 5, 1, at(ONE)), extra=struct.pack("<II", 6, 0)),
    "float": ifd((O, 11, 1, struct.pack("<f", 6.0))),
    "half": ifd((O, 11, 1, struct.pack("<f", 6.5))),
    "double": ifd((O, 12, 1, at(ONE)), extra=struct.pack("<d", 3.0)),
    "byte": ifd((O, 1, 1, b"\6\0\0\0")),
    "ascii": ifd((O, 2, 2, b"6\0\0\0")),
    "two-values": ifd((O, 3, 2, struct.pack("<HH", 6, 3))),
    "many-values": ifd((O, 3, 3, at(ONE)), extra=struct.pack("<HHH", 8, 3, 3)),
    "none": ifd((O, 3, 0, short(6))),
    "zero": ifd((O, 3, 1, short(0))),
    "nine": ifd((O, 3, 1, short(9))),
    "twice": ifd((O, 3, 1, short(3)), (O, 3, 1, short(6))),
    "unknown-type-before": ifd((0x9000, 99, 1, at(0)), (O, 3, 1, short(6))),
    "out-of-range-before": ifd((0x9000, 4, 10_000, at(8)), (O, 3, 1, short(6))),
    "out-of-range-after": ifd((O, 3, 1, short(6)), (0x9000, 4, 10_000, at(8))),
    "cut": ifd((O, 3, 1, short(6)), (0x9000, 3, 1, short(1)))[:-10],
    "elsewhere": ifd(start=40)[:14].ljust(40, b"\0") + ifd((O, 3, 1, short(6)))[8:],
    "sub-directory": ifd((0x014A, 4, 1, at(ONE)), extra=ifd((O, 3, 1, short(6)))[8:]),
    "no-directory": b"II*\0" + at(5000),
}


def segment(marker, body):
    return bytes([0xFF, marker]) + struct.pack(">H", 2 + len(body)) + body


def xmp(text):
    return ("<x:xmpmeta xmlns:x='adobe:ns:meta/'><rdf:RDF><rdf:Description " + text + "</rdf:RDF></x:xmpmeta>").encode()


ATTRIBUTE = xmp('tiff:Orientation="6"/>')
ELEMENT = xmp("><tiff:Orientation>8</tiff:Orientation></rdf:Description>")
APP_XMP = b"http://ns.adobe.com/xap/1.0/\0"
E = b"Exif\0\0"
jpeg = saved(scene(), "JPEG", quality=90, subsampling=0)


def in_jpeg(*segments, file=jpeg):
    return file[:2] + b"".join(segments) + file[2:]


def behind_frame(*segments, file=jpeg):
    sof = file.index(b"\xff\xc0")
    end = sof + 2 + struct.unpack(">H", file[sof + 2:sof + 4])[0]
    return file[:end] + b"".join(segments) + file[end:]


def without_app(file):
    return file[:2] + file[4 + struct.unpack(">H", file[4:6])[0]:]


for name, block in EXIF.items():
    files[f"exif-{name}.jpg"] = in_jpeg(segment(0xE1, E + block))
files["exif-doubled-header.jpg"] = in_jpeg(segment(0xE1, E + E + EXIF["short"]))
files["exif-in-two.jpg"] = in_jpeg(segment(0xE1, E + EXIF["rational"][:30]), segment(0xE1, E + EXIF["rational"][30:]))
files["exif-behind-frame.jpg"] = behind_frame(segment(0xE1, E + EXIF["short"]))
files["exif-wins-over-xmp.jpg"] = in_jpeg(segment(0xE1, E + EXIF["zero"]), segment(0xE1, APP_XMP + ATTRIBUTE))
files["exif-without-tag-and-xmp.jpg"] = in_jpeg(segment(0xE1, E + EXIF["none"]), segment(0xE1, APP_XMP + ATTRIBUTE))
files["xmp-attribute.jpg"] = in_jpeg(segment(0xE1, APP_XMP + ATTRIBUTE))
files["xmp-element.jpg"] = in_jpeg(segment(0xE1, APP_XMP + ELEMENT))
files["xmp-twice.jpg"] = in_jpeg(segment(0xE1, APP_XMP + ATTRIBUTE), segment(0xE1, APP_XMP + ELEMENT))
files["icc-broken.jpg"] = in_jpeg(segment(0xE2, b"ICC_PROFILE\0\1\1" + b"no profile" * 20))
files["icc-missing-part.jpg"] = in_jpeg(segment(0xE2, b"ICC_PROFILE\0\2\3" + bytes(200)))
files["icc-part-nought.jpg"] = in_jpeg(segment(0xE2, b"ICC_PROFILE\0\0\0"))
files["icc-twice.jpg"] = in_jpeg(segment(0xE2, b"ICC_PROFILE\0\1\1" + bytes(128)), segment(0xE2, b"ICC_PROFILE\0\1\1" + bytes(128)))
files["jfif-broken.jpg"] = in_jpeg(segment(0xE0, b"JFIF\0\1\1\0\0\1\0\1\xff\xff"))
files["app-many.jpg"] = in_jpeg(*[segment(0xE0 + i % 16, b"x" * i) for i in range(64)])
files["comment.jpg"] = in_jpeg(segment(0xFE, b"hello"), b"\xff\xff\xff", segment(0xFE, b""))
ADOBE = b"Adobe\0\x64\0\0\0\0"
bare = without_app(jpeg)
for transform in (0, 1, 2):
    files[f"adobe-{transform}-behind-frame.jpg"] = behind_frame(segment(0xEE, ADOBE + bytes([transform])), file=bare)
files["adobe-twice.jpg"] = behind_frame(segment(0xEE, ADOBE + b"\1"), file=in_jpeg(segment(0xEE, ADOBE + b"\0"), file=bare))
files["adobe-short.jpg"] = in_jpeg(segment(0xEE, ADOBE), file=bare)
files["jfif-behind-frame.jpg"] = behind_frame(segment(0xEE, ADOBE + b"\0"), jpeg[2:20], file=bare)
files["no-segments.jpg"] = bare


# --- PNG
png = saved(scene(), "PNG")


def chunk(kind, body, crc=None):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def in_png(*chunks, file=png):
    return file[:33] + b"".join(chunks) + file[33:]


def behind_pixels(*chunks, file=png):
    return file[:-12] + b"".join(chunks) + file[-12:]


def raw_profile(block):
    return b"\nexif\n%8d\n" % len(block) + b"\n".join(block.hex().encode()[i:i + 72] for i in range(0, 2 * len(block), 72)) + b"\n"


RAW = b"Raw profile type exif\0"
AXMP = b"XML:com.adobe.xmp\0"
for name in ("short", "big-endian", "two-values", "out-of-range-before"):
    files[f"exif-{name}.png"] = in_png(chunk(b"eXIf", EXIF[name]))
files["exif-behind-pixels.png"] = behind_pixels(chunk(b"eXIf", EXIF["short"]))
files["exif-twice.png"] = in_png(chunk(b"eXIf", EXIF["double"]), chunk(b"eXIf", EXIF["short"]))
files["exif-header-inside.png"] = in_png(chunk(b"eXIf", E + EXIF["short"]))
files["text-exif.png"] = in_png(chunk(b"tEXt", b"exif\0" + E + EXIF["short"]))
files["raw-profile-text.png"] = in_png(chunk(b"tEXt", RAW + raw_profile(E + EXIF["short"])))
files["raw-profile-deflated.png"] = in_png(chunk(b"zTXt", RAW + b"\0" + zlib.compress(raw_profile(E + EXIF["short"]))))
files["raw-profile-and-exif.png"] = in_png(chunk(b"tEXt", RAW + raw_profile(E + EXIF["short"])), chunk(b"eXIf", EXIF["double"]))
files["xmp-attribute.png"] = in_png(chunk(b"iTXt", AXMP + b"\0\0\0\0" + ATTRIBUTE))
files["xmp-element.png"] = in_png(chunk(b"iTXt", AXMP + b"\0\0\0\0" + ELEMENT))
files["xmp-deflated.png"] = behind_pixels(chunk(b"iTXt", AXMP + b"\1\0en\0key\0" + zlib.compress(ELEMENT)))
files["xmp-deflate-cut.png"] = in_png(chunk(b"iTXt", AXMP + b"\1\0\0\0" + zlib.compress(ELEMENT + b"x" * 9)[:-4]))
files["xmp-in-text.png"] = in_png(chunk(b"tEXt", AXMP + ATTRIBUTE))
files["xmp-behind-exif.png"] = in_png(chunk(b"eXIf", EXIF["nine"]), chunk(b"iTXt", AXMP + b"\0\0\0\0" + ATTRIBUTE))
files["texts-broken.png"] = in_png(chunk(b"tEXt", b""), chunk(b"tEXt", b"key"), chunk(b"zTXt", b"key"), chunk(b"zTXt", b"key\0\0nonsense"),
                                   chunk(b"iTXt", b"key"), chunk(b"iTXt", b"key\0\1"), chunk(b"iTXt", b"key\0\1\0\0\0nonsense"), chunk(b"iTXt", b"k\0\0\0\xff\0\xff\0\xff"))
files["icc-broken.png"] = in_png(chunk(b"iCCP", b"name\0\0nonsense"))
files["icc-no-profile.png"] = in_png(chunk(b"iCCP", b"name\0\0" + zlib.compress(b"no profile")))
files["colours-nonsense.png"] = in_png(chunk(b"gAMA", bytes(4)), chunk(b"cHRM", b"\xff" * 32), chunk(b"sRGB", b"\xff"), chunk(b"sBIT", b"\xff\0\x63"),
                                       chunk(b"bKGD", b"\1"), chunk(b"hIST", b""), chunk(b"pHYs", bytes(9)), chunk(b"tIME", b"\xff"), chunk(b"sPLT", b"x"), chunk(b"prVt", b"y"))
paletted = saved(scene().convert("P", palette=Image.ADAPTIVE, colors=9), "PNG")
files["colours-nonsense-palette.png"] = in_png(chunk(b"gAMA", b"\xff" * 4), chunk(b"cHRM", b"\0" * 32), chunk(b"bKGD", b"\xff\xff\xff"), chunk(b"hIST", b"\1"), file=paletted)


# --- WebP
def riff(*chunks):
    body = b"".join(chunks)
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WEBP" + body


def wchunk(kind, body):
    return kind + struct.pack("<I", len(body)) + body + b"\0" * (len(body) & 1)


def u24(v):
    return struct.pack("<I", v)[:3]


def picture(file):
    out, i = b"", 12
    while i + 8 <= len(file):
        n = struct.unpack("<I", file[i + 4:i + 8])[0]
        if file[i:i + 4] in (b"ALPH", b"VP8 ", b"VP8L"):
            out += file[i:i + 8 + n + (n & 1)]
        i += 8 + n + (n & 1)
    return out


def vp8x(flags, w=W, h=H):
    return wchunk(b"VP8X", bytes([flags, 0, 0, 0]) + u24(w - 1) + u24(h - 1))


rgba = scene()
rgba.putalpha(Image.frombytes("L", (W, H), bytes(23 * i % 256 for i in range(W * H))))
PICTURES = {
    "lossless": picture(saved(scene(), "WEBP", lossless=True)),
    "lossless-alpha": picture(saved(rgba, "WEBP", lossless=True, exact=True)),
    "lossy": picture(saved(scene(), "WEBP", quality=80)),
    "lossy-alpha": picture(saved(rgba, "WEBP", quality=80)),
}


def anmf(body, x, y, flags):
    return wchunk(b"ANMF", u24(x // 2) + u24(y // 2) + u24(W - 1) + u24(H - 1) + u24(100) + bytes([flags]) + body)


ANIM = wchunk(b"ANIM", b"\x10\x80\xf0\xff\0\0")
for name, body in PICTURES.items():
    for flags in (0x02, 0x12):
        a = "-flag" if flags & 0x10 else ""
        files[f"animated-{name}{a}-whole.webp"] = riff(vp8x(flags), ANIM, anmf(body, 0, 0, 0), anmf(PICTURES["lossless"], 0, 0, 0))
        files[f"animated-{name}{a}-part.webp"] = riff(vp8x(flags, W + 5, H + 4), ANIM, anmf(body, 4, 2, 3))
        files[f"still-{name}{a}.webp"] = riff(vp8x(flags & 0x10), body)
files["animated-turned.webp"] = riff(vp8x(0x0A, W + 2, H), ANIM, anmf(PICTURES["lossy"], 2, 0, 0), wchunk(b"EXIF", EXIF["short"]))
files["exif-header-inside.webp"] = riff(vp8x(0x08), PICTURES["lossless"], wchunk(b"EXIF", E + EXIF["short"]))
files["exif-without-flag.webp"] = riff(vp8x(0), PICTURES["lossless"], wchunk(b"EXIF", EXIF["short"]))
files["xmp.webp"] = riff(vp8x(0x04), PICTURES["lossless"], wchunk(b"XMP ", ELEMENT))
files["icc-broken.webp"] = riff(vp8x(0x20), wchunk(b"ICCP", b"nonsense"), PICTURES["lossless"])
files["unknown-chunks.webp"] = riff(vp8x(0), wchunk(b"JUNK", b"odd"), PICTURES["lossy"], wchunk(b"MORE", b""))

# --- GIF
pal = scene().convert("P", palette=Image.ADAPTIVE, colors=7)
gif = saved(pal, "GIF")
body = gif.index(b"\x2c\0\0\0\0")
table, image = gif[:body], gif[body:]
table = table[:13 + (3 << ((table[10] & 7) + 1))]


def control(clear):
    return b"\x21\xf9\4\1\0\0" + bytes([clear, 0])


def canvas(head, w, h):
    return head[:6] + struct.pack("<HH", w, h) + head[10:]


files["canvas.gif"] = canvas(table, W + 5, H + 3) + image
files["frame-passes-canvas.gif"] = canvas(table, 3, 2) + image[:1] + struct.pack("<HH", 2, 1) + image[5:]
files["clear-frame.gif"] = canvas(table, W + 4, H) + control(2) + image[:1] + struct.pack("<HH", 3, 0) + image[5:]
files["two-controls.gif"] = table + control(1) + b"\x21\xf9\4\0\0\0\3\0" + image
files["junk-between.gif"] = table + b"\0\7" + b"\x21\xfe\3abc\0" + b"\x21\xff\x0bNETSCAPE2.0\3\1\0\0\0" + b"\x21\1\2ab\0" + image
files["comments.gif"] = table + b"\x21\xfe" + b"\1x" * 300 + b"\0" + control(3) + b"\x21\xfe\0" + image


# --- BMP
def bmp(header, colour_space, tail):
    rows = b"".join(scene().crop((0, y, W, y + 1)).tobytes("raw", "BGR").ljust((3 * W + 3) // 4 * 4, b"\0") for y in reversed(range(H)))
    head = struct.pack("<IiiHHIIiiII", header, W, H, 1, 24, 0, len(rows), 0, 0, 0, 0)
    if header > 40:
        head += struct.pack("<IIII", 0, 0, 0, 0) + colour_space + b"\x7f" * 48
    if header > 108:
        head += struct.pack("<IIII", 4, header + len(rows), len(tail), 0)
    return b"BM" + struct.pack("<IHHI", 14 + header + len(rows) + len(tail), 0, 0, 14 + header) + head + rows + tail


files["plain.bmp"] = bmp(40, b"", b"")
files["calibrated.bmp"] = bmp(108, bytes(4), b"")
files["profile-broken.bmp"] = bmp(124, b"DEBM", b"no profile")
files["profile-linked.bmp"] = bmp(124, b"KNIL", b"/etc/hostname\0")


def on_white(im):
    im = ImageOps.exif_transpose(im)
    if im.mode in ("RGBA", "LA") or "transparency" in im.info:
        im = im.convert("RGBA")
        white = Image.new("RGB", im.size, (255, 255, 255))
        white.paste(im, mask=im.split()[3])
        return white
    return im.convert("RGB")


with zipfile.ZipFile("edge.zip", "w", zipfile.ZIP_DEFLATED) as z:
    for name, data in sorted(files.items()):
        rgb = on_white(Image.open(io.BytesIO(data)))
        for entry, body in ((name, data), (name + ".rgb", struct.pack(">ii", rgb.height, rgb.width) + rgb.tobytes())):
            info = zipfile.ZipInfo(entry, (2026, 1, 1, 0, 0, 0))
            info.compress_type = zipfile.ZIP_DEFLATED
            z.writestr(info, body)
print(len(files), "files")
