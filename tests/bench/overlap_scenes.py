#!/usr/bin/env python3
"""overlap_scenes.py -- the table "What stops an answer" of docs/TUNING.md, in virtual time and without the network.

    overlap_scenes.py [--audio DIR] [--voices DIR] [--languages en,zh] [--slow 1,6] [--kinds NAME,…] [--json FILE]

Each case is played by tests/bench/overlap_scenes.c over an answer: real voice detector, floor and recogniser, whose time
is what it computed here times --slow. Rows:
  sounds, recorded     sneezes, cries, animals, clocks, a horn of ../shared/audio and stretches of its noises, at three levels
  sounds, spliced      two sneezes or barks in a row
  backchannels         from our own voices ("synthesised"; there are no recorded ones), kept in --voices once made; also
                       more of them in other voices, which take a while to make
  speech, recorded     must stop the answer, at two levels
  commands             "stop", "wait", 等一下 …, synthesised: must stop it too
  cut-ins              sentences of one to eight words, synthesised: must stop it
Recorded rows alone say something about people."""
import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import wave

ROOT = pathlib.Path(__file__).resolve().parents[2]
PARLEY = ROOT / "build/release/parley"
SCENES = ROOT / "build/release/tests/bench/overlap_scenes"
RATE = 16000
BACKCHANNELS = {"en": ["Mhm.", "Yeah.", "Okay.", "Right.", "Uh huh.", "Oh.", "I see.", "Yes.", "Sure.", "Wow."],
                "zh": ["嗯。", "对。", "好的。", "哦。", "是的。", "嗯嗯。", "对对。", "好。", "啊。", "是。"]}
MORE = {"en": ["Mm-hmm.", "Uh-huh.", "All right.", "Of course.", "Got it.", "Really?", "Exactly.", "Oh okay.", "Oh wow.", "Hmm.", "Aha.", "Cool.",
               "Nice.", "True.", "I see.", "Okay."],
        "zh": ["嗯嗯。", "对啊。", "好吧。", "哦，这样啊。", "明白了。", "没错。", "哇。", "行。", "可以。", "知道了。", "原来如此。", "真的吗？", "是啊。"]}
# The rules of words were written with those of the first row at hand, and not with the others.
MORE_VOICES = {"en": {"backchannels, other voices": ["af_bella", "am_adam", "bm_george", "af_nicole", "am_puck", "bf_isabella"],
                      "backchannels, unseen voices": ["af_sarah", "am_fenrir", "bf_lily", "bm_lewis"],
                      "backchannels, four voices more": ["af_nova", "am_eric", "bf_alice", "bm_daniel"],
                      "backchannels, voices kept apart": ["af_sky", "am_liam", "bm_fable", "af_kore"]},
               "zh": {"backchannels, other voices": ["zf_xiaoyi", "zm_yunjian", "zm_yunxia", "zm_yunyang"]}}
COMMANDS = {"en": ["Stop.", "Wait.", "No.", "Stop it.", "Hold on.", "Wait a minute."],
            "zh": ["停。", "等一下。", "不对。", "别说了。", "停一下。", "我问你。"]}
CUT_INS = {"en": ["Actually, I wanted to ask something else.", "But why?", "Can you repeat that?", "What about tomorrow?", "I don't think so.",
                  "That's not what I meant.", "Hang on a second.", "Sorry, what was that?", "Let me ask you something.", "Never mind.", "Go back.",
                  "Tell me about Paris instead.", "And what does it cost?", "How long does it take?", "In the morning.", "The second one, please.",
                  "My name is Peter.", "He said no.", "Give me an example.", "Is it far?"],
           "zh": ["等等，我想问一下。", "那为什么呢？", "你再说一遍。", "换一个话题吧。", "明天呢？", "我觉得不对。", "先别说这个。", "多少钱？", "我要第二个。",
                  "在哪里？"]}
CUT_IN_VOICES = {"en": ["heart", "am_adam", "bf_lily", "bm_daniel", "af_sky", "am_liam"], "zh": ["zf_xiaoyi", "zm_yunjian", "zm_yunxi", "zf_xiaoxiao"]}
VOICES = {"en": ["heart", "am_michael", "bf_emma"], "zh": ["zf_xiaobei", "zm_yunxi", "zf_xiaoxiao"]}
MUST_STOP = ("speech, recorded", "commands, synthesised", "cut-ins, synthesised")


def read(path):
    with wave.open(str(path)) as f:
        assert f.getnchannels() == 1 and f.getsampwidth() == 2, path
        return f.getframerate(), f.readframes(f.getnframes())


def write(path, rate, sound):
    with wave.open(str(path), "wb") as f:
        f.setnchannels(1)
        f.setsampwidth(2)
        f.setframerate(rate)
        f.writeframes(sound)
    return path


