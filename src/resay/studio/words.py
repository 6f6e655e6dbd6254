"""What the page says, in English and Chinese, in one place. The browser's language decides."""

from __future__ import annotations

from functools import lru_cache

import gradio as gr
from gradio.i18n import I18nData

from ..errors import (
    BadAudio,
    BadFile,
    BadLexicon,
    BadOption,
    BadText,
    ConsentMissing,
    ResayError,
    UnknownVoice,
    Unreproducible,
)
from ..quality import Finding
from ..server.problems import Busy, NotThere, TooMuch

WORDS = {
    "title": ("## resay · say it again, exactly", "## resay · 再说一遍，一字不差"),
    "speak": ("Speak", "合成"),
    "voices": ("Voices", "声音"),
    "audition": ("Audition", "试音"),
    "seeds": ("Seeds", "种子库"),
    "lexicon": ("Lexicon", "词典"),
    "replay": ("Replay and compare", "复现与对比"),
    "voice": ("Voice", "声音"),
    "clip": ("… or a clip of 3 to 10 seconds: upload or record", "……或 3–10 秒的参考音频：上传或录音"),
    "consent": (
        "This voice is mine, or its owner has given me permission to use it.",
        "这是我本人的声音，或声音的主人已许可我使用。",
    ),
    "text": ("Text", "文本"),
    "text_hint": ("What shall be said? 中文 and English may be mixed.", "要说什么？中英文可以混用。"),
    "long_text": ("Long-text mode (more than 200 characters)", "长文本模式（超过 200 字）"),
    "too_long": (
        "{count} characters: switch on long-text mode for more than 200",
        "共 {count} 字：超过 200 字请打开长文本模式",
    ),
    "seed": ("Seed", "种子"),
    "seed_hint": ("the same seed gives the same speech", "相同的种子得到相同的语音"),
    "advanced": ("⚙ Advanced settings", "⚙ 高级设置"),
    "language": ("Language of numbers without words", "无文字数字的语言"),
    "speed": ("Speed", "语速"),
    "sampling": ("Sampling", "采样方法"),
    "temperature": ("Temperature", "温度"),
    "top_k": ("Top-k", "Top-k"),
    "style": ("Say it like", "借用谁的风格"),
    "style_strength": ("Style strength", "风格强度"),
    "accent": ("Accent kept", "保留口音"),
    "accent_hint": (
        "in the other language: 0 speaks like a native, 1 keeps the speaker's own accent",
        "说另一种语言时：0 如母语者，1 保留本人口音",
    ),
    "rate_hint": (
        "32 kHz adds what lies above 12 kHz",
        "32 kHz 时多出 12 kHz 以上的声音",
    ),
    "format": ("File format", "文件格式"),
    "go": ("🔊 Speak", "🔊 开始合成"),
    "free": ("🧹 Free memory", "🧹 清理显存"),
    "freed": ("The memory that was kept for speed is free again.", "已释放缓存的内存。"),
    "sound": ("Sound", "语音"),
    "used": (
        "Spoken with seed **{seed}** by **{voice}** in {taken:.2f} s: {seconds:.2f} s of speech. Digest `{digest}`",
        "种子 **{seed}**，声音 **{voice}**，用时 {taken:.2f} 秒，语音长 {seconds:.2f} 秒。摘要 `{digest}`",
    ),
    "files": ("Download: sound, manifest, subtitles", "下载：语音、清单、字幕"),
    "name": ("Name", "名称"),
    "spoken_language": ("What the speaker speaks", "说话人的语言"),
    "add": ("Add", "添加"),
    "delete": ("Delete", "删除"),
    "save": ("Save", "保存"),
    "recall": ("Use on the Speak page", "用于合成页"),
    "your_voices": ("Voices", "全部声音"),
    "added": ("Added {name}.", "已添加 {name}。"),
    "deleted": ("Deleted {name}.", "已删除 {name}。"),
    "need_consent": (
        "A voice is cloned only with its owner's consent: tick the sentence below the clip if it is true.",
        "只有在声音主人同意的情况下才能克隆：如属实，请勾选音频下方的声明。",
    ),
    "need_text": ("Write a text first.", "请先输入文本。"),
    "need_clip": ("Choose a clip first.", "请先选择音频。"),
    "need_choice": ("Choose one first.", "请先选择一项。"),
    "need_seed": ("Give a seed: a whole number from 0.", "请填写种子：不小于 0 的整数。"),
    "clip_good": (
        "✅ Usable: {speech:.1f} s of speech, noise {noise:.0f} dB under it",
        "✅ 可用：{speech:.1f} 秒语音，噪声低 {noise:.0f} dB",
    ),
    "clip_bad": ("⛔ Not usable: {problem}", "⛔ 不可用：{problem}"),
    "may_not": ("This key may not change what is kept.", "此密钥无权更改已保存的内容。"),
    "internal": ("Something went wrong here; the server's log says more.", "服务器内部出错，详情见日志。"),
    "role": ("Role", "角色"),
    "scene": ("Scene", "场景"),
    "character": ("How it sounds", "听感"),
    "roles": ("Roles", "角色列表"),
    "save_role": (
        "Save the last sound's voice and seed as a role",
        "把刚才的声音与种子存为角色",
    ),
    "save_chosen": ("Keep it as a role", "存为角色"),
    "need_sound": (
        "Speak something with a voice of the list first; a clip is added on the Voices page.",
        "请先用列表中的声音合成一段语音；参考音频请先在声音页添加。",
    ),
    "role_saved": ("Saved role {name}: {voice}, seed {seed}.", "已保存角色 {name}：{voice}，种子 {seed}。"),
    "varied": ("What differs", "要改变的一项"),
    "vary_seed": ("seed", "种子"),
    "vary_sampling": ("sampling", "采样方法"),
    "vary_voice": ("voice", "声音"),
    "vary_style": ("style strength", "风格强度"),
    "vary_rate": ("sample rate", "采样率"),
    "vary_punctuation": ("punctuation", "标点"),
    "values": ("Its values, with commas; of punctuation, one text a line", "取值，用逗号分隔；标点则每行一份文本"),
    "values_hint": ("nothing here: the usual ones", "留空则用常用值"),
    "choose": ("The best one", "最合适的一个"),
    "compare": ("🎧 Make them", "🎧 逐一合成"),
    "too_many": ("Try {most} at most.", "最多同时试 {most} 个。"),
    "first_sound": ("First sound", "第一段语音"),
    "second_sound": ("Second sound", "第二段语音"),
    "measure": ("📏 Compare", "📏 对比"),
    "criterion": ("criterion", "标准"),
    "measured": ("measured", "测得"),
    "overlap": ("Waveforms overlap (more than 95 %)", "波形重合（大于 95 %）"),
    "prosody": ("Melody and pauses as heard", "语调与停顿听感"),
    "key_frames": ("Start, end, stresses (within 5 ms)", "起止与重音位置（5 毫秒内）"),
    "prosody_figures": (
        "pitch {pitch:.2f} Hz, at the end {final:+.2f} Hz, pauses {pause:.0f} ms",
        "音高相差 {pitch:.2f} Hz，句末 {final:+.2f} Hz，停顿 {pause:.0f} 毫秒",
    ),
    "entries": (
        "One entry a line: word = reading, such as 重庆 = chóng qìng or resay = R IY2 S EY1",
        "每行一条：词 = 读音，例如 重庆 = chóng qìng 或 resay = R IY2 S EY1",
    ),
    "open": ("Open", "打开"),
    "saved": ("Saved {name}: {count} entries.", "已保存 {name}：{count} 条。"),
    "bad_line": ("line {line}: write word = reading", "第 {line} 行：请写成 词 = 读音"),
    "reads": ("How a text is read", "查看文本读法"),
    "show_reading": ("Show the reading", "显示读音"),
    "manifest": ("A manifest (.json), or a WAV or FLAC file with one inside", "清单（.json），或内含清单的 WAV、FLAC"),
    "make_again": ("🔁 Make it again", "🔁 复现"),
    "identical": ("✅ Every sample is the same.", "✅ 每个采样点都相同。"),
    "close": ("≈ Made again within the three criteria.", "≈ 在三项标准之内复现。"),
    "batch": ("Batch", "批量"),
    "table": ("Table (.jsonl), one item a line", "任务表（.jsonl），每行一条"),
    "table_hint": (
        (
            'A line: `{"output_name": "one", "input_text": "Good morning.", "voice": "ada", "seed": 7}` — '
            "voice, seed and the rest may be left out."
        ),
        (
            '每行如：`{"output_name": "one", "input_text": "早上好。", "voice": "lan", "seed": 7}` — '
            "voice、seed 等均可省略。"
        ),
    ),
    "voice_heads": ("name|language|gender|description|seed", "名称|语言|性别|描述|种子"),
    "role_heads": ("#|role|seed|voice|scene|how it sounds", "#|角色|种子|声音|场景|听感"),
    "reading_heads": ("word|reading|decided by", "词|读音|依据"),
    "voice_unless": ("Voice, unless a line names one", "声音（行内未指定时）"),
    "batch_seed": ("Seed of the batch", "本批种子"),
    "seed_required": ("required: one seed for all items", "必填：全批共用一个种子"),
    "hand_in": ("📋 Start the batch", "📋 开始批量合成"),
    "need_table": ("Choose a table first.", "请先选择任务表。"),
    "job": ("Batch to follow", "查看批次"),
    "cancel": ("Cancel", "取消"),
    "go_on": ("Go on", "继续"),
    "log": ("Log", "日志"),
    "zip": ("Download: ZIP of sounds, manifests and index", "下载：语音、清单与索引的 ZIP"),
    "job_state": (
        "{state}: {done} of {items} spoken, {failed} failed",
        "{state}：共 {items} 条，完成 {done} 条，失败 {failed} 条",
    ),
    "job_waiting": ("Waiting", "等待中"),
    "job_running": ("Being spoken", "合成中"),
    "job_done": ("Done", "已完成"),
    "job_failed": ("Done, with failures", "已完成，但有失败"),
    "job_cancelled": ("Cancelled", "已取消"),
    "preset": ("Preset", "预设"),
    "sample_rate": ("Sample rate", "采样率"),
    "context": ("Carry context from sentence to sentence", "句间携带上下文"),
    "context_hint": (
        "long texts flow better; a sentence then depends on those before it",
        "长文本更连贯；但每句会受前文影响",
    ),
    "kv_cache": ("KV cache", "KV 缓存"),
    "kv_cache_hint": (
        "always on: it makes long sentences quicker and changes no sound",
        "始终开启：加快长句合成，不改变声音",
    ),
    "key": ("Key", "密钥"),
    "enter": ("Enter", "进入"),
    "key_wanted": ("This server wants a key.", "此服务器需要密钥。"),
    "key_wrong": ("This key is not known here.", "此处没有这个密钥。"),
}


