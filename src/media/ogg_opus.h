// ogg_opus.h -- Opus in Ogg: a file's bytes into 24 kHz sound as they arrive, and sound into a file.
//
// Units:    samples at 24 kHz, mono; other layouts are mixed by the decoder.
// Threads:  one owner. Pure.
// Memory:   a page and a packet (media/ogg.h) and a codec, 18 KiB or 43 KiB.
// Errors:   reading: INVALID for what is no such file, LIMIT, NOMEM; dead after an error. More than
//           two channels are INVALID. Writing: NOMEM, and LIMIT at the text's bound.
// Delay:    writing adds none to the sound: the codec's look-ahead is told as pre-skip.
// Source:   RFC 7845.
#ifndef PRL_MEDIA_OGG_OPUS_H
#define PRL_MEDIA_OGG_OPUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

struct prl_ogg_opus_reader;
struct prl_ogg_opus_writer;

// 1..PRL_OPUS_FILE_SAMPLES_MAX samples, valid during the call.
typedef void (*prl_ogg_opus_fn)(void *arg, const int16_t *pcm, size_t count);

enum prl_err prl_ogg_opus_reader_create(struct prl_ogg_opus_reader **out, prl_ogg_opus_fn fn,
                                        void *arg) PRL_MUST_USE;
void prl_ogg_opus_reader_destroy(struct prl_ogg_opus_reader **reader);
enum prl_err prl_ogg_opus_reader_push(struct prl_ogg_opus_reader *reader, const uint8_t *data,
                                      size_t len) PRL_MUST_USE;
// Both heads were there, and nothing is half there.
bool prl_ogg_opus_reader_is_whole(const struct prl_ogg_opus_reader *reader);

enum prl_err prl_ogg_opus_writer_create(struct prl_ogg_opus_writer **out,
                                        uint32_t bitrate_bps) PRL_MUST_USE;
void prl_ogg_opus_writer_destroy(struct prl_ogg_opus_writer **writer);
// Appends to `file` what has become whole pages, the heads first. Up to 19 ms of sound wait.
enum prl_err prl_ogg_opus_writer_push(struct prl_ogg_opus_writer *writer, const int16_t *pcm,
                                      size_t count, struct prl_str *file) PRL_MUST_USE;
// The rest and the last page; the file's length is exact. Once.
enum prl_err prl_ogg_opus_writer_end(struct prl_ogg_opus_writer *writer,
                                     struct prl_str *file) PRL_MUST_USE;

#endif
