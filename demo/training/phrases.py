"""The text side: queries as people write them and product titles, in English and Chinese.

A query names only the attributes it asks for (a requirement, -1 elsewhere); a title names the whole item, leaving out
what goes without saying (plain pattern, simple style, studio).
"""
import numpy as np

from catalog import COLOURS

PRODUCT_EN = [["mug", "cup"], ["handbag", "bag"], ["lamp", "table lamp"], ["dress"], ["jacket", "coat"], ["shoe", "sneaker"], ["chair"], ["hat"],
              ["umbrella"], ["vase", "flower vase"], ["t-shirt", "tee"], ["sofa", "couch"]]
PRODUCT_ZH = [["杯子", "马克杯"], ["手提包", "包包"], ["台灯", "灯"], ["裙子", "连衣裙"], ["外套", "夹克"], ["鞋子", "鞋"], ["椅子"], ["帽子"],
              ["雨伞", "伞"], ["花瓶"], ["T恤", "短袖"], ["沙发"]]
MEASURE_ZH = ["个", "个", "盏", "条", "件", "双", "把", "顶", "把", "个", "件", "张"]
COLOUR_EN = [[c] for c in COLOURS]
COLOUR_EN[5] = ["purple", "violet"]
COLOUR_ZH = [["红色"], ["橙色", "橘色"], ["黄色"], ["绿色"], ["蓝色"], ["紫色"], ["粉色", "粉红色"], ["棕色", "褐色"], ["白色"], ["黑色"]]
PATTERN_EN = [["plain", "solid"], ["striped", "stripy"], ["dotted", "polka-dot"], ["checked", "plaid"]]
PATTERN_NOUN = ["without pattern", "with stripes", "with dots", "with checks"]
PATTERN_ZH = [["纯色", "素色"], ["条纹"], ["波点", "圆点"], ["格子", "格纹"]]
STYLE_EN = [["simple", "minimalist"], ["cute", "sweet"], ["luxury", "glamorous"], ["sporty", "athletic"]]
STYLE_ZH = [["简约", "极简"], ["可爱", "甜美"], ["奢华", "轻奢"], ["运动风", "动感"]]
SCENE_EN = [["in the studio"], ["for the beach", "for the seaside", "for a beach holiday"], ["for the living room", "for the home", "to use at home"],
            ["for the office desk", "for the office", "for work at the office"], ["for the garden", "for a garden party", "for a picnic on the grass"],
            ["for the snow", "for a ski trip", "for winter in the mountains"]]
SCENE_SHORT = ["studio", "beach", "home", "office", "garden", "snow"]
SCENE_ZH = [["影棚的"], ["适合海边的", "海滩度假用的", "沙滩上的"], ["适合客厅的", "居家用的", "家里用的"], ["适合办公室的", "办公桌上用的", "上班用的"],
            ["适合花园的", "草地野餐用的", "花园派对的"], ["适合雪地的", "滑雪旅行用的", "冬天雪山的"]]
SCENE_SHORT_ZH = ["影棚", "海边", "居家", "办公", "花园", "雪地"]
USE_EN = [["to drink coffee from", "to drink tea from"], ["to carry my phone and keys in", "to carry on my arm"], ["to read by at night", "to light up a dark corner"],
          ["to dance in at a wedding", "to wear to a summer party"], ["to keep out the wind", "to wear over a shirt when it is cold"],
          ["to walk in", "to wear on my feet"], ["for one person to sit on", "to sit on at the table"], ["to keep the sun off my face", "to wear on my head"],
          ["to keep the rain off", "to stay dry in the rain"], ["to put flowers in", "to hold a bunch of roses"],
          ["with short sleeves to wear on top", "to wear on top on hot days"], ["for the whole family to sit on", "for three people to sit on"]]
USE_ZH = [["喝咖啡用的", "泡茶喝水用的"], ["装手机钥匙用的", "挎在手上装东西的"], ["晚上看书照明的", "照亮房间用的"], ["参加婚礼跳舞穿的", "夏天聚会穿的"],
          ["挡风保暖穿的", "天冷套在外面的"], ["走路穿的", "穿在脚上的"], ["一个人坐的", "坐着吃饭用的"], ["遮太阳戴的", "戴在头上的"], ["下雨天用的", "挡雨用的"],
          ["插花用的", "放玫瑰花的"], ["天热上身穿的", "夏天穿的短袖上衣"], ["全家人坐的", "三个人坐的"]]


