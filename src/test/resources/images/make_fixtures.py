"""Small pictures of every kind the decoder must read, and the RGB that Pillow makes of them.

usage: /usr/bin/python3 make_fixtures.py      (Pillow 9.4 of Debian 12, libgs-common for a colour profile, ImageMagick 6 for 16-bit and 4:4:0 JPEG; run in this folder)
Writes NAME.EXT and, for all in one file, expected.zip with NAME.EXT.rgb: height and width (big-endian int32), then RGB bytes.
Reference: ImageOps.exif_transpose, alpha pasted on white, convert("RGB").
"""
import io, os, struct, subprocess, zipfile
import random
from PIL import Image, ImageDraw, ImageOps, ImageFilter

random.seed(11)
W, H = 41, 27                     # odd, so that chroma and blocks end inside a cell
HERE = os.path.dirname(os.path.abspath(__file__))


def scene(w=W, h=H):
    small = Image.frombytes("RGB", (6, 4), bytes(random.randrange(256) for _ in range(72)))
    im = small.resize((w, h), Image.BICUBIC)
    d = ImageDraw.Draw(im)
    d.ellipse([w // 5, h // 4, w // 2, h - 3], fill=(220, 30, 40))
    d.line([0, h - 1, w - 1, 0], fill=(255, 255, 255), width=2)
    d.rectangle([w - 10, 2, w - 3, 8], fill=(0, 0, 0))
    return im


def alpha(w=W, h=H):
    return Image.linear_gradient("L").resize((w, h)).rotate(10, expand=False)


def on_white(im):
    im = ImageOps.exif_transpose(im)
    if im.mode.startswith("I;16") or im.mode == "I":   # Pillow clips 16 bits at 255; the decoder takes the high byte, as for 16-bit colour
        return im.convert("I").point(lambda v: v / 256).convert("L").convert("RGB")
    if im.mode in ("RGBA", "LA") or "transparency" in im.info:
        im = im.convert("RGBA")
        white = Image.new("RGB", im.size, (255, 255, 255))
        white.paste(im, mask=im.split()[3])
        return white
    return im.convert("RGB")


def save(im, name, **options):
    im.save(os.path.join(HERE, name), **options)


def exif(orientation):
    e = Image.Exif()
    e[0x0112] = orientation
    return e.tobytes()


im = scene()
grey = im.convert("L")
rgba = im.copy()
rgba.putalpha(alpha())
save(im, "baseline.jpg", quality=88)
save(im, "full-chroma.jpg", quality=90, subsampling=0)
save(im, "422.jpg", quality=90, subsampling=1)
save(im, "progressive.jpg", quality=85, progressive=True)
save(grey, "grey.jpg", quality=90)
save(im.convert("CMYK"), "cmyk.jpg", quality=92)
save(im, "profile.jpg", quality=90, icc_profile=open("/usr/share/color/icc/ghostscript/a98.icc", "rb").read())
for o in range(1, 9):
    save(im.crop((0, 0, 23, 14)), f"orientation-{o}.jpg", quality=90, exif=exif(o))
save(im, "rgb.png")
save(im, "orientation-6.png", exif=exif(6))
save(grey, "grey.png")
save(rgba, "rgba.png")
la = grey.copy(); la.putalpha(alpha())
save(la, "grey-alpha.png")
save(im.convert("1"), "bit.png")
pal = im.convert("P", palette=Image.ADAPTIVE, colors=20)
save(pal, "palette.png")
save(pal, "palette-clear.png", transparency=bytes([0, 60, 128, 255, 255]))
save(im.convert("P", palette=Image.ADAPTIVE, colors=3), "palette-2bit.png", bits=2)
r = im.getpixel((30, 3))
save(im, "rgb-clear.png", transparency=r)
save(grey, "grey-clear.png", transparency=grey.getpixel((W - 5, 5)))
deep = Image.frombytes("I;16", (W, H), b"".join(struct.pack("<H", (x * 1597 + y * 401) % 65536) for y in range(H) for x in range(W)))
save(deep, "grey16.png")
save(im, "lossy.webp", quality=80)
save(im, "lossless.webp", lossless=True)
save(rgba, "alpha.webp", quality=80)
save(rgba, "lossless-alpha.webp", lossless=True)
save(im, "orientation-8.webp", lossless=True, exif=exif(8))
save(im, "profile.webp", lossless=True, icc_profile=open("/usr/share/color/icc/ghostscript/a98.icc", "rb").read())
save(pal, "still.gif")
frames = [scene().convert("P", palette=Image.ADAPTIVE, colors=16) for _ in range(3)]
save(frames[0], "animated.gif", save_all=True, append_images=frames[1:], duration=100, loop=0)
clear = im.convert("P", palette=Image.ADAPTIVE, colors=16)
save(clear, "clear.gif", transparency=3)
save(im, "rgb.bmp")

# what Pillow can't write
tmp = "/tmp/fixture.png"
im.save(tmp)
subprocess.run(["convert", tmp, "-depth", "16", "PNG48:" + os.path.join(HERE, "rgb16.png")], check=True)
subprocess.run(["convert", tmp, "-interlace", "PNG", "PNG24:" + os.path.join(HERE, "interlaced.png")], check=True)
subprocess.run(["convert", tmp, "-sampling-factor", "1x2", "-quality", "90", os.path.join(HERE, "440.jpg")], check=True)
subprocess.run(["convert", tmp, "-colorspace", "CMYK", "-quality", "92", "-sampling-factor", "2x2", os.path.join(HERE, "cmyk-magick.jpg")], check=True)
subprocess.run(["convert", tmp, "-set", "colorspace", "sRGB", "-define", "jpeg:colorspace=RGB", "-quality", "90", os.path.join(HERE, "magick.jpg")], check=True)

# CMYK relabelled as YCCK: the same samples, read through the YCC conversion
data = bytearray(open(os.path.join(HERE, "cmyk.jpg"), "rb").read())
at = data.find(b"Adobe")
assert at > 0
data[at + 11] = 2
open(os.path.join(HERE, "ycck.jpg"), "wb").write(data)
# three components, Adobe says RGB, no JFIF
data = bytearray(open(os.path.join(HERE, "full-chroma.jpg"), "rb").read())
jfif = data.find(b"\xff\xe0")
length = struct.unpack(">H", data[jfif + 2:jfif + 4])[0]
adobe = b"\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00\x00"
open(os.path.join(HERE, "adobe-rgb.jpg"), "wb").write(data[:jfif] + adobe + data[jfif + 2 + length:])

with zipfile.ZipFile(os.path.join(HERE, "expected.zip"), "w", zipfile.ZIP_DEFLATED) as z:
    for name in sorted(os.listdir(HERE)):
        if name.endswith((".py", ".zip", ".md")):
            continue
        rgb = on_white(Image.open(os.path.join(HERE, name)))
        entry = zipfile.ZipInfo(name + ".rgb", (2026, 1, 1, 0, 0, 0))
        entry.compress_type = zipfile.ZIP_DEFLATED
        z.writestr(entry, struct.pack(">ii", rgb.height, rgb.width) + rgb.tobytes())
        print(name, Image.open(os.path.join(HERE, name)).mode, rgb.size)
