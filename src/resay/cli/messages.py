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
    "provider_missing": (
        "--provider {provider}: {reason}; the processor is used instead",
        "--provider {provider}：{reason}；改用 CPU",
    ),
    "provider_failed": (
        "--provider {provider}: its libraries could not be loaded; {found} is used instead",
        "--provider {provider}：无法加载其运行库；改用 {found}",
    ),
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
    "bad_transcript": (
        "the transcript of {clip} is no use: {problem}",
        "{clip} 的文本不可用：{problem}",
    ),
    "consent": (
        "cloning {clip} needs consent: --consent own if the voice is yours or you have permission, else --consent FILE",
        "克隆 {clip} 需要说话人同意：如声音属于你或已获许可，请加 --consent own，或 --consent FILE",
    ),
    "consent_unneeded": (
        "{voice} carries its own consent; --consent changes nothing",
        "{voice} 自带同意记录，--consent 不起作用",
    ),
    "consent_given": (
        "{output}: {speaker} agrees to {uses} until {until}, signed by {key}",
        "{output}：{speaker} 同意 {uses}，至 {until}，签名密钥 {key}",
    ),
    "consent_stands": (
        "{source}: {speaker} agrees to {uses} until {until} ({signed})",
        "{source}：{speaker} 同意 {uses}，至 {until}（{signed}）",
    ),
    "signed_by": ("signed by {key}", "签名密钥 {key}"),
    "unsigned": ("not signed", "未签名"),
    "no_end": ("further notice", "另行通知"),
    "consent_withdrawn": (
        "withdrew {speaker}'s consent {consent}; nothing speaks, tunes or joins under it here any more",
        "已撤回 {speaker} 的同意 {consent}；此机器不再据此合成、训练或参与联邦",
    ),
    "consent_withdrawn_already": ("{consent} was withdrawn before", "{consent} 此前已撤回"),
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
    "clip_wanted": (
        "the voice was cloned from {clip}, which is not here; give it with --voice CLIP",
        "该声音克隆自 {clip}，此处没有该文件；请用 --voice CLIP 给出",
    ),
    "voice_wanted": (
        "no voice here is the recorded {voice} ({digest}); give it with --voice NAME.voice, or replay the archive",
        "此处没有记录中的声音 {voice}（{digest}）；请用 --voice NAME.voice 给出，或重放存档",
    ),
    "style_wanted": (
        "the recorded style {style} is not here; give it with --style NAME|CLIP",
        "此处没有记录中的风格 {style}；请用 --style NAME|CLIP 给出",
    ),
    "replayed": (
        "{output}: replayed from {source}, {exact}, seed {seed}",
        "{output}：由 {source} 重放，{exact}，种子 {seed}",
    ),
    "identical": ("identical to the last bit", "逐位相同"),
    "within": ("within the three criteria: {figures}", "满足三项验收标准：{figures}"),
    "verified": ("{file}: is what its manifest says", "{file}：与清单一致"),
    "unverified": ("{file}: {problem}", "{file}：{problem}"),
    "not_verified": ("{count} of {total} do not verify: {problem}", "{total} 个中有 {count} 个未通过验证：{problem}"),
    "unlike": ("{first} and {second} differ: {problem}", "{first} 与 {second} 不同：{problem}"),
    "archived": ("{archive}: {count} sounds, {size:.1f} MB", "{archive}：{count} 个音频，{size:.1f} MB"),
    "lexicon_wanted": (
        "{manifest}: the lexicon {lexicon} is not here; give it with --lexicon FILE",
        "{manifest}：此处没有词典 {lexicon}；请用 --lexicon FILE 给出",
    ),
    "seed_wanted": ("a role needs its seed: --seed N, or --from MANIFEST", "角色需要种子：--seed N 或 --from MANIFEST"),
    "role_added": (
        "role {name} (#{number}): seed {seed}, voice {voice}",
        "角色 {name}（#{number}）：种子 {seed}，声音 {voice}",
    ),
    "role_removed": ("removed role {name} (#{number})", "已删除角色 {name}（#{number}）"),
    "roles_exported": ("{output}: {count} roles", "{output}：{count} 个角色"),
    "voice_of_role_changed": (
        "voice: {voice} has changed since role {role} was saved; save the role again",
        "声音 {voice} 自角色 {role} 保存以来已改变；请重新保存该角色",
    ),
    "varied": (
        "{option} is what varies; leave it out, or vary something else than {variable}",
        "{option} 正是要变化的量；请去掉，或改变 {variable} 以外的量",
    ),
    "two_variables": (
        "an audition changes one thing, not {variables}; otherwise nobody knows what is heard",
        "试听只改变一个变量，不能同时改变 {variables}，否则无法判断差异来源",
    ),
    "no_variable": (
        "--vary must be one of {variables}, not {variable}",
        "--vary 只能是 {variables}，不能是 {variable}",
    ),
    "name_wanted": ("give the role a name: --name ROLE", "请给角色命名：--name ROLE"),
    "no_take": ("no take {value!r} in {folder}; there are: {takes}", "{folder} 中没有 {value!r}；现有：{takes}"),
    "auditioned": ("{page}: {takes}", "{page}：{takes}"),
    "batch_done": (
        "{index}: {spoken} of {total} spoken, seed {seed} unless a line says otherwise",
        "{index}：共 {total} 条，完成 {spoken} 条，种子 {seed}（行内另有指定者除外）",
    ),
    "batch_failed": (
        "{failed} of {total} lines failed, see {index}; {first}",
        "{total} 条中有 {failed} 条失败，见 {index}；{first}",
    ),
    "lexicon_state": (
        "{file}: {entries} entries, version {version}, {digest}",
        "{file}：{entries} 条，版本 {version}，{digest}",
    ),
    "bad_entries": ("{problem} ({count} wrong in all)", "{problem}（共 {count} 处有误）"),
    "increment_written": (
        "{output}: {changed} changed, {removed} removed, to version {version}, {digest}",
        "{output}：{changed} 条改动，{removed} 条删除，至版本 {version}，{digest}",
    ),
    "increment_known": ("{increment}: is in the lexicon already", "{increment}：词典已包含该增量"),
    "lexicon_ending": (
        "{output}: give another file, ending in {endings}",
        "{output}：请给出另一个以 {endings} 结尾的文件",
    ),
    "no_phoneme_lexicon": (
        "--phoneme reads {file} in the working directory; it is not there: use --lexicon FILE, or `resay lexicon add`",
        "--phoneme 读取工作目录下的 {file}，此处没有；请改用 --lexicon FILE，或用 `resay lexicon add` 创建",
    ),
    "speaking": ("speaking", "正在合成"),
    "argument": ("TEXT", "TEXT"),
    "standard_input": ("standard input", "标准输入"),
    "standard_output": ("standard output", "标准输出"),
    "voice_added": ("added voice {name} ({path})", "已添加声音 {name}（{path}）"),
    "voice_removed": ("removed voice {name} ({path})", "已删除声音 {name}（{path}）"),
    "voice_exported": ("{output}: {name}, {how}", "{output}：{name}，{how}"),
    "as_it_is": ("as it is", "原样"),
    "blurred_by": ("blurred by {strength:g}", "模糊强度 {strength:g}"),
    "role_forgotten": ("removed role {name} (#{number}) with it", "同时删除角色 {name}（#{number}）"),
    "trace_left": ("{file}: still holds the voice or what names it", "{file}：仍含有该声音或其标识"),
    "no_trace": ("no trace found in {files} files", "已检查 {files} 个文件，未发现残留"),
    "passphrase": ("Passphrase of the vault", "保险库口令"),
    "new_passphrase": ("New passphrase", "新口令"),
    "no_passphrase": (
        "the vault needs its passphrase: --passphrase-file F, or $RESAY_PASSPHRASE",
        "保险库需要口令：--passphrase-file F 或 $RESAY_PASSPHRASE",
    ),
    "vault_made": ("made the vault {folder}", "已创建保险库 {folder}"),
    "vault_kept": ("{name}: sealed in the vault", "{name}：已存入保险库"),
    "vault_given": ("{output}: {name} from the vault", "{output}：取自保险库的 {name}"),
    "vault_removed": ("{name}: erased from the vault", "{name}：已从保险库抹除"),
    "vault_changed": ("the vault has another passphrase now", "保险库口令已更换"),
    "vault_forgotten": (
        "destroyed the vault {folder}; nobody can open what was in it",
        "已销毁保险库 {folder}，其中内容任何人都无法再打开",
    ),
    "vault_sure": (
        "this destroys everything in {folder}; say --yes if you mean it",
        "这会销毁 {folder} 中的一切；确认请加 --yes",
    ),
    "locked": (
        "{name}: sealed in the vault, its file erased; speak with --voice vault:{name}",
        "{name}：已存入保险库，原文件已抹除；合成时用 --voice vault:{name}",
    ),
    "unlocked": ("{name}: back among the voices ({path})", "{name}：已恢复到声音库（{path}）"),
    "clip_accepted": ("{clip}: usable as a reference", "{clip}：可作为参考音频"),
    "clip_refused": ("{clip}: not usable as a reference: {problem}", "{clip}：不可作为参考音频：{problem}"),
    "checking": ("listening", "正在检查"),
    "covered": ("{sentences} texts, {questions} questions", "{sentences} 条文本，{questions} 个问句"),
    "no_sounds": ("{folder}: no sound files in this folder", "{folder}：文件夹中没有音频文件"),
    "no_texts": (
        "{folder}: no sound has its text beside it; NAME.wav wants NAME.txt",
        "{folder}：没有与音频同名的文本；NAME.wav 需要 NAME.txt",
    ),
    "no_such_sounds": (
        "{file}: names sounds that are not in the folder: {names}",
        "{file}：列出的音频不在文件夹中：{names}",
    ),
    "no_table": (
        "{file}:{line}: give a sound's name and its text, parted by a tab or |",
        "{file}:{line}：请写音频名与文本，用制表符或 | 分隔",
    ),
    "no_text_beside": (
        "say what {clip} says: TEXT, or a file {file} beside it",
        "请给出 {clip} 的文本：TEXT，或旁边的 {file}",
    ),
    "align_ending": ("{output}: give a file ending in {endings}", "{output}：请给出以 {endings} 结尾的文件"),
    "is_manifest": (
        "{file}: is the manifest of a sound, which an alignment does not overwrite; give another name with -o",
        "{file}：是一个音频的清单，对齐结果不会覆盖它；请用 -o 另取文件名",
    ),
    "aligned": (
        "{output}: {words} words, heard with {sure:.0%} confidence",
        "{output}：{words} 个词，平均置信度 {sure:.0%}",
    ),
    "disagreement": (
        "{kind} {text} [{start:.2f}–{end:.2f} s]",
        "文本与声音不符（{kind}）{text} [{start:.2f}–{end:.2f} 秒]",
    ),
    "line_failed": ("line {line}: {problem}", "第 {line} 行：{problem}"),
    "listening": (
        "resay listens on {address} (Control-C ends it)",
        "resay 正在监听 {address}（按 Control-C 结束）",
    ),
    "key_added": (
        "key for {name} ({scopes}); it is shown only this once:",
        "{name} 的密钥（{scopes}），只显示这一次：",
    ),
    "key_removed": ("removed the key of {name}", "已删除 {name} 的密钥"),
    "job_submitted": (
        "job {job}: {items} items, seed {seed}; `resay serve` or `resay jobs run` speaks them",
        "作业 {job}：{items} 条，种子 {seed}；由 `resay serve` 或 `resay jobs run` 合成",
    ),
    "job_state": (
        "{job}  {state:<9} {done}/{items} done, {failed} failed  {made}  {name}",
        "{job}  {state:<9} 完成 {done}/{items}，失败 {failed}  {made}  {name}",
    ),
    "job_folder": ("its sounds: {folder}", "语音位置：{folder}"),
    "job_removed": ("removed job {job} and its files", "已删除作业 {job} 及其文件"),
    "jobs_ran": ("{count} items taken on, {jobs} jobs finished", "处理 {count} 条，完成 {jobs} 个作业"),
    "clean_nothing": (
        "say what shall go: --older-than 30d, --larger-than 5GB, or both",
        "请说明删除条件：--older-than 30d、--larger-than 5GB，或两者",
    ),
    "cleaned": (
        "{folder}: {count} sounds gone ({size:.1f} MB), {kept} kept, of them {named} that somebody refers to",
        "{folder}：已删除 {count} 个语音（{size:.1f} MB），保留 {kept} 个，其中 {named} 个被引用",
    ),
    "would_clean": (
        "{folder}: {count} sounds would go ({size:.1f} MB), {kept} kept, of them {named} that somebody refers to",
        "{folder}：将删除 {count} 个语音（{size:.1f} MB），保留 {kept} 个，其中 {named} 个被引用",
    ),
    "unwell": ("resay is not well: {problems}", "resay 有问题：{problems}"),
    "usable": ("can be used", "可用"),
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
