#!/usr/bin/env python3
"""echo_scenes.py -- the table "Echo" of docs/TUNING.md: ten minutes of loudspeaker talk at each delay.

    echo_scenes.py [--audio DIR] [--seconds N] [--kits aec3,speexdsp,off] [--delays 50,100,…] [--echo-db 0,-10]
                   [--jitter MS --loss PERCENT] [--clip DB]

DIR is ../shared/audio: loudspeaker and persons are different speakers of its clips, the rooms and the noise its own
(recorded sounds, spliced into scenes by tests/bench/echo_scenes.c). Per row two runs: the loudspeaker alone, in
which the server's interruptions of itself are counted, and with a person who speaks over it every 12 s or later.
With --jitter the client is a WebRTC call's, over a network that is so much late for six seconds of every twelve.
"""
import argparse
import json
import os
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
TALK = ("en/libri_1995-1837-0001", "en/libri_2412-153948-0000", "en/lj002-0020", "en/jfk")
PERSONS = ("en/conv_turn_001", "en/sb_spk1_snt1", "zh/aishell_BAC009S0724W0121", "en/conv_turn_002", "zh/sensevoice_zh",
           "en/sb_spk2_snt2", "en/conv_turn_005", "zh/cosyvoice_prompt", "en/commonvoice_651325",
           "zh/aishell_BAC009S0764W0121")


def run_lines(audio, room, **options):
    def files(names):
        return ",".join(str(audio / f"{name}.wav") for name in names)
    command = [str(ROOT / "build/release/tests/bench/echo_scenes"), "--talk", files(TALK), "--room",
               str(audio / f"rir/{room}.wav"), "--noise", str(audio / "noise/sb_noise1.wav"), "--noise-db", "-30"]
    if options.pop("talk_over"):
        command += ["--person", files(PERSONS)]
    for name, value in options.items():
        command += ["--" + name.replace("_", "-"), str(value)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    return done.stdout.strip().splitlines()


def run(audio, room, **options):
    return json.loads(run_lines(audio, room, **options)[-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--audio", type=pathlib.Path, default=ROOT.parent / "shared/audio")
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--kits", default="aec3")
    parser.add_argument("--delays", default="50,100,200,400,700")
    parser.add_argument("--echo-db", default="0")
    parser.add_argument("--rooms", default="sb_rir1")
    parser.add_argument("--jitter", type=int, default=-1)
    parser.add_argument("--loss", type=int, default=0)
    parser.add_argument("--clip", type=float, help="dB above its mean power that the loudspeaker cannot reach")
    args = parser.parse_args()
    print(f"load {os.getloadavg()[0]:.1f}; {args.seconds} s a run\n")
    print("| echo control | room | echo | delay | self-interruptions | persons | noticed ≤ 500 ms | median | p95 | CPU, of a core |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for kit in args.kits.split(","):
        for room in args.rooms.split(","):
            for echo in args.echo_db.split(","):
                for delay in args.delays.split(","):
                    scene = {"kit": kit, "delay": delay, "seconds": args.seconds, "echo_db": echo, "jitter": args.jitter, "loss": args.loss}
                    if args.clip is not None:
                        scene["clip"] = args.clip
                    alone = run(args.audio, room, talk_over=False, **scene)
                    both = run(args.audio, room, talk_over=True, **scene)
                    share = 100 * both["noticed"] / max(1, both["persons"])
                    print(f"| {kit} | {room} | {echo} dB | {delay} ms | {alone['self_interruptions']} | {both['persons']} | "
                          f"{both['noticed']} ({share:.0f} %) | {both['median_ms']} ms | {both['p95_ms']} ms | "
                          f"{100 * alone['cpu_s'] / args.seconds:.1f} % |", flush=True)


if __name__ == "__main__":
    main()
