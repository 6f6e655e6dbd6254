"""地, 得 and 的 as particles, and words whose last syllable is neutral in one meaning only, told by their neighbours.

A word is given as jieba tags it, (word, part of speech). Its tags are often wrong, so words that are common in these
places are listed. After Lü Shuxiang, Xiandai Hanyu babai ci (1999), under 的, 地 and 得; 东西 and 地方 as in Xiandai
Hanyu cidian.
"""

from __future__ import annotations

Tagged = tuple[str, str]

_NOT_AFTER_MANNER = frozenset(
    "是 为 在 有 位于 处于 属于 也 则 都 被 叫 和 与 及 或 的 上 下 里 中 内 外 面 方 区".split()
)
_PLACES = frozenset(
    "居住 出生 发源 生产 原产 聚居 栖息 繁殖 所在 目的 驻扎 出产 拍摄 取景 旅游 集散 避难 定居 埋葬 安葬 户籍 "
    "注册 发生 诞生 起源 产 种植 养殖 工作 生活 停靠 停放 集中 居留 暂住 经常居住 采访 垃圾 殖民 根据 所有 "
    "各 该 当 本 此".split()
)
_MANNER = frozenset(
    "小心 大声 高声 低声 小声 轻声 齐声 柔声 好心 好意 耐心 细心 热心 专心 一心 一步 一个 科学 历史 辩证 本能 下意识 "
    "无意识 有意识 全力 有力 相对 大面积 大规模 大幅度 小范围".split()
)
_DEGREES = frozenset(
    "很 太 更 最 不 非常 十分 特别 相当 比较 挺 极 极其 好 多 越来越 越 尽可能 如此 这么 那么 这样 那样 有点 像".split()
)
_MUST_BEFORE = frozenset(
    "必 总 还 都 就 也 可 又 非 真 怕 恐怕 至少 最少 起码 肯定 一定 大家 人 谁 咱 您 先 才 可能 看来 最后 以后 然后 "
    "所以 那 这 要是 否则 现在 今天 明天 今晚 每天 人们 有时 有时候".split()
)
_MUST_AFTER = frozenset("小心 早点 快点 赶紧 多 少 先 再 等 好好 努力 努力学习 有人 靠 让 把 跟 和 多喝水".split())
_AMOUNTS = ("天", "年", "月", "小时", "分钟", "钟头", "块", "元", "钱", "周", "星期", "个", "次", "遍", "趟")
_ABLE = frozenset("做 办 看 听 找 买 吃 说 收 够 摸 碰 见 达 猜 认 记 感觉 体会 享受 用 遇 拿 等".split())
_BY_TAXI = frozenset("去 回 回家 回去 过去 过来 走 上班 下班 前往 出行 赶到 赶往 到 赶去 回来".split())
_EAST_WEST_AFTER = frozenset(
    "走向 方向 两 两侧 两边 两岸 两端 两面 两翼 向 横贯 横 长 宽 部 方 侧 半球 轴 轴线 对称 南北 北 南 各 通道 干线 "
    "交流 德 湖区 湖 向的 延伸 贯通 贯穿 双向 文化 狭长 跨度 分布".split()
)
_EAST_WEST_BEFORE = frozenset("南北 横贯 贯 贯穿 横跨 呈 连接 沟通 不分 自 跨越 贯通".split())
_THIS = frozenset(
    "这 那 哪 个 的 什么 某 处 此 这个 那个 哪个 这种 那种 这些 那些 好 老 小 大 有些 任何 别 其他".split()
)
_LOCAL_AFTER = frozenset("各级 立法 治理 管理 自治 建设 发展 保护主义 财政 志 性 各".split())


def reading(word: Tagged, earlier: Tagged, before: Tagged, after: Tagged) -> str:
    """Reading of 地, 得 or 的 as a word of its own where the neighbours decide it; empty elsewhere."""
    if word[0] == "地":
        graded = len(before[0]) == 1 and earlier[0] in _DEGREES and after[0]
        return "de5" if graded or _follows_manner(before, after) else ""
    if word[0] == "得":
        return _must_or_so(before, after)
    if word[0] == "的" and before[0] == "打" and after[0] in _BY_TAXI:
        return "di1"
    return ""


def _follows_manner(before: Tagged, after: Tagged) -> bool:
    """Whether 地 stands between how something is done and what is done: 慢慢地走, not 一块地."""
    word, tag = before
    if len(word) < 2 or not after[0] or word in _PLACES:
        return False
    if word[0] in "更很最越极太":
        return True
    if after[0] in _NOT_AFTER_MANNER:
        return False
    doubled = word[-1] == word[-2] or len(word) == 4 and (word[:2] == word[2:] or word[0] == word[1])
    if doubled or word in _MANNER or word[-1] in "性般样" or tag[:1] in tuple("dzi"):
        return True
    return tag[:1] in tuple("ablv") and after[1][:1] in tuple("vdpan")


def _must_or_so(before: Tagged, after: Tagged) -> str:
    """得: de5 before how it turns out, dei3 where something must be done, empty (then de2) where something is got."""
    word, tag = before
    if after[0] in ("", "了", "着", "过", "的"):
        return ""
    if word in _MUST_BEFORE or tag[:1] in ("r", "t") and word != "自己":
        number = after[1][:1] == "m" and after[0].endswith(_AMOUNTS) and after[0][0] != "第"
        must = after[1][:1] in tuple("vpdaru") or after[0] in _MUST_AFTER or number
        return "dei3" if must and after[0] not in ("过", "到") else ""
    if word == "不" or not word:
        return "dei3" if not word and after[0] in _MUST_AFTER else ""
    if len(word) == 1 and tag != "p":
        return "de5" if after[1][:1] != "m" or tag[:1] == "v" else ""
    if after[0] in _DEGREES or tag[:1] in tuple("vabzil") and tag != "ad":
        return "de5" if after[1][:1] != "m" else ""
    if tag[:1] == "n" and after[1][:1] in ("v", "p", "d", "l") or after[0] in _MUST_AFTER:
        return "dei3"
    return "de5" if tag[:1] == "n" and after[1][:1] == "a" else ""


def last_syllable(word: str, tag: str, before: Tagged, after: Tagged, earlier: Tagged) -> str:
    """Reading of a longer word's last syllable where its neighbours or its build decide it; empty elsewhere."""
    if word[-1] == "地" and len(word) > 2 and (word[-2] == word[-3] or tag[:1] in ("z", "d")):
        return "de5"
    if word == "东西" and (after[0] in _EAST_WEST_AFTER or before[0] in _EAST_WEST_BEFORE):
        return "xi1"
    if word == "地方" and before[0] not in _THIS:
        noun = after[1][:1] == "n" and len(after[0]) > 1
        if noun or after[0] in _LOCAL_AFTER or earlier[0] == "中央" and before[0] in ("和", "与", "、", "到"):
            return "fang1"
    return ""


def is_got(word: str, before: Tagged) -> bool:
    """Whether 得到 is two words that say that something can be done: 做得到, not 他得到."""
    return word == "得到" and before[0] in _ABLE
