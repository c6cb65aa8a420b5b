"""Draws catalog items as signed-distance shapes: the same code on the GPU for training and on the CPU for files.

A shape function gets product coordinates u (right), v (down), each (B, H, W), the product filling about [-1, 1],
and returns two distance fields: the body (coloured and patterned) and the trim (a darker shade of the colour).
"""
import math

import torch
import torch.nn.functional as F

from catalog import SCENES, STYLES, PRODUCTS

FAR = 9.0
RGB = torch.tensor([[205, 38, 42], [245, 130, 30], [242, 208, 50], [52, 150, 68], [45, 92, 205], [128, 55, 175], [246, 150, 185],
                    [118, 72, 40], [244, 244, 242], [34, 34, 38]]) / 255.0
SECOND = torch.tensor([[250, 245, 240]] * 8 + [[120, 125, 140], [205, 205, 210]]) / 255.0   # the pattern's other colour, by main colour


# ---- distances --------------------------------------------------------------------------------------------------------

def box(u, v, cx, cy, half_h, half_w, bottom=None, turn=0.0, round_=0.03):
    """A box, or an upright trapezoid when the bottom's half width is given; `turn` in radians."""
    x, y = u - cx, v - cy
    if turn:
        c, s = math.cos(turn), math.sin(turn)
        x, y = c * x + s * y, c * y - s * x
    bottom = half_w if bottom is None else bottom
    slope = (bottom - half_w) / (2 * half_h)
    dx = (x.abs() - (half_w + bottom) / 2 - slope * y) / math.sqrt(1 + slope * slope) + round_
    dy = y.abs() - half_h + round_
    return torch.sqrt(dx.clamp(min=0) ** 2 + dy.clamp(min=0) ** 2) + torch.maximum(dx, dy).clamp(max=0) - round_


def ellipse(u, v, cx, cy, rx, ry):
    return (torch.sqrt(((u - cx) / rx) ** 2 + ((v - cy) / ry) ** 2) - 1) * min(rx, ry)


def ring(u, v, cx, cy, rx, ry, half):
    return ellipse(u, v, cx, cy, rx, ry).abs() - half


def union(*d):
    out = d[0]
    for x in d[1:]:
        out = torch.minimum(out, x)
    return out


def cut(d, away):
    return torch.maximum(d, -away)


# ---- the products -----------------------------------------------------------------------------------------------------

def mug(u, v):
    cup = box(u, v, -.15, .08, .68, .55, .48, round_=.1)
    return union(cup, cut(ring(u, v, .48, .08, .3, .36, .09), cup)), ellipse(u, v, -.15, -.56, .5, .1)


def handbag(u, v):
    bag = box(u, v, 0, .3, .52, .62, .82, round_=.08)
    return union(bag, cut(ring(u, v, 0, -.25, .36, .5, .06), bag)), union(box(u, v, 0, -.02, .07, .12), box(u, v, 0, .72, .03, .74))


def lamp(u, v):
    return box(u, v, 0, -.42, .42, .32, .72), union(box(u, v, 0, .38, .42, .06), box(u, v, 0, .84, .09, .42, .48))


def dress(u, v):
    body = union(box(u, v, 0, -.5, .32, .3, .22), box(u, v, 0, .35, .6, .22, .78), box(u, v, -.22, -.86, .12, .05), box(u, v, .22, -.86, .12, .05))
    return cut(body, ellipse(u, v, 0, -.86, .16, .16)), box(u, v, 0, -.22, .05, .25)


def jacket(u, v):
    sleeves = union(box(u, v, -.66, .08, .66, .17, turn=.22), box(u, v, .66, .08, .66, .17, turn=-.22))
    body = cut(union(box(u, v, 0, .08, .78, .46, .5), sleeves), box(u, v, 0, -.72, .2, .2, .01))
    trim = union(box(u, v, 0, .2, .66, .035), box(u, v, 0, .8, .07, .5), box(u, v, -.27, .38, .04, .13), box(u, v, .27, .38, .04, .13),
                 box(u, v, -.79, .66, .06, .17, turn=.22), box(u, v, .79, .66, .06, .17, turn=-.22))
    return body, trim


def shoe(u, v):
    body = union(box(u, v, -.5, .0, .46, .34, .42, round_=.08), cut(ellipse(u, v, .22, .42, .75, .5), box(u, v, 0, .95, .5, 1.5)))
    laces = union(box(u, v, .02, .02, .03, .14, turn=.6), box(u, v, .17, .1, .03, .14, turn=.6))
    return body, union(box(u, v, .0, .5, .1, .98, round_=.08), laces)


def chair(u, v):
    legs = union(box(u, v, -.42, .62, .36, .06), box(u, v, .42, .62, .36, .06), box(u, v, -.22, .52, .26, .045), box(u, v, .22, .52, .26, .045))
    return union(box(u, v, 0, -.5, .46, .44, round_=.1), box(u, v, 0, .14, .12, .58, round_=.05)), legs