FINDINGS = {
    "too_short": "音频太短：请录 3 到 10 秒",
    "silent": "音频没有声音：请检查麦克风后重录",
    "no_speech": "音频中没有人声：请录一段说话",
    "short": "音频偏短，声音会不够像本人：建议 3 到 10 秒",
    "long": "音频过长，只用开头部分：建议保留最好的 10 秒",
    "silence_head": "开头静音过长：请剪到一秒左右",
    "silence_tail": "结尾静音过长：请剪到一秒左右",
    "long_pause": "中间停顿过长，合成的停顿也会变长：请缩短停顿",
    "uneven_rate": "语速忽快忽慢：请用平稳的语速重录",
    "clipped": "录音削波，声音会刺耳：请降低录音电平",
    "noisy": "噪声过大，会染到音色里：请换安静的地方录",
    "quiet": "声音太小：请靠近麦克风",
    "narrow_band": "缺少高频，声音会发闷：请用 24 kHz 以上录音，不要用电话",
    "music": "人声背后有音乐，合成会带嗡声：请在没有音乐处重录",
    "echo": "房间回声明显，声音会显得远：请靠近麦克风，在有窗帘软垫处重录",
    "several_speakers": "不止一个人在说话，音色会混杂：请只录一个人",
}
"""What is found in a clip, in Chinese, by the finding's code; in English it says so itself, with its figures."""
PROBLEMS: dict[type[ResayError], str] = {
    BadAudio: "音频不可用（需要 WAV、FLAC、MP3、OGG 或 Opus，3–10 秒清晰人声）",
    BadFile: "文件不可用",
    BadLexicon: "词典有误",
    BadOption: "设置有误",
    BadText: "文本无法合成",
    Busy: "服务器正忙，请稍后再试",
    ConsentMissing: "缺少声音主人的同意",
    NotThere: "没有找到",
    TooMuch: "超出上限",
    UnknownVoice: "没有这个声音",
    Unreproducible: "无法复现",
}
"""What a refusal is about, in Chinese; its details are in English everywhere."""


