#!/usr/bin/env python3
"""Breaks the floor on purpose, one rule at a time, and asks the simulator to notice.

    python3 tests/sim/mutate.py [-n talks] [-f part] [-l] [-k I/N]

Each mutation is a change of a copy of src/session/floor*.c; the product's files stay as they are. One part
of the list is written down below; the other is generated: wherever a rule reads a limit of its
configuration, the limit is halved and doubled. -k 0/3 runs the first third of all.
It needs a release build (make build/release/tests/sim-run). A mutation that survives, or whose text
is no longer found, is a failure. Ends with "N passed, N failed".
"""
import argparse
import glob
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

USER, OVERLAP, ANSWER = "floor_user.c", "floor_overlap.c", "floor_answer.c"
FILLER = "floor_filler.c"

# (rule, what is broken, file, text, its replacement)
MUTATIONS = [
    (1, "commits too early", USER, "silence_us >= (int64_t)conf->silence_duration_ms * US_PER_MS;\n    if (silence_us",
     "silence_us >= (int64_t)conf->silence_duration_ms * US_PER_MS / 2;\n    if (silence_us"),
    (1, "commits too late", USER, "silence_us >= (int64_t)conf->silence_duration_ms * US_PER_MS;\n    if (silence_us",
     "silence_us >= (int64_t)conf->silence_duration_ms * US_PER_MS * 2;\n    if (silence_us"),
    (1, "semantic_vad has no latest commit", USER, "if (silence_us >= (int64_t)conf->silence_max_ms * US_PER_MS)\n        return true;", ""),
    (1, "semantic_vad ignores open-ended text", USER, "uint32_t words = asks_for_more ? PRL_EOT_OPEN_ENDED : 0;", "uint32_t words = 0;"),
    (1, "a sound without words is a turn like any", USER, "is_wordless(floor) ? WORDLESS_MS : conf->silence_min_ms", "conf->silence_min_ms"),
    (1, "a sound without words waits too long", USER, "WORDLESS_MS = 1300,", "WORDLESS_MS = 1900,"),
    (1, "semantic_vad ignores its least silence", USER, "if (!words_are_awaited(floor, silence_us) && silence_us >= (int64_t)wanted_ms * US_PER_MS)", "if (wanted_ms < 5000)"),
    (1, "a verdict of the last pause counts in this one", USER, "utterance->eot_known = false;", ""),
    (1, "complete words are not enough", USER, "if (utterance->flags & PRL_FLOOR_COMPLETE)\n        words = PRL_EOT_COMPLETE;", ""),
    (1, "nobody to ask: waits for the limit", USER, "bool mute = !conf->eot_available || (utterance->eot_skipped && !utterance->eot_known);", "bool mute = !conf->eot_available;"),
    (1, "an unlikely end is an end", USER, "utterance->eot_known ? utterance->eot_permille : 0", "utterance->eot_known ? utterance->eot_permille + 200 : 0"),
    (1, "what words said of the last pause counts in this one", USER, "utterance->flags &= ~TURN_FLAGS;", ""),
    (1, "does not wait for the words of the pause", USER, "if (!words_are_awaited(floor, silence_us) &&", "if ("),
    (1, "Chinese words change nothing", USER, "words |= utterance->flags & PRL_FLOOR_HAN ? PRL_EOT_HAN : 0;", ""),
    (2, "an utterance begins at its onset without what was before", USER, "floor->voice_from = onset;", "floor->voice_from = onset + 4800;"),
    (2, "an utterance reaches back into a committed one", USER, "start > floor->buffer_from ? start : floor->buffer_from;", "start;"),
    (2, "an empty utterance is answered", ANSWER, "if (words > 0 && floor->transcripts[i].owed)", "if (floor->transcripts[i].owed)"),
    (2, "speech_stopped without speech_started", USER, "action->announced = !utterance.tentative && floor->user != PRL_FLOOR_QUIET;", "action->announced = true;"),
    (1, "a muted judge ends what asks for more", USER, "return mute && !asks_for_more &&", "return mute &&"),
    (3, "speculates at once", USER, "bool due = words_are_sure(floor) || silence_us >= (int64_t)floor->conf.probe_ms * US_PER_MS;", "bool due = true;"),
    (3, "speculates without limit", USER, "floor->answer == PRL_FLOOR_NONE && tries < floor->conf.speculations_max;", "floor->answer == PRL_FLOOR_NONE;"),
    (3, "going on does not drop the speculation", USER, "prl_floor_drop_speculation(floor);\n    prl_floor_drop_judge(floor);\n    floor->voice_from", "prl_floor_drop_judge(floor);\n    floor->voice_from"),
    (3, "a speculation does not wait for the words before it", USER, "!floor->speculation.generating && floor->transcript_count == 0", "!floor->speculation.generating"),
    (3, "speculates though no response is wanted", USER, "floor->speculation.generation == 0 && floor->conf.create_response &&", "floor->speculation.generation == 0 &&"),
    (3, "anticipates on words that still change", USER, "return utterance->words > 0 && (utterance->flags & PRL_FLOOR_STABLE) &&", "return utterance->words > 0 &&"),
    (3, "anticipates on words that ask for more", USER, "(utterance->flags & PRL_FLOOR_STABLE) &&\n           !(utterance->flags & PRL_FLOOR_OPEN_ENDED);", "(utterance->flags & PRL_FLOOR_STABLE);"),
    (3, "anticipates though that is off", USER, "if (!floor->conf.speculate_early || !may_speculate(floor", "if (!may_speculate(floor"),
    (3, "early tries are those of pauses", USER, "!may_speculate(floor, utterance->early_tries)", "!may_speculate(floor, utterance->speculations)"),
    (3, "anticipates on words of long ago", USER, "heard_to >= utterance->speech_end && !(utterance", "!(utterance"),
    (3, "anticipates on recent words that ask for more", USER, "heard_to >= utterance->speech_end && !(utterance->flags & PRL_FLOOR_OPEN_ENDED);", "heard_to >= utterance->speech_end;"),
    (3, "anticipates before the words before it are known", USER, "|| floor->transcript_count > 0)\n        return;\n    utterance->early_revision", ")\n        return;\n    utterance->early_revision"),
    (3, "other words keep what was anticipated", ANSWER, "if (event->words > 0 && (event->flags & PRL_FLOOR_SAME)) {", "if (event->words > 0) {"),
    (3, "other words after the commit keep what was anticipated", ANSWER, "if (event->words > 0 && (event->flags & PRL_FLOOR_SAME))\n        floor->current.early = false;", "floor->current.early = false;"),
    (3, "adopts what was never confirmed", USER, "bool unasked = floor->speculation.early && !floor->speculation.confirming;", "bool unasked = false;"),
    (4, "voice in THINKING holds nothing", ANSWER, "floor->filler.generation != 0 || voice;", "floor->filler.generation != 0;"),
    (4, "an answer dropped for noise is forgotten", ANSWER, "floor->owed = floor->owed || floor->current.owed;", ""),
    (4, "an apology dropped for noise is forgotten", ANSWER, "floor->owed_failed = floor->owed_failed || floor->current.owed_failed;", ""),
    (5, "a click interrupts", OVERLAP, "bool enough = voiced_ms >= floor->conf.interrupt_min_ms;", "bool enough = voiced_ms >= 40;"),
    (5, "nothing interrupts", OVERLAP, "if (enough && floor->conf.interrupt_response)", "if (false)"),
    (5, "interrupts though that is off", OVERLAP, "if (enough && floor->conf.interrupt_response)", "if (enough)"),
    (5, "a backchannel interrupts", OVERLAP, "(listening || (utterance->flags & PRL_FLOOR_ECHO))", "(utterance->flags & PRL_FLOOR_ECHO)"),
    (5, "the answer to a question is taken for a backchannel", OVERLAP, "(weak || (utterance->flags & PRL_FLOOR_BACKCHANNEL)) && !floor->current.asked;", "weak || (utterance->flags & PRL_FLOOR_BACKCHANNEL);"),
    (5, "does not pause", OVERLAP, "if (voiced_ms >= floor->conf.interrupt_min_ms && floor->answer == PRL_FLOOR_SPEAKING) {", "if (false) {"),
    (5, "resumes too early", OVERLAP, "bool settled = silence_us >= (int64_t)floor->conf.resume_ms * US_PER_MS;\n    // Words", "bool settled = true;\n    // Words"),
    (5, "the answer waits for a late verdict", OVERLAP, "if (silence_us < verdict_us)\n        return;", "if (silence_us < LATE_VERDICTS * verdict_us)\n        return;"),
    (5, "waits for a verdict for ever", OVERLAP, "listens || utterance->judged || !over)", "listens || utterance->judged)"),
    (5, "a late verdict is not waited for", OVERLAP, "listens || utterance->judged || !over)", "true)"),
    (5, "the answer stays silent under an unjudged sound", OVERLAP, "if (floor->answer != PRL_FLOOR_PAUSED)\n        return;\n    floor->answer", "return;\n    floor->answer"),
    (5, "an answer is held for an unjudged sound", ANSWER, "!other && !prl_floor_is_excused(floor) &&", "!other &&"),
    (5, "what the answer went on under counts again", OVERLAP, "(prl_floor_voiced(floor) - floor->utterance.excused) / SAMPLES_PER_MS", "prl_floor_voiced(floor) / SAMPLES_PER_MS"),
    (5, "a failed verdict is waited for like a late one", OVERLAP, "else if (listens || utterance->judged ||", "else if (listens ||"),
    (5, "long voice without words is never real", OVERLAP, "if ((words_interrupt(floor, silence_us) || lasting) && !awaited) {", "if (words_interrupt(floor, silence_us) && !awaited) {"),
    (5, "another voice interrupts", OVERLAP, "if (prl_floor_other(floor)) {", "if (false) {"),
    (5, "another voice keeps the answer paused", ANSWER, "floor->conf.interrupt_response &&\n            !prl_floor_other(floor))\n            break;", "floor->conf.interrupt_response)\n            break;"),
    (4, "another voice holds an answer", ANSWER, "bool other = prl_floor_other(floor) && floor->utterance.tentative;", "bool other = false;"),
    (5, "another voice is forgotten at once", OVERLAP, "        if (silence_us >= (int64_t)floor->conf.verdict_max_ms * US_PER_MS)\n            decide_false(floor);\n        return;", "        decide_false(floor);\n        return;"),
    (5, "whose voice it is is not awaited", OVERLAP, "bool awaited = speaker_awaited(floor, prl_floor_voiced(floor) / SAMPLES_PER_MS, silence_us);", "bool awaited = false;"),
    (5, "whose voice it is is awaited though it is known", OVERLAP, " &&\n           !(floor->utterance.flags & (PRL_FLOOR_MINE | PRL_FLOOR_OTHER));", ";"),
    (5, "server_vad does not pause for a verdict on the voice", OVERLAP, " || floor->conf.lock_ms > 0;", ";"),
    (3, "what was made of another's words is spoken", USER, "owner_changed || ", ""),
    (5, "one word is believed like two", OVERLAP, "two ? PHRASE_MS : WORD_MS", "PHRASE_MS"),
    (5, "the first syllable makes words", OVERLAP, "two ? PHRASE_MS : WORD_MS", "100"),
    (5, "two words of a hum are believed", OVERLAP, "return heard_ms >= WHOLE_MS && (sure || voiced_ms >= SHORT_MS);", "return heard_ms >= WHOLE_MS;"),
    (5, "a word that takes the floor counts like any", OVERLAP, "floor->current.asked || takes;", "floor->current.asked;"),
    (5, "words that take the floor are believed however many", OVERLAP, "!again && (said || utterance->words <= WORDS_QUICK);", "!again;"),
    (5, "the second verdict under voice comes at once", OVERLAP, "EARLY_JUDGES_MS[asked];", "EARLY_JUDGES_MS[0];"),
    (5, "a recogniser that follows is asked only when it has told something", USER, "floor->utterance.followed |= event->flags & PRL_FLOOR_FOLLOWED;\n    uint64_t known", "uint64_t known"),
    (5, "a recogniser that follows nobody is asked under voice", OVERLAP, "return utterance->followed && idle &&", "return idle &&"),
    (5, "the answer goes on under who goes on over it", USER, "if (goes_on_over(floor))", "if (false)"),
    (5, "half of the voice goes on over an answer", USER, "floor->voice_to >= floor->voice_from + real;", "floor->voice_to >= floor->voice_from + real / 2;"),
    (5, "words that contradict each other take the floor", OVERLAP, "bool again = utterance->words <= utterance->plain_words;", "bool again = false;"),
    (5, "two words are believed before the voice goes on", OVERLAP, "two ? PHRASE_VOICED_MS : WORD_VOICED_MS", "PHRASE_MS"),
    (5, "words as likely as a sign of listening count like any", OVERLAP, "utterance->margin > 0 && utterance->margin < MARGIN_LISTENS;", "false;"),
    (5, "what a recogniser weighs is not looked at", OVERLAP, "if (utterance->margin > 0 && !floor->current.asked) {", "if (false) {"),
    (5, "words that hardly outweigh a hum are believed", OVERLAP, "return utterance->margin >= wanted;", "return utterance->margin + 30 >= wanted;"),
    (5, "words of little voice are believed like those of much", OVERLAP, "MARGIN_SHORT - less : MARGIN_LONG;", "MARGIN_LONG : MARGIN_LONG;"),
    (5, "words that take the floor hardly have to outweigh a hum", OVERLAP, "        wanted = MARGIN_TAKES;\n", "        wanted = MARGIN_TAKES / 2;\n"),
    (5, "the margin of the last words counts for these", ANSWER, "utterance->margin = event->margin;", "utterance->margin = utterance->margin > event->margin ? utterance->margin : event->margin;"),
    (5, "a long backchannel interrupts", OVERLAP, "most_ms += words_listen(floor) ? most_ms / 2 : 0;", ""),
    (5, "more words than can be said are believed", OVERLAP, "bool said = (uint64_t)utterance->words * least_ms <= heard_ms;", "bool said = least_ms > 0;"),
    (5, "as many Chinese characters as words are believed", OVERLAP, "utterance->flags & PRL_FLOOR_HAN ? HAN_LEAST_MS : WORD_LEAST_MS", "WORD_LEAST_MS"),
    (5, "a verdict that did not hear the end is one on all of it", USER, "prl_floor_drop_judge(floor); // it did not hear all of the voice", ""),
    (5, "asks for a verdict under voice again and again", OVERLAP, "utterance->early_judges++;", "utterance->judge = 0;"),
    (5, "a verdict counts with voice that it did not hear", ANSWER, "utterance->words_voiced = utterance->judge_voiced;", "utterance->words_voiced = prl_floor_voiced(floor) + 3200;"),
    (5, "the silence of the VAD is voice", OVERLAP, "voiced += floor->voice_to - floor->voice_from;", "voiced += floor->input - floor->voice_from;"),
    (5, "our own words interrupt", OVERLAP, "(listening || (utterance->flags & PRL_FLOOR_ECHO))", "listening"),
    (5, "our own voice interrupts by its length", OVERLAP, "bool lasting = voiced_ms > most_ms && !echo;", "bool lasting = voiced_ms > most_ms;"),
    (6, "two answers sound", ANSWER, "!slot->generating || floor->tail.generation != 0 ||", "!slot->generating ||"),
    (6, "response.create beside an answer", ANSWER, "prl_floor_refuse(floor, PRL_FLOOR_RESPONSE_ACTIVE);\n        return;", "prl_floor_end_tail(floor, PRL_FLOOR_BY_CLIENT);"),
    (6, "a commit does not replace the held answer", USER, "if (owed && floor->answer == PRL_FLOOR_THINKING && floor->current.under_voice)", "if (false)"),
    (6, "create_response off is ignored", USER, "bool owed = automatic && floor->conf.create_response;", "bool owed = automatic;"),
    (6, "the client's commit is answered", USER, "bool owed = automatic && floor->conf.create_response;", "bool owed = floor->conf.create_response;"),
    (7, "a cancel leaves the answer alive", ANSWER, "            floor->transcripts[i].owed = false;\n    }\n    answer_none(floor);", "            floor->transcripts[i].owed = false;\n    }\n    floor->answer = PRL_FLOOR_SPEAKING;"),
    (7, "a cancel does not say so", ANSWER, "    say_cancel(floor, &floor->current, reason);\n    prl_floor_end_filler", "    prl_floor_end_filler"),
    (7, "a cancel leaves the filler", ANSWER, "prl_floor_end_filler(floor, reason);\n    bool unheard", "bool unheard"),
    (8, "finished before all was sent", ANSWER, "if (slot->done && !slot->finished && slot->sent >= slot->produced)", "if (slot->done && !slot->finished)"),
    (8, "played before all was heard", ANSWER, "if (slot->finished && (slot->heard >= slot->produced || stuck))", "if (slot->finished)"),
    (8, "truncate does not end the sound", ANSWER, "if (sounding && (any || event->generation == floor->current.generation))", "if (sounding && any)"),
    (9, "a slow model is waited for", ANSWER, "if (slot->generating && slot->produced == 0 && floor->now_us >= slot->progress_us + limit_us)", "if (false)"),
    (9, "a slow recogniser is waited for", ANSWER, "while (floor->transcript_count > 0 &&\n           floor->now_us", "while (false && floor->now_us"),
    (9, "a failed model is waited for", ANSWER, "answer_failed(floor, PRL_FLOOR_BY_FAILURE, event->samples);", "(void)event;"),
    (9, "a failed answer is cut in the past", ANSWER, "uint64_t end = good > slot->sent ? good : slot->sent;", "uint64_t end = good;"),
    (9, "no apology for what was not understood", ANSWER, "if (floor->transcripts[i].owed)\n            floor->owed_failed = true;", ""),
    (9, "an apology leaves its words owed", ANSWER, "take_owed(floor); // the apology pays as the answer would have", ""),
    (9, "what an apology replaces is never stopped", ANSWER, "if (slot->generating)\n            prl_floor_say_gen(floor, PRL_ACT_DROP_SPECULATION, slot->generation);", ""),
    (9, "no limit is named", ANSWER, "if (floor->answer == PRL_FLOOR_SPEAKING)\n        deadline_us = earlier(deadline_us, slot->progress_us + limit_us);", ""),
    (10, "a filler at once", FILLER, "floor->now_us >= floor->wait_us + (int64_t)floor->conf.filler_after_ms * US_PER_MS)", "floor->now_us >= floor->wait_us)"),
    (10, "never a filler", FILLER, "return floor->conf.filler_after_ms > 0 &&", "return floor->conf.filler_after_ms > 60000 &&"),
    (10, "a second filler in one wait", FILLER, "floor->wait_us >= 0 && !floor->filler_said &&", "floor->wait_us >= 0 &&"),
    (10, "a filler under voice", FILLER, "floor->user == PRL_FLOOR_QUIET && !floor->voice && waits(floor);", "waits(floor);"),
    (10, "a filler for words that are not known", FILLER, "return floor->answer == PRL_FLOOR_THINKING && floor->current.visible &&", "return floor->answer == PRL_FLOOR_THINKING;"[:-1] + " && true ||"),
    (10, "the answer sounds over the filler", ANSWER, "floor->filler.generation != 0 || voice;", "voice;"),
    (10, "a filler that nobody needs is begun", FILLER, "if (filler->sent == 0 && (stuck || voice || !waits(floor)))", "if (filler->sent == 0 && stuck)"),
    (10, "a filler ends before it was heard", FILLER, "(filler->done && filler->heard >= filler->produced)", "filler->done"),
    (10, "voice does not end a filler", OVERLAP, "    if (voiced_ms >= floor->conf.interrupt_min_ms)\n        prl_floor_end_filler(floor, PRL_FLOOR_BY_TURN);\n", ""),
    (10, "a tool is never waited for", ANSWER, "if (called)\n        prl_floor_wait_begins(floor, true);", "if (false) ;"),
    (11, "no limit to an utterance", USER, "bool full = floor->input - floor->utterance.start >= max;", "bool full = false;"),
    (11, "silence stops with the samples", OVERLAP, "if (stalled_us >= (int64_t)floor->conf.input_stall_ms * US_PER_MS)", "if (false)"),
    (11, "transcripts without bound", USER, "bool room = floor->transcript_count < PRL_FLOOR_TRANSCRIPTS_MAX;", "bool room = floor->transcript_count < 4;"),
    (12, "leaving ends nothing", ANSWER, "    prl_floor_end_answer(floor, PRL_FLOOR_BY_LEAVING);\n", ""),
    (12, "leaving forgets the transcripts", ANSWER, "while (floor->transcript_count > 0)\n        (void)transcript_failed(floor, floor->transcripts[0].generation, PRL_FLOOR_BY_LEAVING);", "floor->transcript_count = 0;"),
    (12, "nobody comes back", ANSWER, "    floor->frozen = false;\n", ""),
    (0, "the idle timer does not wait", ANSWER, "floor->now_us - floor->idle_from_us < (int64_t)conf->idle_timeout_ms * US_PER_MS)", "floor->now_us - floor->idle_from_us < 100000)"),
    (0, "late messages count", "floor.c", "late = event->generation == 0 || (event->generation != floor->current.generation &&\n                                          event->generation != floor->speculation.generation &&\n                                          event->generation != floor->filler.generation);", "late = false;"),
]