def hat(u, v):
    dome = cut(ellipse(u, v, 0, .25, .55, .8), box(u, v, 0, 1.28, 1.0, 2))
    return union(dome, ellipse(u, v, 0, .34, 1.0, .2)), box(u, v, 0, .17, .07, .53, .55)


def umbrella(u, v):
    dome = cut(ellipse(u, v, 0, .1, 1.0, .92), ellipse(u, v, 0, .72, 1.3, .72))
    hook = cut(ring(u, v, .14, .78, .14, .14, .045), box(u, v, .14, .58, .2, .5))
    return dome, union(box(u, v, 0, .32, .48, .04), hook, box(u, v, 0, -.88, .1, .03))


def vase(u, v):
    return union(ellipse(u, v, 0, .36, .58, .56), box(u, v, 0, -.38, .4, .26, .2)), union(box(u, v, 0, -.78, .06, .34), box(u, v, 0, .9, .05, .32))


def tshirt(u, v):
    sleeves = union(box(u, v, -.62, -.38, .36, .2, turn=.85), box(u, v, .62, -.38, .36, .2, turn=-.85))
    return cut(union(box(u, v, 0, .12, .72, .46), sleeves), ellipse(u, v, 0, -.62, .22, .16)), ring(u, v, 0, -.62, .24, .18, .03) + 0 * v


def sofa(u, v):
    body = union(box(u, v, 0, -.22, .4, .8, round_=.12), box(u, v, -.84, .16, .38, .17, round_=.1), box(u, v, .84, .16, .38, .17, round_=.1), box(u, v, 0, .32, .2, .8))
    return body, union(box(u, v, -.7, .6, .1, .06), box(u, v, .7, .6, .1, .06), box(u, v, 0, .12, .02, .66))


SHAPES = [mug, handbag, lamp, dress, jacket, shoe, chair, hat, umbrella, vase, tshirt, sofa]
assert len(SHAPES) == len(PRODUCTS)


# ---- scenes and style badges --------------------------------------------------------------------------------------------

def colour(r, g, b, like):
    return (torch.tensor([r, g, b], device=like.device, dtype=like.dtype) / 255.0).view(1, 3, 1, 1)


def blend(picture, distance, rgb, pixel, strength=1.0):
    """Paint rgb (1|B, 3, 1|H, 1|W) where distance (B, H, W) is negative, antialiased over one pixel."""
    a = ((0.5 - distance / pixel).clamp(0, 1) * strength).unsqueeze(1)
    return picture + (rgb - picture) * a


