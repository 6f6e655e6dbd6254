"""Trains the readings of ambiguous Mandarin characters.

    python -m resay.train.polyphones SENTENCES LABELS OUT.npz [TEXT.gz ...]

SENTENCES and LABELS are in the form of the CPP data set (Park and Lee, Interspeech 2020): a sentence a line, one
character between U+2581 signs, and its reading. Lines whose CRC-32 (of the sentence, UTF-8) leaves 0 modulo 5 are held
out: they are measured, never trained on. TEXT is more text; in it, characters of words that the phrase table reads, and
that have one reading in it wherever the word stands, are labelled by that table.
"""

from __future__ import annotations

import gzip
import re
import sys
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from zlib import crc32

from ..text import classifier, mandarin, polyphones
from .perceptron import Example, counted, save, train

_MARKED = re.compile("\u2581\\s*(.)\\s*\u2581")


HAND_WRITTEN = """
你▁好▁ hao3
▁好▁的，没问题 hao3
这个▁好▁吗 hao3
今天天气真▁好▁ hao3
他对我很▁好▁ hao3
做得很▁好▁ hao3
▁好▁人有好报 hao3
他这个人▁好▁吃懒做 hao4
他从小▁好▁学 hao4
我▁还▁没吃饭 hai2
他▁还▁在睡觉 hai2
你▁还▁好吗 hai2
把书▁还▁给他 huan2
欠债要▁还▁钱 huan2
我下周▁还▁你 huan2
我们▁都▁去 dou1
大家▁都▁知道 dou1
这条河很▁长▁ chang2
头发太▁长▁了 chang2
时间有点▁长▁ chang2
一米▁长▁的绳子 chang2
他▁长▁高了 zhang3
草▁长▁得很快 zhang3
▁行▁，就这样 xing2
这样做不▁行▁ xing2
你真▁行▁ xing2
第一▁行▁写名字 hang2
他干这▁行▁很久了 hang2
外面▁着▁火了 zhao2
他睡▁着▁了 zhao2
门开▁着▁ zhe5
他看▁着▁我 zhe5
吃不▁了▁这么多 liao3
他走▁了▁ le5
我▁会▁游泳 hui4
我▁要▁回家 yao4
▁为▁人民服务 wei4
▁为▁你高兴 wei4
他▁为▁我做了很多 wei4
他被选▁为▁代表 wei2
视▁为▁朋友 wei2
人很▁少▁ shao3
▁少▁说话 shao3
他的体▁重▁下降了 zhong4
这个箱子很▁重▁ zhong4
▁重▁写一遍 chong2
请▁重▁说一次 chong2
请▁数▁一下人数 shu3
他的▁数▁很大 shu4
▁弹▁吉他 tan2
▁种▁花 zhong4
三▁种▁颜色 zhong3
▁教▁孩子读书 jiao1
▁空▁着肚子 kong1
▁倒▁一杯水 dao4
他▁倒▁在地上 dao3
▁背▁着书包 bei1
他的▁背▁很疼 bei4
天▁凉▁了 liang2
▁量▁一下长度 liang2
▁分▁成三组 fen1
▁只▁有我去 zhi3
一▁只▁狗 zhi1
▁当▁老师 dang1
▁卷▁起袖子 juan3
两▁卷▁书 juan4
▁盛▁一碗汤 cheng2
▁扎▁头发 za1
▁钻▁进洞里 zuan1
"""
"""Plain daily sentences, which the encyclopaedia that the data is from does not have."""


def is_held_out(line: str) -> bool:
    """The written rule of what is measured and not trained on."""
    return crc32(line.encode()) % 5 == 0


def examples(sentences: Iterable[str], labels: Iterable[str]) -> list[tuple[str, Example]]:
    """Lines and what is marked in them."""
    found = []
    for line, label in zip(sentences, labels, strict=True):
        match = _MARKED.search(line)
        if not match:
            raise ValueError(f"no character is marked: {line}")
        text = mandarin.to_simplified(line[: match.start()] + match.group(1) + line[match.end() :])
        seen = mandarin.context(text, match.start())
        found.append(
            (line, Example(match.group(1), seen.features, seen.proposed, label.replace("u:e", "ve").replace("u:", "v")))
        )
    return found


def labelled(text: Iterable[str], characters: set[str], most: int = 60) -> list[Example]:
    """Characters of longer words in running text, read by the phrase table; at most so many of one word."""
    counts: dict[tuple[str, int], int] = defaultdict(int)
    found = []
    for line in text:
        position = 0
        line = mandarin.to_simplified(line)
        for word in mandarin.words(line):
            for offset, character in enumerate(word):
                if len(word) < 2 or character not in characters or mandarin.phrase(word) is None:
                    continue
                counts[word, offset] += 1
                if counts[word, offset] <= most:
                    reading = mandarin.phrase(word).split(" ")[offset]
                    seen = mandarin.context(line, position + offset)
                    found.append(Example(character, seen.features, seen.proposed, reading))
            position += len(word)
    return found


def measure(path: Path, held_out: Iterable[Example]) -> list[tuple[Example, str]]:
    """What a written model reads for each example."""
    model = classifier.load(path)
    return [
        (
            example,
            polyphones.best(model, example.word, example.features, example.proposed)
            if example.word in model.readings
            else example.proposed,
        )
        for example in held_out
    ]


def main() -> None:
    """Train, write, and print the share of held-out characters that are read right."""
    sentences, labels, out, *texts = sys.argv[1:]
    lines = Path(sentences).read_text(encoding="utf-8").splitlines()
    found = examples(lines, Path(labels).read_text(encoding="utf-8").split())
    training = [example for line, example in found if not is_held_out(line)]
    held_out = [example for line, example in found if is_held_out(line)]
    counts = counted(training)
    extra = [line.rsplit(" ", 1) for line in HAND_WRITTEN.strip().split("\n")]
    training += 3 * [example for _, example in examples(*zip(*extra, strict=True))]
    for name in texts:
        with gzip.open(name, "rt", encoding="utf-8") as file:
            training += labelled(file.read().splitlines(), set(counts))
    for example in training:
        counts[example.word][example.reading] += 0
    save(train(training, counts), counts, Path(out))
    proposed = sum(example.proposed == example.reading for example in held_out)
    read = measure(Path(out), held_out)
    right = sum(reading == example.reading for example, reading in read)
    print(f"{len(training)} trained on, {len(held_out)} held out: dictionary {proposed / len(held_out):.4f}, ", end="")
    print(f"model {right / len(held_out):.4f}; {Path(out).stat().st_size} bytes")


if __name__ == "__main__":
    main()