# Which rule a limit belongs to. Where one may be longer or shorter without breaking any rule, the
# direction that does break one is named.
LIMITS = {
    "silence_duration_ms": 1, "silence_min_ms": 1, "silence_max_ms": 1, "prefix_padding_ms": 2,
    "probe_ms": 3, "speculations_max": 3, "interrupt_min_ms": 5, "interrupt_max_ms": 5,
    "interrupt_unjudged_ms": 5, "resume_ms": 5, "verdict_max_ms": 5, "commit_min_ms": 6,
    "engine_first_byte_ms": 9, "apology_max_ms": 9, "filler_after_ms": 10,
    "utterance_max_ms": 11, "input_stall_ms": 11, "idle_timeout_ms": 0,
}
READS = re.compile(r"(?:floor->conf\.|conf->)(\w+)")


def generated():
    for path in sorted(glob.glob("src/session/floor_*.c")):
        text, name = pathlib.Path(path).read_text(), pathlib.Path(path).name
        for found in READS.finditer(text):
            limit = found.group(1)
            # A switch (0 is off) has no half. A deadline is a wish to be woken: while sound flows the rules look at
            # every window, so that a late one breaks nothing, and an early one never does.
            switch = re.match(r" (> 0|== 0)", text[found.end():])
            if limit not in LIMITS or switch or "_deadline(" in text[text.rfind("\n}", 0, found.start()):found.start()]:
                continue
            line = text.count("\n", 0, found.start()) + 1
            for what, change in (("halved", "/ 2"), ("doubled", "* 2")):
                if (limit, what) == ("input_stall_ms", "halved"):
                    continue  # on a line that stands still nobody looks before the deadline
                yield (LIMITS[limit], f"{limit} is {what}, {name}:{line}", name, None,
                       text[:found.start()] + f"({found.group(0)} {change})" + text[found.end():])


