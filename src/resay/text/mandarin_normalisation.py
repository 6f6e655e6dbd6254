"""Mandarin: numbers, dates, units and signs written out in characters.

One rule after the other is applied to the whole text, the most particular first. What a rule writes has no digits, so
that no later rule takes it for its own.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from .addresses import spoken_address
from .english_numbers import roman
from .mandarin_numbers import amount, cardinal, digits, number
from .symbols import SUPERSCRIPTS, VULGAR_FRACTIONS
from .traced import Traced

Rule = tuple[re.Pattern[str], Callable[[re.Match[str]], str | None]]

_NUM = r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?"
_TO = r"\s?(?:[-–—~]|--)\s?"
_MEASURES = (
    "个只条张本天次位名家件辆台部头杯块元斤种岁倍秒周双套层份碗瓶颗棵朵座栋间扇匹艘架支枝根把顶口盒箱包袋桶壶"
    "篇首句段页封期集款项门节场届轮组批群对排行列步声下遍趟回顿餐桌片滴粒串束幅副例起宗笔亩顷吨克米升里"
)
_MEASURE = (
    rf"(?:[{_MEASURES}]|小时|分钟|公斤|千克|公里|千米|厘米|毫米|平方|立方|英里|英尺|英寸|星期|礼拜|个月|点钟|"
    "百|千|万|亿|人|年(?!级))"
)
_CURRENCIES = {
    "¥": "元", "$": "美元", "US$": "美元", "€": "欧元", "£": "英镑", "₩": "韩元", "₹": "卢比", "HK$": "港元",
    "NT$": "新台币", "A$": "澳元", "C$": "加元", "JP¥": "日元", "CN¥": "元", "RMB": "元", "CNY": "元",
    "USD": "美元", "EUR": "欧元", "GBP": "英镑", "JPY": "日元",
}  # fmt: skip
_UNITS = {
    "km": "公里", "m": "米", "cm": "厘米", "mm": "毫米", "nm": "纳米", "μm": "微米", "dm": "分米", "kg": "千克",
    "g": "克",
    "mg": "毫克", "μg": "微克", "t": "吨", "lb": "磅", "oz": "盎司", "ft": "英尺", "in": "英寸", "mi": "英里",
    "km²": "平方公里",
    "km2": "平方公里", "m²": "平方米", "m2": "平方米", "cm²": "平方厘米", "cm2": "平方厘米", "m³": "立方米",
    "m3": "立方米",
    "cm³": "立方厘米", "cm3": "立方厘米", "ha": "公顷", "L": "升", "l": "升", "ml": "毫升", "mL": "毫升",
    "km/h": "公里每小时",
    "m/s": "米每秒", "m/s²": "米每二次方秒", "mph": "英里每小时", "Hz": "赫兹", "kHz": "千赫", "MHz": "兆赫",
    "GHz": "吉赫兹",
    "KB": "K B", "kB": "K B", "MB": "M B", "GB": "G B", "TB": "T B", "Mbps": "兆比特每秒", "kbps": "千比特每秒",
    "W": "瓦", "w": "瓦", "kW": "千瓦", "KW": "千瓦", "MW": "兆瓦", "GW": "吉瓦", "kWh": "千瓦时", "V": "伏",
    "kV": "千伏", "A": "安",
    "mA": "毫安", "mAh": "毫安时", "Ω": "欧姆", "J": "焦耳", "kJ": "千焦", "cal": "卡路里", "kcal": "千卡",
    "N": "牛", "Pa": "帕",
    "kPa": "千帕", "MPa": "兆帕", "hPa": "百帕", "dB": "分贝", "mol": "摩尔", "s": "秒", "ms": "毫秒", "min": "分钟",
    "h": "小时",
    "°C": "摄氏度", "°F": "华氏度", "°": "度", "mmHg": "毫米汞柱", "ppm": "P P M", "rpm": "转每分钟", "px": "像素",
    "kcal/100g": "千卡每百克",
    "mg/L": "毫克每升", "mmol/L": "毫摩尔每升", "g/L": "克每升", "mg/kg": "毫克每千克", "μg/m³": "微克每立方米",
    "g/cm³": "克每立方厘米",
    "kg/m²": "千克每平方米", "mg/dL": "毫克每分升", "U/L": "单位每升", "km²/人": "平方公里每人",
}  # fmt: skip
_UNIT = "|".join(re.escape(unit) for unit in sorted(_UNITS, key=len, reverse=True))
_LETTER_UNITS = frozenset("AVNJtLhW")
_GREEK = {
    "α": "阿尔法", "β": "贝塔", "γ": "伽马", "δ": "德尔塔", "ε": "艾普西龙", "ζ": "泽塔", "η": "伊塔", "θ": "西塔",
    "λ": "拉姆达",
    "μ": "缪", "ξ": "克西", "π": "派", "ρ": "柔", "σ": "西格玛", "τ": "陶", "φ": "斐", "ϕ": "斐", "χ": "卡伊",
    "ψ": "普西",
    "ω": "欧米伽", "ι": "约塔", "κ": "卡帕", "ν": "纽", "ο": "奥米克戎", "υ": "宇普西龙", "ς": "西格玛",
}  # fmt: skip
_GREEK |= {letter.upper(): name for letter, name in _GREEK.items() if letter not in "ςϕ"}
_SIGN_NAMES = {
    "+": "加", "−": "减", "×": "乘", "÷": "除以", "=": "等于", "<": "小于", ">": "大于", "≤": "小于等于",
    "≥": "大于等于",
    "≈": "约等于", "≠": "不等于", "±": "正负", "√": "根号", "∞": "无穷大", "&": "和", "@": "艾特", "°": "度",
    "%": "百分号",
    "§": "第", "→": "到", "*": "乘", "∑": "求和", "∫": "积分", "$": "美元", "€": "欧元", "£": "英镑", "¥": "元",
    "₩": "韩元", "₹": "卢比",
}  # fmt: skip
_ADDRESS_SIGNS = {".": "点", "@": "艾特", "/": "斜杠", "-": "杠", "_": "下划线", "?": "问号", "=": "等于", "&": "和",
                  ":": "冒号", "~": "波浪号", "#": "井号", "%": "百分号", "+": "加"}  # fmt: skip


def _address(match: re.Match[str]) -> str:
    return f" {re.sub(r'[0-9]', lambda digit: digits(digit.group()), spoken_address(match.group(), _ADDRESS_SIGNS))} "


def _date(match: re.Match[str]) -> str | None:
    """2015-08-08, 12/2/2 → 二零一五年八月八日, 一二年二月二日."""
    year, month, day = re.findall(r"\d+", match.group())
    if not (1 <= int(month) <= 12 and 1 <= int(day) <= 31):
        return None
    return f"{digits(year)}年{cardinal(int(month))}月{cardinal(int(day))}日"


def _month_day(match: re.Match[str]) -> str:
    """08月08号 → 八月八号."""
    day = f"{_ordinary(match['day'])}{match['name']}" if match["day"] else ""
    return f"{_ordinary(match['month'])}月{day}"


def _ordinary(written: str) -> str:
    return cardinal(int(written))


def _year(match: re.Match[str]) -> str | None:
    """A number before 年: four digits are a year, fewer a time, unless 后 or 代 say otherwise."""
    written, before, after = match["year"], match.string[: match.start()], match.string[match.end() :]
    if re.search(r"前\s*$", before):
        return f"{amount(written) if '公元' not in before[-5:] else cardinal(written)}年"
    duration = re.match("前|多|来|间|内|之久|的历史|左右|以[上下内后来]", after)
    if len(written) == 4 and not (duration and written.endswith("00") and after[:1] != "以"):
        return f"{digits(written)}年"
    if len(written) == 2 and int(written) >= 60 and not duration and not after.startswith("代"):
        return f"{digits(written)}年"
    return f"{amount(written) if not after.startswith(('级', '代')) else cardinal(written)}年"


def _year_range(match: re.Match[str]) -> str:
    return f"{digits(match['first'])}到{digits(match['last'])}年"


def _time(match: re.Match[str]) -> str | None:
    """8:05 → 八点零五分; between teams it is a score."""
    hour, minute, second = int(match["hour"]), match["minute"], match["second"]
    if hour > 24 or re.search("比分|战胜|击败|以|战平|负于", match.string[max(0, match.start() - 4) : match.start()]):
        return None
    spoken = ("两" if hour == 2 else cardinal(hour)) + "点"
    if int(minute) or second:
        spoken += ("零" if minute.startswith("0") and int(minute) else "") + cardinal(int(minute)) + "分"
    if second:
        spoken += ("零" if second.startswith("0") and int(second) else "") + cardinal(int(second)) + "秒"
    return spoken


def _money(match: re.Match[str]) -> str:
    """¥5.5 → 五点五元, $1.2亿 → 一点二亿美元."""
    written = match["amount"] or match["amount_before"]
    unit = _CURRENCIES[match["sign"] or match["code"]]
    minus = "负" if match["minus"] else ""
    magnitude = match["magnitude"] or match["magnitude_before"] or ""
    return f"{minus}{amount(written)}{_MAGNITUDES.get(magnitude, magnitude)}{unit}"


_MAGNITUDES = {"k": "千", "K": "千", "w": "万", "W": "万", "m": "百万", "M": "百万", "B": "十亿", "b": "十亿"}


def _percent(match: re.Match[str]) -> str:
    """10-15% → 百分之十到十五, -5% → 负百分之五."""
    whole = "千分之" if match["sign"] == "‰" else "百分之"
    minus = {"-": "负", "−": "负", "+": "正", "±": "正负"}.get(match["minus"] or "", "")
    last = f"到{number(match['last'])}" if match["last"] else ""
    return f"{minus}{whole}{number(match['first'])}{last}"


def _fraction(match: re.Match[str]) -> str | None:
    top, bottom = match["top"], match["bottom"]
    if int(bottom) == 0:
        return None
    whole = f"{cardinal(match['whole'])}又" if match["whole"] else ""
    return f"{whole}{cardinal(bottom)}分之{cardinal(top)}"


def _vulgar(match: re.Match[str]) -> str:
    top, bottom = VULGAR_FRACTIONS[match["sign"]]
    whole = f"{cardinal(match['whole'])}又" if match["whole"] else ""
    return f"{whole}{cardinal(bottom)}分之{cardinal(top)}"


def _telephone(match: re.Match[str]) -> str:
    return ("加" if match.group().startswith("+") else "") + digits(match.group(), one="幺")


def _temperature(match: re.Match[str]) -> str:
    """-5°C → 零下五摄氏度, -5~3°C → 零下五到三摄氏度."""
    sign = {"-": "零下", "−": "零下", "+": "零上", "±": "正负"}
    first = sign.get(match["sign"] or "", "") + number(match["first"])
    last = f"到{sign.get(match['sign2'] or '', '')}{number(match['last'])}" if match["last"] else ""
    return first + last + {"°C": "摄氏度", "°F": "华氏度"}.get(match["unit"], match["unit"])


def _measure(match: re.Match[str]) -> str | None:
    """5km → 五公里, 3-5kg → 三到五千克; a single capital may as well be a name (5A景区, 3V3)."""
    unit = match["unit"]
    if unit in _LETTER_UNITS and re.match(r"[\w]", match.string[match.end() :]):
        return None
    first = amount(match["first"]) if not match["last"] else number(match["first"])
    last = f"到{amount(match['last'])}" if match["last"] else ""
    return f"{_MINUS.get(match['sign'] or '', '')}{first}{last}{_UNITS[unit]}"


_MINUS = {"-": "负", "−": "负", "+": "正", "±": "正负"}


def _range(match: re.Match[str]) -> str | None:
    """3-5 → 三到五; a score where the words before it say so; a sum where = follows."""
    before, after = match.string[max(0, match.start() - 4) : match.start()], match.string[match.end() :]
    first, last = match["first"], match["last"]
    if re.match(r"\s*=", after):
        return f"{number(first)}减{number(last)}"
    if re.search("比分|以|胜|击败|战平|负于", before) and "." not in first + last:
        return f"{number(first)}比{number(last)}"
    if len(first) == 4 and len(last) == 4 and first[:2] in ("18", "19", "20"):
        return f"{digits(first)}到{digits(last)}"
    measured = re.match(_MEASURE, after)
    return f"{amount(first) if measured else number(first)}到{amount(last) if measured else number(last)}"


def _ratio(match: re.Match[str]) -> str:
    return "比".join(number(part) for part in re.findall(_NUM, match.group()))


def _dotted(match: re.Match[str]) -> str:
    """Versions and addresses: 3.11.2 → 三点一一点二."""
    return "点".join(digits(part) if len(part) > 1 else number(part) for part in match.group().split("."))


def _scientific(match: re.Match[str]) -> str:
    exponent = (match["power"] or match["raised"]).translate(SUPERSCRIPTS).replace("−", "-").lstrip("+")
    power = ("负" if exponent.startswith("-") else "") + cardinal(exponent.lstrip("-"))
    times = f"{number(match['amount'])}乘以" if match["amount"] else ""
    return f"{times}十的{power}次方"


def _power(match: re.Match[str]) -> str:
    exponent = (match["power"] or match["raised"]).translate(SUPERSCRIPTS)
    name = {"2": "平方", "3": "立方"}.get(exponent)
    if not name:
        name = ("负" if exponent.startswith("-") else "") + cardinal(exponent.lstrip("-")) + "次方"
    base = number(match["base"]) if match["base"].isdigit() else match["base"]
    return f"{base}的{name}"


def _roman(match: re.Match[str]) -> str:
    return cardinal(roman(match["roman"]))


def _code(match: re.Match[str]) -> str:
    """Digits after Latin letters: GPT-4 → GPT 四, A380 → A三八零."""
    written = match["digits"]
    return match["head"] + (digits(written) if len(written) > 2 else number(written))


def _counted(match: re.Match[str]) -> str:
    return amount(match.group())


def _plain(match: re.Match[str]) -> str:
    """A number without anything to tell: years of our time digit by digit, else its value."""
    written = match.group()
    before, after = match.string[: match.start()], match.string[match.end() :]
    if re.search(r"\d\.$|[A-Za-z]$", before) and len(written) > 2 and "." not in written and "," not in written:
        return digits(written)
    if (
        re.fullmatch(r"(?:19|20)\d\d", written)
        and not re.search("[约近第超逾共有达]$", before)
        and not re.match(_MEASURE, after)
    ):
        return digits(written)
    if re.match("室|房间|路公交|路车|号楼|国道|省道|航班", after) and len(written) > 2:
        return digits(written)
    return number(written)


_RULES: tuple[Rule, ...] = (
    (re.compile(r"(?<!\d)(?<!\d:)(?P<begin>\d{1,2}:[0-5]\d)\s?[-–—~]\s?(?=\d{1,2}:[0-5]\d)"),
     lambda match: match["begin"] + "到"),
    (
        re.compile(r"(?P<high>\d{2,3})/(?P<low>\d{2,3})\s?mmHg"),
        lambda match: f"{number(match['high'])}、{number(match['low'])}毫米汞柱",
    ),
    (re.compile(r"(?i)(?:https?://|www\.)[\w./?=&%#~:+@-]*[\w/]|[\w.+-]+@[a-z0-9-]+(?:\.[a-z0-9-]+)+|"
                r"(?<![A-Za-z0-9.])(?:[a-z0-9-]+\.)+(?:com|org|net|edu|gov|io|ai|cn|co|jp|uk|info|app|dev)"
                r"(?![a-z])(?:/[\w./-]*\w)?", re.ASCII), _address),
    (re.compile(r"(?<![\d/.-])(?:\d{4}-\d{1,2}-\d{1,2}|\d{2,4}/\d{1,2}/\d{1,2}|\d{4}\.\d{1,2}\.\d{1,2})(?![\d/-]|"
                r"\.\d)"), _date),
    (re.compile(rf"(?<!\d)(?P<first>1\d{{3}}|20\d\d){_TO}(?P<last>1\d{{3}}|20\d\d)\s?年"), _year_range),
    (re.compile(r"(?<![\d.])(?<!\d,)(?P<year>\d{1,4})\s?年"), _year),
    (re.compile(r"(?<![\d.])(?<!\d,)(?P<month>0?[1-9]|1[0-2])\s?月(?:\s?(?P<day>0?[1-9]|[12]\d|3[01])"
                r"\s?(?P<name>[日号])?(?![\d.]))?(?(day)(?(name)|(?!.)))"), _month_day),
    (re.compile(r"(?<!\d[:,])(?<![\d.])(?P<hour>\d{1,2}):(?P<minute>[0-5]\d)(?::(?P<second>[0-5]\d))?(?![\d:])"),
     _time),
    (re.compile(rf"(?<![\d.:])(?<!\d,)(?:{_NUM})(?:\s?:\s?(?:{_NUM}))+(?![\d:])"), _ratio),
    (re.compile(r"(?<![\d.])(?:00|\d[05])(?=后(?![\d天年月周日]))"), lambda match: digits(match.group())),
    (re.compile(rf"(?P<minus>[-−])?(?:(?P<sign>(?:US|A|C|HK|NT)?\$|(?:JP|CN)?¥|[€£₩₹])\s?(?P<amount>{_NUM})"
                rf"\s?(?P<magnitude>[十百千]?[万亿]|[kKwWmMbB](?![A-Za-z]))?"
                rf"元?|(?P<amount_before>{_NUM})\s?(?P<magnitude_before>[十百千]?[万亿])?\s?(?P<code>RMB|CNY|USD|"
                rf"EUR|GBP|JPY|€|£|¥)(?![A-Za-z]))"), _money),
    (re.compile(rf"(?:(?<![\d)])(?P<minus>[-−+±]))?(?<![\d.])(?<!\d,)(?P<first>{_NUM})(?:%?{_TO}(?P<last>{_NUM}))"
                rf"?\s?(?P<sign>[%‰])"), _percent),
    (re.compile(rf"(?:(?<![\d)])(?P<sign>[-−+±]))?(?<![\d.])(?<!\d,)(?P<first>{_NUM})(?:°?C?{_TO}(?P<sign2>[-−])"
                rf"?(?P<last>{_NUM}))?\s?(?P<unit>°C|°F|度(?=[，。,.!?;\s]|$|以|左右))"),
     _temperature),
    (re.compile(r"(?<![A-Za-z0-9.])(?:(?P<amount>\d+(?:\.\d+)?)\s?[×xX*·]\s?)?10(?:\^(?P<power>[-−]?\d+)|"
                r"(?P<raised>⁻?[⁰¹²³⁴-⁹]+))"), _scientific),
    (re.compile(r"(?<![A-Za-z0-9.])(?P<amount>\d+(?:\.\d+)?)[eE](?P<power>[-+−]?\d+)(?P<raised>)(?!\w)", re.ASCII),
     _scientific),
    (re.compile(rf"(?:(?<![\d)A-Za-z])(?P<sign>[-−+±]))?(?<![\d.])(?<!\d,)(?P<first>{_NUM})(?:{_TO}(?P<last>{_NUM})"
                rf")?\s?(?P<unit>{_UNIT})(?![A-Za-z0-9²³/°])"), _measure),
    (re.compile(r"(?P<whole>\d+)?(?P<sign>[½⅓⅔¼¾⅕⅖⅗⅘⅙⅚⅛⅜⅝⅞])"), _vulgar),
    (re.compile(r"(?<![\d/.])(?:(?P<whole>\d+) )?(?P<top>\d{1,4})/(?P<bottom>\d{1,4})(?![\d/.])"), _fraction),
    (re.compile(r"(?<![\d.A-Za-z-])(?:\+?86[- ]?)?1[3-9]\d[- ]?\d{4}[- ]?\d{4}(?![\d.])|(?<![\d.])"
                r"0\d{2,3}[- ]\d{7,8}(?!\d)|"
                r"(?<![\d.])[48]00[- ]\d{3,4}[- ]\d{3,4}(?!\d)|(?<![\d.])(?:\+\d{1,3}[- ])\d{2,4}(?:[- ]\d{3,4})"
                r"{1,3}(?!\d)|"
                r"(?<=[打拨电话线警救叫])(?:110|119|120|122|114)(?![\d.,/])|"
                r"(?<![\d.])(?:12306|12345|12315|10086|10010|10000|95\d{3})(?![\d.,]|年|人|元|"
                r"个|米|公里|平方|分|岁|万|亿|多|余|[A-Za-z%])"), _telephone),
    (re.compile(rf"(?<![\d.A-Za-z])(?P<first>{_NUM}){_TO}(?P<last>{_NUM})(?![\d.]|{_TO}\d)"), _range),
    (re.compile(r"(?<![\d.])\d+(?:\.\d+){2,4}(?![\d.])"), _dotted),
    (re.compile(r"(?P<base>[A-Za-z]|(?<!\d)\d+)(?:\^(?P<power>-?\d+)|(?P<raised>⁻?[²³¹⁰⁴-⁹]+))"), _power),
    (re.compile(r"(?:(?<=第)|(?<![A-Za-z]))(?P<roman>X{0,3}(?:IX|IV|V?I{1,3}|V)|X{1,3})"
                r"(?=[世章期型级代卷届号类部节集])"), _roman),
    (re.compile(r"(?P<head>[A-Za-z])[- ]?(?P<digits>\d+)(?![\d.,]*\d)"), _code),
    (re.compile(rf"(?<![\d.A-Za-z第)）])[-−](?P<number>{_NUM})(?![\d-])"),
     lambda match: "负" + number(match["number"])),
    (re.compile(rf"(?<![\dA-Za-z.)）\u4e00-\u9fff])\+(?P<number>{_NUM})"),
     lambda match: "正" + number(match["number"])),
    (re.compile(rf"(?<![\d.,第])2(?=\s?{_MEASURE})(?![楼号月日班])"), _counted),
    (re.compile(_NUM), _plain),
)  # fmt: skip
_SIGNS: tuple[Rule, ...] = (
    (re.compile(r"(?<=[A-Za-z])\+\+"), lambda match: "加加"),
    (re.compile("[" + "".join(_GREEK) + "]"), lambda match: _GREEK[match.group()]),
    (re.compile(r"#(?P<topic>[^#\s]+)#?"), lambda match: match["topic"]),
    (re.compile(r"(?<=[元里米次度斤克个吨人天块])\s?/\s?(?=[月年天日小人次分秒斤公平千吨个])"), lambda match: "每"),
    (re.compile(r"(?<=[\w)])\s?(?<![A-Za-z])([+<>*×])\s?(?=[\w(])"), lambda match: _SIGN_NAMES[match.group(1)]),
    (re.compile(r"(?<=[一二三四五六七八九十零百千万亿])\s?-\s?(?=[一二三四五六七八九十零百千万亿].*等于|"
                r"[一二三四五六七八九十零百千万亿]+\s?=)"), lambda match: "减"),
    (re.compile(r"\s?([÷=≤≥≈≠±√∞&@°%§→∑∫$€£¥₩₹−])\s?"), lambda match: _SIGN_NAMES[match.group(1)]),
)  # fmt: skip
_DIGIT = re.compile(r"\d|[½⅓⅔¼¾⅕-⅞²³¹⁰⁴-⁹]|[IVX][世章期型级代卷届号类部节集]|://|@|www|\.(?:com|cn|org|net)")
_SIGN = re.compile("[&≈≠≤≥=×÷±√∞→∑∫§°%#@$€£¥₩₹+<>*−/" + "".join(_GREEK) + "]")
_NUMBER = re.compile(r"\d[\d,]*")


def normalise(text: Traced) -> Traced:
    """The text with everything written out in characters. What a pause is stays one."""
    if _DIGIT.search(text.text):
        for pattern, replacement in _RULES:
            text = text.replace(pattern, replacement)
    if _SIGN.search(text.text):
        for pattern, replacement in _SIGNS:
            text = text.replace(pattern, replacement)
    return text


def say_as(kind: str, text: Traced) -> Traced:
    """Text as one kind of thing: characters, digits, cardinal, ordinal, telephone, date or time."""
    if kind in ("characters", "spell-out", "verbatim", "digits"):
        text = text.replace(_NUMBER, lambda match: digits(match.group()))
        return normalise(text.replace(re.compile("[A-Za-z]"), lambda match: f" {match.group().upper()} "))
    if kind == "telephone":
        return text.replace(_NUMBER, lambda match: digits(match.group(), one="幺"))
    if kind in ("cardinal", "number"):
        return text.replace(_NUMBER, lambda match: cardinal(match.group()))
    if kind == "ordinal":
        return text.replace(_NUMBER, lambda match: "第" + cardinal(match.group()))
    return normalise(text)
