#!/usr/bin/env python3
"""voice_accuracy.py -- how well Chinese voices are understood: 30 sentences read back by our own recogniser.

    voice_accuracy.py [VOICE…]     default: all eight; prints a line each: characters misheard, of all, and sentences
                                   of which more than a third is lost

Numbers that come back as digits count as misheard, with every voice alike."""
import pathlib
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
from program import distance  # noqa: E402
from test_tts_zh import SPOKEN, ideographs  # noqa: E402

PARLEY = pathlib.Path(__file__).resolve().parents[2] / "build/release/parley"
VOICES = ["zf_xiaoyi", "zf_xiaoxiao", "zf_xiaobei", "zf_xiaoni", "zm_yunjian", "zm_yunxi", "zm_yunxia", "zm_yunyang"]
MORE = ["广州市的房地产中介协会正在研究这个问题。", "我觉得这个想法很不错，我们可以试试看。",
        "从北京到上海坐高铁大概需要五个小时左右。", "他每天早上都会去公园跑步，然后再去上班。",
        "这本书的作者是一位非常有名的历史学家。", "我不太确定，但是一般来说不会有什么大问题。",
        "老师告诉我们一定要好好准备明天的考试。", "你可以先把手机关掉再重新打开试一试。",
        "下雨的时候最好不要在树下面躲雨。", "一九四九年以后发生了很多变化。",
        "今天天气晴朗，阳光明媚。", "这首歌的旋律非常动听。", "请帮我订一张去上海的火车票。",
        "冬天的北方常常下雪。", "医生建议他多喝水，早点休息。", "小明在图书馆里安静地看书。",
        "那家餐厅的红烧肉味道很正宗。", "春天来了，公园里开满了鲜花。", "我们公司明年打算招聘一百名新员工。",
        "请把窗户打开，让房间通通风。"]


def main():
    sentences = SPOKEN + MORE
    for voice in sys.argv[1:] or VOICES:
        with tempfile.TemporaryDirectory() as folder:
            paths = [f"{folder}/{i}.wav" for i in range(len(sentences))]
            for text, path in zip(sentences, paths):
                subprocess.run([PARLEY, "tts", "--lang", "zh", "--quality", "fast", "--threads", "2", "--voice", voice, "--out", path,
                                text], check=True, stderr=subprocess.DEVNULL)
            heard = subprocess.run([PARLEY, "stt", "--language", "zh", "--threads", "2", *paths], check=True, capture_output=True,
                                   text=True).stdout.splitlines()
        each = [(distance(ideographs(a), ideographs(b)), len(ideographs(a))) for a, b in zip(sentences, heard, strict=True)]
        print(f"{voice}: {sum(e for e, _ in each)} of {sum(n for _, n in each)} characters, "
              f"{sum(e > n / 3 for e, n in each)} sentences lost", flush=True)


if __name__ == "__main__":
    main()