@lru_cache(maxsize=1)
def table() -> gr.I18n:
    """For the browser. Chinese is one, whatever the region."""
    english = {name: pair[0] for name, pair in WORDS.items()}
    chinese = {name: pair[1] for name, pair in WORDS.items()}
    regions = dict.fromkeys(("zh", "zh-CN", "zh-TW", "zh-HK", "zh-Hans", "zh-SG"), chinese)
    return gr.I18n(en=english, **regions)


def label(name: str) -> I18nData:
    """A word of the page itself, which the browser puts into its language."""
    return table()(name)


def said(name: str, http: gr.Request | None, /, **values: object) -> str:
    """A sentence that is made here, in the language that the browser asks for."""
    english, chinese = WORDS[name]
    return (chinese if _is_chinese(http) else english).format(**values)


def found(finding: Finding, http: gr.Request) -> str:
    """What was found in a clip."""
    return FINDINGS.get(finding.code, finding.message) if _is_chinese(http) else finding.message


def problem(error: ResayError, http: gr.Request | None) -> str:
    """What stands in the way."""
    about = next((words for kind, words in PROBLEMS.items() if isinstance(error, kind)), "")
    return f"{about}：{error}" if about and _is_chinese(http) else str(error)


def _is_chinese(http: gr.Request | None) -> bool:
    return http is not None and str(http.headers.get("accept-language", "")).lower().startswith("zh")
