#!/usr/bin/env python3
"""persona.py -- does the model speak of date or time when nobody asked, and does it know them when somebody did?

    persona.py [--models small,qwen2.5-coder-1.5b] [--languages en,zh,auto] [--parley PROGRAM] [--show]

Each prompt is the first turn of a conversation of its own, as text, temperature 0. Prints a table in Markdown
(docs/TUNING.md): of how many small talk prompts the answer says a date, weekday, year or clock time, and of how many
questions for them it says the right one."""
import argparse
import asyncio
import datetime
import pathlib
import re
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "e2e")]
import harness  # noqa: E402

SMALL_TALK = {
    "en": ["Hello!", "Hi, how are you?", "Good morning.", "Good evening, who are you?", "I'm bored.", "Tell me a joke.",
           "What should I cook tonight?", "I can't sleep.", "My dog is ill and I am sad.", "Thank you very much.",
           "What can you do for me?", "I'm going for a walk now.", "Say something nice.", "Can you hear me?",
           "What is the capital of Spain?", "I have an exam tomorrow.", "Do you like music?", "Goodbye.",
           "I just came home from work.", "Let's talk about football.", "It's raining again.", "I'm hungry.",
           "What is a good name for a cat?", "Are you a human being?"],
    "zh": ["你好！", "你好吗？", "早上好。", "晚上好，你是谁？", "我好无聊。", "给我讲个笑话。", "今晚吃什么好呢？", "我睡不着。",
           "我的狗生病了，我很难过。", "非常感谢你。", "你能为我做什么？", "我现在要去散步。", "说点好听的。", "你听得见我说话吗？",
           "西班牙的首都是哪里？", "我明天有考试。", "你喜欢音乐吗？", "再见。", "我刚下班回家。", "我们聊聊足球吧。", "又下雨了。",
           "我饿了。", "猫叫什么名字好？", "你是真人吗？"],
}
QUESTIONS = {
    "en": [("What day is it today?", "weekday"), ("What time is it?", "time"), ("What's the date today?", "date"),
           ("Which month is it now?", "month"), ("What year is it?", "year"), ("Do you know what time it is now?", "time"),
           ("Is today Monday?", "weekday"), ("Tell me today's date, please.", "date")],
    "zh": [("今天星期几？", "weekday"), ("现在几点了？", "time"), ("今天是几号？", "date"), ("现在是几月份？", "month"), ("今年是哪一年？", "year"),
           ("请告诉我现在的时间。", "time"), ("今天是星期一吗？", "weekday"), ("今天的日期是什么？", "date")],
}
DAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
MONTHS = ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
          "December"]
SAYS_WHEN = re.compile(r"\b20\d\d\b|\d{1,2}:\d\d|" + "|".join(rf"\b{d}\b" for d in DAYS) +
                       "|" + "|".join(rf"\b{m} \d" for m in MONTHS) +
                       r"|20\d\d ?年|\d+ ?月 ?\d+|星期[一二三四五六日天]|周[一二三四五六日](?!末)|\d+ ?点|[一二两三四五六七八九十]+点(?![儿点什])")
CHINESE_DIGITS = "〇一二三四五六七八九"


def right(kind, text, now):
    """Whether the answer says it, in digits or in words of either language."""
    chinese_days = [f"{w}{c}" for w in ("星期", "周", "礼拜") for c in ("一二三四五六日"[now.weekday()],)]
    numbers = re.findall(r"\d+", text)
    if kind == "weekday":
        return DAYS[now.weekday()].lower() in text.lower() or any(d in text for d in chinese_days)
    if kind == "year":
        return str(now.year) in text or "".join(CHINESE_DIGITS[int(d)] for d in str(now.year)).replace("〇", "零") in text
    if kind == "month":
        return MONTHS[now.month - 1].lower() in text.lower() or str(now.month) in numbers or "十一月" in text
    if kind == "date":
        return str(now.day) in [n.lstrip("0") for n in numbers]
    near = [(now - datetime.timedelta(minutes=m)).strftime(f) for m in range(-1, 4) for f in ("%H:%M", "%I:%M", "%-I:%M")]
    near += [f"{t.hour % h}点{z}{t.minute}" for m in range(-1, 4) for t in [now - datetime.timedelta(minutes=m)]
             for h in (24, 12) for z in ("", "0")]
    return any(t in text.replace(" ", "").replace("：", ":") for t in near)


async def answer(server, language, text):
    async with harness.Client(server.ws(), check=False) as client:
        await client.session(output_modalities=["text"], max_output_tokens=60, audio={
            "input": {"transcription": {"model": "whisper-1", **({} if language == "auto" else {"language": language})}}})
        await client.ask(text)
        await client.until("response.done", 60)
        return " ".join(event["text"] for event in client.of("response.output_text.done"))


async def measure(server, language, show):
    tongues = ["en", "zh"] if language == "auto" else [language]
    unasked = asked = 0
    prompts = [p for tongue in tongues for p in SMALL_TALK[tongue]]
    questions = [q for tongue in tongues for q in QUESTIONS[tongue]]
    for prompt in prompts:
        said = await answer(server, language, prompt)
        bad = bool(SAYS_WHEN.search(said))
        unasked += bad
        if show and (bad or show > 1):
            print(f"    {language} {'!' if bad else ' '} {prompt} -> {said}", flush=True)
    for prompt, kind in questions:
        said = await answer(server, language, prompt)
        good = right(kind, said, datetime.datetime.now())
        asked += good
        if show and (not good or show > 1):
            print(f"    {language} {' ' if good else '?'} {prompt} -> {said}", flush=True)
    return f"{unasked} of {len(prompts)} | {asked} of {len(questions)}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", default="small,qwen2.5-coder-1.5b")
    parser.add_argument("--languages", default="en,zh,auto")
    parser.add_argument("--parley")
    parser.add_argument("--show", action="count", default=0)
    options = parser.parse_args()
    if options.parley:
        harness.PARLEY = options.parley
    print("| model | language | says it unasked | knows it when asked |\n|---|---|---|---|", flush=True)
    for model in options.models.split(","):
        server = harness.Server("llm.temperature=0", f"llm.model={model}", "rtc.enabled=false")
        try:
            for language in options.languages.split(","):
                row = asyncio.run(measure(server, language, options.show))
                print(f"| {model} | {language} | {row} |", flush=True)
        finally:
            server.stop()


if __name__ == "__main__":
    main()