def said(folder, language, words, voices=None):
    """One file for each word and voice."""
    paths = []
    for voice in voices or VOICES[language]:
        for word in words:
            path = folder / f"{voice}_{word.strip('.。').replace(' ', '_')}.wav"
            quality = "fast" if voice == "heart" else "best"  # "auto" would measure the machine each time
            if not path.is_file():
                subprocess.run([PARLEY, "tts", "--quality", quality, "--voice", voice, "--lang", language, "--out", path, word],
                               check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            paths.append(path)
    return paths


def cases_of(language, audio, voices, folder):
    """(kind, path, level in dB)."""
    cases = []
    sounds = [p for p in sorted((audio / "overlap").glob("*.wav")) if "meeting" not in p.stem]
    cases += [("sounds, recorded", path, level) for path in sounds for level in (0, -12, 6)]
    for path in sorted((audio / "noise").glob("*.wav")):
        rate, sound = read(path)
        for i in range(2):
            piece = write(folder / f"{path.stem}_{i}.wav", rate, sound[i * 4 * rate:(i + 1) * 4 * rate])
            cases.append(("sounds, recorded", piece, 0))
    for path in sounds:
        if path.stem.startswith(("person_sneeze", "dog")):
            rate, sound = read(path)
            cases.append(("sounds, spliced", write(folder / f"{path.stem}_twice.wav", rate, sound + bytes(rate // 2) + sound), 0))
    cases += [("backchannels, synthesised", path, level) for path in said(voices, language, BACKCHANNELS[language])
              for level in (0, -10)]
    for kind, more in MORE_VOICES[language].items():
        cases += [(kind, path, 0) for path in said(voices, language, MORE[language], more)]
    speech = sorted((audio / language).glob("*.wav")) + [p for p in [audio / "overlap/ami_meeting_6s.wav"] if language == "en"]
    cases += [("speech, recorded", path, level) for path in speech for level in (0, -10)]
    cases += [("commands, synthesised", path, 0) for path in said(voices, language, COMMANDS[language])]
    cases += [("cut-ins, synthesised", path, 0) for path in said(voices, language, CUT_INS[language], CUT_IN_VOICES[language])]
    return cases


def play(cases, language, slow):
    lines = "".join(f"{i}\t{path}\t{level}\n" for i, (_, path, level) in enumerate(cases))
    done = subprocess.run([SCENES, "--language", language, "--slow", str(slow)], input=lines, capture_output=True, text=True, errors="replace",
                          cwd=ROOT, check=False, env={**os.environ, "PARLEY_LIB": str(ROOT / "build/release/lib")})
    if done.returncode:
        sys.exit(f"overlap_scenes: {done.stderr.strip()}")
    return [json.loads(line) for line in done.stdout.splitlines()]


def spread(values):
    values = sorted(v for v in values if v >= 0)
    return f"{values[len(values) // 2]} / {values[min(len(values) - 1, len(values) * 95 // 100)]}" if values else "-"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--audio", type=pathlib.Path, default=ROOT.parent / "shared/audio")
    parser.add_argument("--voices", type=pathlib.Path, default=pathlib.Path("~/.cache/parley/test/backchannels-3").expanduser())
    parser.add_argument("--languages", default="en,zh")
    parser.add_argument("--slow", default="1,6")
    parser.add_argument("--kinds", default="")
    parser.add_argument("--json", type=pathlib.Path)
    args = parser.parse_args()
    args.voices.mkdir(parents=True, exist_ok=True)
    kept = []
    print("| language | recogniser | over the answer | cases | stopped | paused after, ms (p50 / p95) | decided after "
          "| silent when it went on |\n|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        for language in args.languages.split(","):
            cases = [case for case in cases_of(language, args.audio, args.voices, pathlib.Path(name))
                     if not args.kinds or any(kind in case[0] for kind in args.kinds.split(","))]
            for slow in args.slow.split(","):
                results = play(cases, language, slow)
                for (kind, path, level), result in zip(cases, results):
                    kept.append({"language": language, "slow": slow, "kind": kind, "file": path.name, "level": level, **result})
                for kind in dict.fromkeys(case[0] for case in cases):
                    rows = [r for r in kept[-len(cases):] if r["kind"] == kind]
                    stopped = sum(r["stopped"] for r in rows)
                    bad = len(rows) - stopped if kind in MUST_STOP else stopped
                    print(f"| {language} | {slow} x | {kind} | {len(rows)} | {stopped}{'' if bad == 0 else ' (' + str(bad) + ' wrong)'} | "
                          f"{spread([r['paused_ms'] for r in rows])} | {spread([r['decided_ms'] for r in rows])} | "
                          f"{spread([r['silent_ms'] for r in rows if not r['stopped'] and r['paused_ms'] >= 0])} |", flush=True)
    if args.json:
        args.json.write_text("\n".join(json.dumps(r, ensure_ascii=False) for r in kept) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
