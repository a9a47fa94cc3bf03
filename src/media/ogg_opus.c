// ogg_opus.c -- see ogg_opus.h. Granules count samples at 48 kHz, pre-skip included.
#include "media/ogg_opus.h"

#include <string.h>
#include <sys/random.h>

#include "base/check.h"
#include "base/mem.h"
#include "media/ogg.h"
#include "media/opus.h"

enum {
    HEAD_SIZE = 19,
    CHANNELS_AT = 9,
    PRE_SKIP_AT = 10,
    RATE_AT = 12,
    GAIN_AT = 16,
    FAMILY_AT = 18,
    TICKS = PRL_OPUS_CLOCK_HZ / PRL_OPUS_FILE_HZ, // a sample
    PRE_SKIP = PRL_OPUS_LOOKAHEAD_SAMPLES * TICKS,
    FRAME_TICKS = PRL_OPUS_IN_SAMPLES * TICKS,
    PAGE_PACKETS = 25, // half a second
    PACKET_MAX = 1200, // five segments: a page has room for 42 of them
    COMPLEXITY = 5,
};
static const char head_mark[] = "OpusHead";
static const char tags_mark[] = "OpusTags";

// ---- reading ----

enum step { STEP_HEAD, STEP_TAGS, STEP_SOUND };

struct prl_ogg_opus_reader {
    prl_ogg_opus_fn fn;
    void *arg;
    struct prl_ogg *ogg;              // owned
    struct prl_opus_decoder *decoder; // owned; from the head on
    enum step step;
    uint32_t skip; // samples still to be left out at the beginning
    int64_t at;    // granule behind what was decoded
    int16_t pcm[PRL_OPUS_FILE_SAMPLES_MAX];
};

static bool begins(const struct prl_ogg_packet *packet, const char *mark)
{
    return packet->len >= 8 && memcmp(packet->data, mark, 8) == 0;
}

static enum prl_err take_head(struct prl_ogg_opus_reader *reader,
                              const struct prl_ogg_packet *packet)
{
    const uint8_t *head = packet->data;
    // The upper half of the version is the incompatible one (RFC 7845 section 5.1).
    if (!begins(packet, head_mark) || packet->len < HEAD_SIZE || head[8] >> 4 != 0 ||
        head[CHANNELS_AT] < 1 || head[CHANNELS_AT] > 2 || head[FAMILY_AT] != 0)
        return PRL_ERR_INVALID;
    uint32_t pre_skip = (uint32_t)head[PRE_SKIP_AT] | (uint32_t)head[PRE_SKIP_AT + 1] << 8;
    int16_t gain = (int16_t)(uint16_t)(head[GAIN_AT] | head[GAIN_AT + 1] << 8);
    prl_opus_decoder_destroy(&reader->decoder);
    reader->skip = pre_skip / TICKS;
    reader->at = 0;
    reader->step = STEP_TAGS;
    return prl_opus_decoder_create_file(&reader->decoder, gain);
}

static enum prl_err take_sound(struct prl_ogg_opus_reader *reader,
                               const struct prl_ogg_packet *packet)
{
    size_t count = prl_opus_decode(reader->decoder, packet->data, packet->len, reader->pcm);
    if (count == 0)
        return PRL_ERR_INVALID;
    reader->at += (int64_t)count * TICKS;
    size_t from = reader->skip < count ? reader->skip : count;
    reader->skip -= (uint32_t)from;
    // What the encoder had to fill the last packet with.
    int64_t beyond = packet->end_granule >= 0 ? (reader->at - packet->end_granule) / TICKS : 0;
    size_t cut = beyond <= 0 ? 0 : beyond < (int64_t)count ? (size_t)beyond : count;
    if (from + cut < count)
        reader->fn(reader->arg, reader->pcm + from, count - from - cut);
    return PRL_OK;
}

static enum prl_err on_packet(void *arg, const struct prl_ogg_packet *packet)
{
    struct prl_ogg_opus_reader *reader = arg;
    if (packet->first)
        return take_head(reader, packet);
    if (reader->step == STEP_TAGS) {
        reader->step = STEP_SOUND;
        return begins(packet, tags_mark) ? PRL_OK : PRL_ERR_INVALID;
    }
    return reader->step == STEP_SOUND ? take_sound(reader, packet) : PRL_ERR_INVALID;
}

enum prl_err prl_ogg_opus_reader_create(struct prl_ogg_opus_reader **out, prl_ogg_opus_fn fn,
                                        void *arg)
{
    PRL_CHECK(out != NULL && fn != NULL);
    struct prl_ogg_opus_reader *reader = *out = prl_mem_zalloc(sizeof(*reader));
    if (!reader)
        return PRL_ERR_NOMEM;
    reader->fn = fn;
    reader->arg = arg;
    enum prl_err err = prl_ogg_create(&reader->ogg, on_packet, reader);
    if (err)
        prl_ogg_opus_reader_destroy(out);
    return err;
}

void prl_ogg_opus_reader_destroy(struct prl_ogg_opus_reader **reader)
{
    PRL_CHECK(reader != NULL);
    if (!*reader)
        return;
    prl_ogg_destroy(&(*reader)->ogg);
    prl_opus_decoder_destroy(&(*reader)->decoder);
    prl_mem_free(*reader);
    *reader = NULL;
}

enum prl_err prl_ogg_opus_reader_push(struct prl_ogg_opus_reader *reader, const uint8_t *data,
                                      size_t len)
{
    return prl_ogg_push(reader->ogg, data, len);
}