FLAGS = ["-std=c11", "-D_GNU_SOURCE", "-O1", "-g", "-Isrc", "-I.", "-w"]



def replace_once(text, old, new):
    """Finds `old` whatever its line breaks are; None when it is not there."""
    parts = [part for part in old.split() if part]
    start = text.find(parts[0])
    while start >= 0:
        end, found = start, True
        for part in parts:
            while end < len(text) and text[end].isspace():
                end += 1
            if not text.startswith(part, end):
                found = False
                break
            end += len(part)
        if found:
            return text[:start] + new + text[end:]
        start = text.find(parts[0], start + 1)
    return None


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("-n", type=int, default=3000)
    parser.add_argument("-f", default="")
    parser.add_argument("-l", action="store_true")
    parser.add_argument("-k", default="0/1")
    args = parser.parse_args()
    base = pathlib.Path("build/release")
    objects = sorted(glob.glob(str(base / "tests/sim/*.o")))
    archive = base / "libparley.a"
    if not objects or not archive.exists():
        sys.exit("mutate: build first: make build/release/tests/sim-run")
    if not args.l and subprocess.run([str(base / "tests/sim-run"), "-n", str(args.n)],
                                     capture_output=True, check=False).returncode:
        sys.exit("mutate: the simulator fails without any mutation")
    passed = failed = 0
    slice_at, slices = map(int, args.k.split("/"))
    for index, (rule, what, name, old, new) in enumerate([*MUTATIONS, *generated()]):
        title = f"rule {rule}: {what}"
        if args.f not in title or index % slices != slice_at:
            continue
        if args.l:
            print(title)
            continue
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            (folder / "session").mkdir()
            for path in glob.glob("src/session/floor*"):
                shutil.copy(path, folder / "session")
            source = folder / "session" / name
            text = replace_once(source.read_text(), old, new) if old else new
            if text is None:
                print(f"FAIL  {title}: the text is not in {name}")
                failed += 1
                continue
            source.write_text(text)
            program = folder / "sim"
            build = ["gcc", *FLAGS, f"-I{folder}", "-o", str(program), *objects,
                     *sorted(glob.glob(str(folder / "session/*.c"))), str(archive), "-lm"]
            # The copy's own header comes first.
            build[1:1] = ["-iquote", str(folder)]
            made = subprocess.run(build, capture_output=True, text=True, check=False)
            if made.returncode:
                print(f"FAIL  {title}: does not compile\n{made.stderr[:600]}")
                failed += 1
                continue
            try:
                run = subprocess.run([str(program), "-n", str(args.n)], capture_output=True,
                                     text=True, check=False, timeout=120)
                code, output = run.returncode, run.stdout + run.stderr
            except subprocess.TimeoutExpired:
                code, output = 1, "FAIL  the talks do not end\n"
            if code == 0:
                print(f"FAIL  {title}: nobody noticed")
                failed += 1
                continue
            first = next((line for line in output.splitlines() if "FAIL" in line or "check" in line),
                         f"ended with {code}")
            print(f"ok    {title}  --  {first[:120]}")
            passed += 1
    print(f"{passed} passed, {failed} failed")
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
