// cmd.h -- the subcommands of the program, one file each.
//
// argv[0] is the subcommand's name. Results go to stdout, logs to stderr; the return value is the
// exit status: 0 done, 1 failed, 2 wrong usage.
#ifndef PRL_SERVER_CMD_H
#define PRL_SERVER_CMD_H

int prl_cmd_serve(int argc, char **argv);
int prl_cmd_talk(int argc, char **argv);
int prl_cmd_stt(int argc, char **argv);
int prl_cmd_tts(int argc, char **argv);
int prl_cmd_llm(int argc, char **argv);
int prl_cmd_vad(int argc, char **argv);
int prl_cmd_eot(int argc, char **argv);
int prl_cmd_models(int argc, char **argv);
int prl_cmd_config(int argc, char **argv);
int prl_cmd_check(int argc, char **argv);
int prl_cmd_bench(int argc, char **argv);
int prl_cmd_top(int argc, char **argv);
// Not for people: the child process of engine.isolate.
int prl_cmd_lane(int argc, char **argv);

#endif