bool prl_ogg_opus_reader_is_whole(const struct prl_ogg_opus_reader *reader)
{
    return reader->step == STEP_SOUND && prl_ogg_is_whole(reader->ogg);
}

// ---- writing ----

struct prl_ogg_opus_writer {
    struct prl_opus_encoder *encoder; // owned
    uint32_t serial;
    uint32_t pages;   // written
    uint64_t samples; // taken
    uint64_t frames;  // encoded
    int16_t frame[PRL_OPUS_IN_SAMPLES];
    size_t filled;
    uint8_t packets[PAGE_PACKETS * PACKET_MAX]; // of the page that is being made
    size_t sizes[PAGE_PACKETS];
    size_t bytes, count;
};

enum prl_err prl_ogg_opus_writer_create(struct prl_ogg_opus_writer **out, uint32_t bitrate_bps)
{
    PRL_CHECK(out != NULL);
    struct prl_ogg_opus_writer *writer = *out = prl_mem_zalloc(sizeof(*writer));
    if (!writer)
        return PRL_ERR_NOMEM;
    struct prl_opus_tuning tuning = {.bitrate_bps = bitrate_bps, .complexity = COMPLEXITY};
    enum prl_err err = prl_opus_encoder_create(&writer->encoder, &tuning);
    if (!err &&
        getrandom(&writer->serial, sizeof(writer->serial), 0) != (ssize_t)sizeof(writer->serial))
        err = PRL_ERR_IO;
    if (err)
        prl_ogg_opus_writer_destroy(out);
    return err;
}

void prl_ogg_opus_writer_destroy(struct prl_ogg_opus_writer **writer)
{
    PRL_CHECK(writer != NULL);
    if (!*writer)
        return;
    prl_opus_encoder_destroy(&(*writer)->encoder);
    prl_mem_free(*writer);
    *writer = NULL;
}

static enum prl_err write_head(struct prl_ogg_opus_writer *writer, struct prl_str *file)
{
    static const uint8_t tags[] = "OpusTags\6\0\0\0parley\0\0\0"; // and the zero behind it
    uint8_t head[HEAD_SIZE] = "OpusHead";
    size_t sizes[2] = {HEAD_SIZE, sizeof(tags)};
    head[8] = 1; // version
    head[CHANNELS_AT] = 1;
    head[PRE_SKIP_AT] = PRE_SKIP & 0xFF;
    head[PRE_SKIP_AT + 1] = PRE_SKIP >> 8;
    head[RATE_AT] = PRL_OPUS_IN_HZ & 0xFF;
    head[RATE_AT + 1] = PRL_OPUS_IN_HZ >> 8;
    struct prl_ogg_page page = {
        .serial = writer->serial, .first = true, .data = head, .sizes = &sizes[0], .count = 1};
    enum prl_err err = prl_ogg_write(file, &page);
    if (err)
        return err;
    page = (struct prl_ogg_page){
        .serial = writer->serial, .number = 1, .data = tags, .sizes = &sizes[1], .count = 1};
    writer->pages = 2;
    return prl_ogg_write(file, &page);
}

static enum prl_err write_page(struct prl_ogg_opus_writer *writer, bool last, struct prl_str *file)
{
    uint64_t end = PRE_SKIP + writer->samples * TICKS;
    struct prl_ogg_page page = {.serial = writer->serial,
                                .number = writer->pages++,
                                .granule = (int64_t)(last ? end : writer->frames * FRAME_TICKS),
                                .last = last,
                                .data = writer->packets,
                                .sizes = writer->sizes,
                                .count = writer->count};
    writer->bytes = writer->count = 0;
    return prl_ogg_write(file, &page);
}

static enum prl_err encode_frame(struct prl_ogg_opus_writer *writer)
{
    size_t size = prl_opus_encode(writer->encoder, writer->frame, writer->packets + writer->bytes,
                                  PACKET_MAX);
    writer->filled = 0;
    if (size == 0)
        return PRL_ERR_INVALID;
    writer->sizes[writer->count++] = size;
    writer->bytes += size;
    writer->frames++;
    return PRL_OK;
}

enum prl_err prl_ogg_opus_writer_push(struct prl_ogg_opus_writer *writer, const int16_t *pcm,
                                      size_t count, struct prl_str *file)
{
    enum prl_err err = writer->pages == 0 ? write_head(writer, file) : PRL_OK;
    writer->samples += count;
    while (count > 0 && !err) {
        size_t room = PRL_OPUS_IN_SAMPLES - writer->filled;
        size_t n = count < room ? count : room;
        memcpy(writer->frame + writer->filled, pcm, n * sizeof(*pcm));
        writer->filled += n;
        pcm += n;
        count -= n;
        if (writer->filled == PRL_OPUS_IN_SAMPLES)
            err = encode_frame(writer);
        if (!err && writer->count == PAGE_PACKETS)
            err = write_page(writer, false, file);
    }
    return err || writer->count == 0 ? err : write_page(writer, false, file);
}

enum prl_err prl_ogg_opus_writer_end(struct prl_ogg_opus_writer *writer, struct prl_str *file)
{
    enum prl_err err = writer->pages == 0 ? write_head(writer, file) : PRL_OK;
    // Silence, until the codec has given out all that it holds back; at most two frames.
    while (!err && writer->frames * FRAME_TICKS < PRE_SKIP + writer->samples * TICKS) {
        memset(writer->frame + writer->filled, 0,
               (PRL_OPUS_IN_SAMPLES - writer->filled) * sizeof(*writer->frame));
        err = encode_frame(writer);
    }
    return err ? err : write_page(writer, true, file);
}