class Writer:
    """Writes one of many wordings by chance."""

    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)
        self.pool, self.at = self.rng.random(1 << 16), 0

    def chance(self):
        self.at = (self.at + 1) % len(self.pool)
        if self.at == 0:
            self.pool = self.rng.random(1 << 16)
        return self.pool[self.at]

    def pick(self, options):
        return options[int(self.chance() * len(options))]

    def phrase_en(self, r, noun):
        """`sporty striped red mug` and other orders, of what r names."""
        col = self.pick(COLOUR_EN[r[1]]) if r[1] >= 0 else ""
        pat = self.pick(PATTERN_EN[r[2]]) if r[2] >= 0 else ""
        sty = self.pick(STYLE_EN[r[3]]) if r[3] >= 0 else ""
        form = self.chance()
        words = lambda *w: " ".join(x for x in w if x)
        if form < .5:
            return words(sty, pat, col, noun)
        if form < .62:
            return words(pat, sty, col, noun)
        if form < .76 and pat:
            return words(sty, col, noun, PATTERN_NOUN[r[2]])
        if form < .86 and col:
            return words(sty, pat, noun, "in", col)
        return ", ".join(x for x in (words(col, noun), pat, sty) if x)

    def phrase_zh(self, r, noun):
        col = self.pick(COLOUR_ZH[r[1]]) if r[1] >= 0 else ""
        pat = self.pick(PATTERN_ZH[r[2]]) if r[2] >= 0 else ""
        sty = self.pick(STYLE_ZH[r[3]]) if r[3] >= 0 else ""
        form = self.chance()
        if form < .4:
            return sty + pat + col + noun
        if form < .6:
            return sty + col + pat + noun
        if form < .8:
            return "".join(x + "的" if i == 0 else x for i, x in enumerate(x for x in (sty, col, pat) if x)) + noun
        return " ".join(x for x in (col, pat, sty, noun) if x)

    def query(self, group, r, lang=None):
        """r: requirement (5,). lang: 'en', 'zh' or None for either."""
        zh = lang == "zh" or (lang is None and self.chance() < .4)
        text = self.query_zh(group, r) if zh else self.query_en(group, r)
        return text if zh or self.chance() < .75 else text[0].upper() + text[1:]

    def query_en(self, group, r):
        if group == "function":
            use = self.pick(USE_EN[r[0]])
            col = self.pick(COLOUR_EN[r[1]]) if r[1] >= 0 else ""
            pat = self.pick(PATTERN_EN[r[2]]) if r[2] >= 0 else ""
            both = [x for x in (pat, col) if x]
            if not both:
                return self.pick(["something ", "a thing ", "I need something ", "looking for something "]) + use
            form = self.chance()
            if form < .4:
                return self.pick(["something ", "I need something "]) + " and ".join(both) + " " + use
            if form < .8:
                return self.pick(["something ", "a thing "]) + use + ", " + self.pick([", ", " and ", " "]).join(both)
            return " ".join(both) + " thing " + use
        noun = self.pick(PRODUCT_EN[r[0]])
        text = self.phrase_en(r, noun)
        if r[4] >= 0:
            scene, form = self.pick(SCENE_EN[r[4]]), self.chance()
            text = f"{text} {scene}" if form < .6 else f"{scene}: {text}" if form < .8 else f"something {scene}, {text}"
        elif group == "style" and self.chance() < .2:
            text += " style"
        article = "an " if text[0] in "aeiou" else "a "
        lead = self.pick(["", "", "", "", article, article, "looking for " + article, "I want " + article, "find me " + article, "need " + article])
        return text if text.startswith(("for ", "to ", "something")) else lead + text

    def query_zh(self, group, r):
        if group == "function":
            use = self.pick(USE_ZH[r[0]])
            col = self.pick(COLOUR_ZH[r[1]]) if r[1] >= 0 else ""
            pat = self.pick(PATTERN_ZH[r[2]]) if r[2] >= 0 else ""
            if not col + pat:
                return self.pick([use + "东西", "想买" + use, "有没有" + use])
            return self.pick([use + col + pat + "东西", pat + col + "的，" + use, "想买" + use + "，要" + col + pat + "的", use + "东西，" + pat + col])
        noun = self.pick(PRODUCT_ZH[r[0]])
        text = self.phrase_zh(r, noun)
        if r[4] >= 0:
            scene = self.pick(SCENE_ZH[r[4]])
            text = self.pick([scene + text, scene + text, text + "，" + scene])
        one = "一" + MEASURE_ZH[r[0]]
        return self.pick(["", "", "", "", "想买", "有没有", "找" + one, "想要" + one]) + text

    def title(self, item, lang=None):
        """A shop's title of the item (5,)."""
        zh = lang == "zh" or (lang is None and self.chance() < .4)
        r = list(item)
        r[2] = -1 if r[2] == 0 and self.chance() < .5 else r[2]
        r[3] = -1 if r[3] == 0 and self.chance() < .5 else r[3]
        if zh:
            text = self.phrase_zh(r, self.pick(PRODUCT_ZH[r[0]]))
            if r[4]:
                text = self.pick([text + " " + SCENE_SHORT_ZH[r[4]] + "款", SCENE_SHORT_ZH[r[4]] + " " + text, self.pick(SCENE_ZH[r[4]]) + text])
            return text
        text = self.phrase_en(r, self.pick(PRODUCT_EN[r[0]]))
        if r[4]:
            text = self.pick([text + " " + self.pick(SCENE_EN[r[4]]), text + " | " + SCENE_SHORT[r[4]], SCENE_SHORT[r[4]] + " " + text])
        return text if self.chance() < .5 else text[0].upper() + text[1:]