def backdrop(scene, x, y, r, px):
    """x, y (B, H, W) in [-1, 1] over the picture; r (B, 8, 1, 1) in [0, 1): chance. Returns (B, 3, H, W)."""
    one = torch.ones_like(x).unsqueeze(1)
    c = lambda i, lo, hi: lo + (hi - lo) * r[:, i]
    if scene == "studio":
        tone = 0.74 + 0.2 * r[:, 0:1] + 0.05 * (r[:, 1:4] - 0.5)
        return one * tone - 0.06 * y.unsqueeze(1) * r[:, 4:5]
    horizon = c(0, -.15, .35)
    if scene == "beach":
        sky = one * colour(150, 208, 245, x) + 0.12 * y.unsqueeze(1)
        out = blend(sky, ellipse(x - c(1, -.8, .8), y + c(2, .55, .8), 0, 0, .17, .17), colour(255, 244, 190, x), px)
        out = blend(out, horizon - y, colour(30, 140, 185, x), px)
        shore = y - horizon - c(3, .2, .4) - .05 * torch.sin(x * (3 + 3 * r[:, 4]) + 6 * r[:, 5])
        return blend(blend(out, -shore - .05, colour(235, 248, 250, x), px), -shore, colour(236, 212, 158, x), px)
    if scene == "home":
        wall = one * (colour(236, 220, 196, x) + .05 * (r[:, 1:2] - .5))
        wx = c(2, -.75, .75)
        out = blend(wall, box(x - wx, y, 0, -.55, .38, .3), colour(250, 250, 250, x), px)
        out = blend(out, union(box(x - wx, y, -.14, -.55, .31, .11), box(x - wx, y, .14, -.55, .31, .11)), colour(168, 214, 240, x), px)
        floor = horizon + .25 - y
        out = blend(out, floor, colour(168, 118, 76, x), px)
        planks = torch.maximum(((x * 3 + y) % .6 - .3).abs() - .02, floor)
        return blend(out, planks, colour(128, 84, 52, x), px)
    if scene == "office":
        out = one * (colour(176, 186, 200, x) + .05 * (r[:, 1:2] - .5))
        wx = torch.where(r[:, 2] > .5, c(3, .45, .8), -c(3, .45, .8))
        out = blend(out, box(x - wx, y, 0, -.4, .36, .42), colour(44, 48, 56, x), px)
        out = blend(out, box(x - wx, y, 0, -.42, .29, .36), colour(120, 170, 220, x), px)
        out = blend(out, union(*[box(x - wx, y, 0, -.56 + .13 * k, .02, .26) for k in range(3)]), colour(235, 240, 245, x), px)
        out = blend(out, horizon + .1 - y, colour(214, 180, 136, x), px)
        return blend(out, (y - horizon - .12).abs() - .025, colour(150, 116, 80, x), px)
    if scene == "garden":
        out = one * colour(190, 226, 240, x)
        hedge = horizon - .25 - .07 * torch.sin(x * 9 + 6 * r[:, 1]) - y
        out = blend(blend(out, hedge, colour(44, 104, 52, x), px), horizon - y, colour(122, 186, 84, x), px)
        fx, fy = (x * 2.6 + r[:, 2]) % 1 - .5, (y * 2.6 + r[:, 3]) % 1 - .5
        flower = torch.maximum(torch.sqrt(fx * fx + fy * fy) - .15, horizon + .08 - y)
        return blend(blend(out, flower, colour(255, 250, 240, x), px), flower + .09, colour(250, 200, 60, x), px)
    out = one * colour(176, 200, 226, x) + .08 * y.unsqueeze(1)   # snow
    for k, (cx, w, top) in enumerate([(c(1, -.9, -.3), .9, -.75), (c(2, .3, .9), 1.1, -.55)]):
        peak = torch.maximum((x - cx).abs() * (1 / w) + top - y, y - .6)
        out = blend(blend(out, peak, colour(104, 124, 156, x), px), torch.maximum(peak, y - top - .28), colour(246, 250, 255, x), px)
    out = blend(out, horizon + .05 * torch.sin(x * 4 + 6 * r[:, 3]) - y, colour(238, 243, 250, x), px)
    fx, fy = (x * 3.1 + .5 * torch.floor(y * 3.1) + r[:, 4]) % 1 - .5, (y * 3.1 + r[:, 5]) % 1 - .5
    return blend(out, torch.sqrt(fx * fx + fy * fy) - .1, colour(255, 255, 255, x), px)


def badge(style, u, v):
    """The mark a style puts beside the product: hearts, gold stars, or running chevrons. None for the simple style."""
    if style == "cute":
        s = u.abs()
        return union(ellipse(s, v, .45, -.25, .52, .52), box(u, v, 0, .33, .6, .93, .02, round_=.02)), (235, 50, 120), (255, 235, 242)
    if style == "luxury":
        return (torch.sqrt(u.abs() + 1e-4) + torch.sqrt(v.abs() + 1e-4) - 1) * .45, (255, 198, 30), (92, 62, 8)
    if style == "sporty":
        d = union(*[torch.maximum((u - k + .8 * v.abs()).abs() - .26, v.abs() - .75) for k in (-.1, .75)])
        return d, (0, 205, 225), (16, 34, 60)
    return None


# ---- a picture --------------------------------------------------------------------------------------------------------

def chance(count, generator=None, device="cpu"):
    """All that varies between two pictures of one item: (count, 32) in [0, 1)."""
    return torch.rand(count, 32, generator=generator, device=device)


def cover(pattern, u, v, r):
    """How much of the second colour shows, (B, H, W); r (B, 3, 1, 1)."""
    period = .26 + .1 * r[:, 0]
    soft = lambda wave: (wave * 4 + .5).clamp(0, 1)
    angle = torch.where(r[:, 1] < .45, 0.0, torch.where(r[:, 1] < .8, math.pi / 2, math.pi / 4))
    a, b = u * torch.cos(angle) + v * torch.sin(angle), v * torch.cos(angle) - u * torch.sin(angle)
    stripes = lambda t: soft(torch.sin(t * (2 * math.pi) / period + 6 * r[:, 2]) - .15)
    du, dv = ((u / period + r[:, 2]) % 1 - .5), ((v / period + r[:, 2]) % 1 - .5)
    dots = soft((.3 - torch.sqrt(du * du + dv * dv)) * 4)
    squares = .5 * (stripes(u) + stripes(v))
    pattern = pattern.view(-1, 1, 1)
    return torch.where(pattern == 1, stripes(a + 0 * b), torch.where(pattern == 2, dots, torch.where(pattern == 3, squares, torch.zeros_like(u))))


