"""What the command line says, in English and Chinese, in one place.

$RESAY_LANGUAGE (en or zh) decides, else the locale. Errors of the library itself are English.
"""

from __future__ import annotations

import os

MESSAGES = {
    "error": ("resay: {problem}", "resay：{problem}"),
    "note": ("note: {remark}", "提示：{remark}"),
    "internal": (
        "internal error: {problem} (set RESAY_DEBUG=1 to see where)",
        "内部错误：{problem}（设置 RESAY_DEBUG=1 可查看位置）",
    ),
    "interrupted": ("interrupted; nothing was written", "已中断，未写入任何文件"),
    "usage": ("{problem} See `{command} --help`.", "{problem} 请看 `{command} --help`。"),
    "extra": (
        "`resay {command}` needs {module}; install it with: pip install 'resay[{extra}]'",
        "`resay {command}` 需要 {module}；请安装：pip install 'resay[{extra}]'",
    ),
    "no_text": (
        "say what to speak: TEXT, - for standard input, or --file F",
        "请给出要说的文本：TEXT、-（标准输入）或 --file F",
    ),
    "two_texts": ("give TEXT or --file, not both", "TEXT 与 --file 只能给一个"),
    "no_text_file": ("{file}: the text cannot be read ({problem})", "{file}：无法读取文本（{problem}）"),
    "not_utf8": ("{file}: the text is not UTF-8 (byte {place})", "{file}：文本不是 UTF-8（第 {place} 字节）"),
    "seed": (
        "--seed must be a whole number from 0 to {highest}, or random; got {value!r}",
        "--seed 必须是 0 到 {highest} 的整数或 random，得到 {value!r}",
    ),
    "no_voice": (
        "choose a voice with --voice; `resay voices` lists them",
        "请用 --voice 选择声音；`resay voices` 列出全部",
    ),
    "no_such_clip": ("{clip}: no such clip", "{clip}：没有这个音频文件"),
    "consent": (
        "cloning {clip} needs consent: --consent own if the voice is yours or you have permission, else --consent FILE",
        "克隆 {clip} 需要说话人同意：如声音属于你或已获许可，请加 --consent own，或 --consent FILE",
    ),
    "consent_unneeded": (
        "{voice} carries its own consent; --consent changes nothing",
        "{voice} 自带同意记录，--consent 不起作用",
    ),
    "unready": (
        "{option} is not available in this version of resay; leave it out",
        "此版本的 resay 尚不支持 {option}，请去掉该选项",
    ),
    "not_with": ("{option} has no meaning with {other}; leave it out", "{option} 对 {other} 没有意义，请去掉"),
    "both_outputs": (
        "--json and -o - both want standard output; choose one",
        "--json 与 -o - 都要用标准输出，请选其一",
    ),
    "subtitles_need_file": ("--subtitles needs a file: -o OUT", "--subtitles 需要文件输出：-o OUT"),
    "spoken": (
        "{output}: {seconds:.2f} s, voice {voice}, seed {seed}, real time factor {factor:.3f}",
        "{output}：{seconds:.2f} 秒，声音 {voice}，种子 {seed}，实时率 {factor:.3f}",
    ),
    "more_remarks": ("and {count} more such characters in the text", "文本中还有 {count} 个类似字符"),
    "speaking": ("speaking", "正在合成"),
    "argument": ("TEXT", "TEXT"),
    "standard_input": ("standard input", "标准输入"),
    "standard_output": ("standard output", "标准输出"),
    "voice_added": ("added voice {name} ({path})", "已添加声音 {name}（{path}）"),
    "voice_removed": ("removed voice {name} ({path})", "已删除声音 {name}（{path}）"),
    "clip_accepted": ("{clip}: usable as a reference", "{clip}：可作为参考音频"),
    "clip_refused": ("{clip}: not usable as a reference: {problem}", "{clip}：不可作为参考音频：{problem}"),
    "line_failed": ("line {line}: {problem}", "第 {line} 行：{problem}"),
    "unwell": ("resay is not well: {problems}", "resay 有问题：{problems}"),
    "well": ("all is well", "一切正常"),
}


def message(name: str, /, **values: object) -> str:
    """The message in the user's language, its places filled."""
    english, chinese = MESSAGES[name]
    return (chinese if _speaks_chinese() else english).format(**values)


def _speaks_chinese() -> bool:
    for variable in ("RESAY_LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG"):
        chosen = os.environ.get(variable)
        if chosen:
            return chosen.lower().startswith("zh")
    return False