def draw(items, height, width, r, aspect=None, smooth=None):
    """Pictures of items (B, 5): (B, 3, height, width) in [0, 1].

    r: chance(B). aspect (B): width over height of the *scene*, when the pixels are to be squeezed as a resize would; None: width/height.
    """
    dev, n = r.device, len(items)
    r4 = r.view(n, 32, 1, 1)
    aspect = torch.full((n,), width / height, device=dev) if aspect is None else aspect
    aspect = aspect.view(n, 1, 1)
    x = ((torch.arange(width, device=dev) + .5) * (2 / width) - 1).view(1, 1, width).expand(n, height, width)
    y = ((torch.arange(height, device=dev) + .5) * (2 / height) - 1).view(1, height, 1).expand(n, height, width)
    sx, sy = aspect.clamp(min=1), (1 / aspect).clamp(min=1)       # the shorter side spans [-1, 1]
    out = torch.empty(n, 3, height, width, device=dev)
    for s, name in enumerate(SCENES):
        i = (items[:, 4] == s).nonzero()[:, 0]
        if len(i):
            out[i] = backdrop(name, x[i], y[i], r4[i, :8], 2.4 / height)
    px, py = x * sx, y * sy
    unit = 2 * torch.maximum(sx / width, sy / height)             # one pixel in these coordinates
    twin = r4[:, 8] < .18
    size = (.58 + .26 * r4[:, 9]) * torch.where(twin, .62, 1.0)
    ox, oy = (sx - .85).clamp(min=.06) * (r4[:, 10] * 2 - 1) * .8, (sy - .85).clamp(min=.06) * (r4[:, 11] * 2 - 1) * .8
    turn = (r4[:, 12] - .5) * .5
    u, v = (px - ox) / size, (py - oy) / size
    u, v = u * torch.cos(turn) + v * torch.sin(turn), v * torch.cos(turn) - u * torch.sin(turn)
    shadow = ellipse(u, v, 0, .95, 1.0, .16) * size
    u = torch.where(twin, u.abs() - 1.02, u * torch.where(r4[:, 13] < .5, -1.0, 1.0))
    body, trim = torch.empty_like(u), torch.empty_like(u)
    for p, shape in enumerate(SHAPES):
        i = (items[:, 0] == p).nonzero()[:, 0]
        if len(i):
            body[i], trim[i] = shape(u[i], v[i])
    body, trim = body * size, trim * size
    out = blend(out, shadow, out * .72, unit * 6)
    main = (RGB.to(dev)[items[:, 1]] + (r[:, 14:17] - .5) * .09).clamp(0, 1).view(n, 3, 1, 1)
    second = SECOND.to(dev)[items[:, 1]].view(n, 3, 1, 1)
    face = main + (second - main) * cover(items[:, 2], u, v, r4[:, 17:20]).unsqueeze(1)
    face = face * (1.04 - .12 * (r4[:, 20:21] - .3) * (u + v).unsqueeze(1))
    dark = main * .45 + torch.where(items[:, 1] == 9, .22, 0.0).view(n, 1, 1, 1)
    out = blend(out, torch.minimum(body, trim) - .022, dark * .55, unit)   # outline
    out = blend(out, body, face, unit)
    out = blend(out, trim, dark, unit)
    for s, name in enumerate(STYLES):
        i = (items[:, 3] == s).nonzero()[:, 0]
        if name == "simple" or not len(i):
            continue
        for k in range(3):                                         # three marks around the product
            angle = 6.283 * (r4[i, 21] + k / 3 + .12 * (r4[i, 22 + k] - .5))
            away = .78 + .1 * r4[i, 25 + k]
            radius = .15 + .04 * r4[i, 28]
            cx, cy = torch.cos(angle) * away * sx[i].clamp(max=1.2), torch.sin(angle) * away * sy[i].clamp(max=1.2)
            d, fill, rim = badge(name, (px[i] - cx) / radius, (py[i] - cy) / radius)
            out[i] = blend(blend(out[i], d * radius - .03, colour(*rim, u), unit[i]), d * radius, colour(*fill, u), unit[i])
    out = (out - .5) * (.9 + .2 * r4[:, 29:30]) + .5 + .1 * (r4[:, 30:31] - .5)     # contrast, brightness
    return out.clamp(0, 1)


def camera(picture, generator=None, noise=.03):
    """Noise and blur of a small camera, a random amount each: (B, 3, H, W) -> the same, in [0, 1]."""
    n, dev = len(picture), picture.device
    sharp = torch.rand(n, 1, 1, 1, generator=generator, device=dev)
    blurred = F.avg_pool2d(F.pad(picture, (1, 1, 1, 1), mode="replicate"), 3, 1)
    picture = torch.lerp(blurred, picture, (sharp * 2).clamp(max=1))
    amount = noise * torch.rand(n, 1, 1, 1, generator=generator, device=dev)
    return (picture + amount * torch.randn(picture.shape, generator=generator, device=dev)).clamp(0, 1)
