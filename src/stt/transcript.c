// transcript.c -- see transcript.h.
#include "stt/transcript.h"

#include <string.h>
#include <strings.h>

#include "base/check.h"
#include "base/json.h"
#include "base/mem.h"
#include "net/sse.h"

enum { LANGUAGE_SIZE = 32 };

struct prl_transcript {
    struct prl_sse *sse;  // owned; NULL: one JSON object comes
    struct prl_str body;  // the JSON object so far
    struct prl_str words; // of the events so far
    bool ended;           // the events said so
    char language[LANGUAGE_SIZE];
    enum prl_err dead;
    char why[PRL_TRANSCRIPT_WHY_SIZE];
};

static enum prl_err die(struct prl_transcript *transcript, enum prl_err err, const char *why)
{
    if (!transcript->dead) {
        transcript->dead = err;
        (void)prl_str_copy(transcript->why, sizeof(transcript->why), why);
    }
    return transcript->dead;
}

static void keep_language(struct prl_transcript *transcript, const struct prl_json *root)
{
    const char *language = prl_json_string(prl_json_get(root, "language"), "");
    if (strlen(language) < LANGUAGE_SIZE)
        (void)prl_str_copy(transcript->language, LANGUAGE_SIZE, language);
}

static bool take_error(struct prl_transcript *transcript, const struct prl_json *root)
{
    const struct prl_json *error = prl_json_get(root, "error");
    if (!error || prl_json_type(error) == PRL_JSON_NULL)
        return false;
    const char *why = prl_json_string(error, NULL);
    (void)die(transcript, PRL_ERR_REMOTE,
              why ? why : prl_json_string(prl_json_get(error, "message"), "the server failed"));
    return true;
}

static void add_words(struct prl_transcript *transcript, const struct prl_json *text)
{
    enum prl_err err =
        prl_str_add(&transcript->words, prl_json_string(text, ""), prl_json_string_len(text));
    if (err)
        (void)die(transcript, err, "the transcription is too long");
}

// What one event says.
static void take_event(struct prl_transcript *transcript, const struct prl_json *root)
{
    const char *type = prl_json_string(prl_json_get(root, "type"), "");
    const struct prl_json *choice = prl_json_at(prl_json_get(root, "choices"), 0);
    if (take_error(transcript, root) || transcript->ended)
        return;
    if (prl_str_equal(type, "transcript.text.delta")) {
        add_words(transcript, prl_json_get(root, "delta"));
    } else if (prl_str_equal(type, "transcript.text.done")) {
        const struct prl_json *text = prl_json_get(root, "text");
        if (prl_json_type(text) == PRL_JSON_STRING) { // the whole, which counts
            prl_str_clear(&transcript->words);
            add_words(transcript, text);
        }
        keep_language(transcript, root);
        transcript->ended = true;
    } else if (choice) {
        add_words(transcript, prl_json_get(prl_json_get(choice, "delta"), "content"));
        transcript->ended = prl_json_type(prl_json_get(choice, "finish_reason")) == PRL_JSON_STRING;
    }
}

static void on_event(void *arg, const struct prl_sse_event *event)
{
    struct prl_transcript *transcript = arg;
    struct prl_json *root;
    if (transcript->dead)
        return;
    if (strcmp(event->data, "[DONE]") == 0) {
        transcript->ended = true;
        return;
    }
    enum prl_err err = prl_json_parse(&root, event->data, event->data_len, NULL, 0);
    if (err) {
        (void)die(transcript, err == PRL_ERR_NOMEM ? err : PRL_ERR_REMOTE,
                  "an event that is no JSON");
        return;
    }
    take_event(transcript, root);
    prl_json_free(&root);
}

bool prl_transcript_is_events(const char *type)
{
    static const char events[] = "text/event-stream";
    return strncasecmp(type, events, sizeof(events) - 1) == 0;
}

enum prl_err prl_transcript_create(struct prl_transcript **out, bool events)
{
    PRL_CHECK(out != NULL);
    struct prl_transcript *transcript = *out = prl_mem_zalloc(sizeof(*transcript));
    if (!transcript)
        return PRL_ERR_NOMEM;
    prl_str_init(&transcript->body, PRL_TRANSCRIPT_MAX);
    prl_str_init(&transcript->words, PRL_TRANSCRIPT_MAX);
    enum prl_err err =
        events ? prl_sse_create(&transcript->sse, PRL_TRANSCRIPT_MAX, on_event, transcript)
               : PRL_OK;
    if (err)
        prl_transcript_destroy(out);
    return err;
}

void prl_transcript_destroy(struct prl_transcript **transcript)
{
    PRL_CHECK(transcript != NULL);
    if (!*transcript)
        return;
    prl_sse_destroy(&(*transcript)->sse);
    prl_str_free(&(*transcript)->body);
    prl_str_free(&(*transcript)->words);
    prl_mem_free(*transcript);
    *transcript = NULL;
}

enum prl_err prl_transcript_push(struct prl_transcript *transcript, const char *data, size_t len)
{
    if (transcript->dead)
        return transcript->dead;
    enum prl_err err = transcript->sse ? prl_sse_push(transcript->sse, data, len)
                                       : prl_str_add(&transcript->body, data, len);
    return err ? die(transcript, err, "an answer that is too long") : transcript->dead;
}

static enum prl_err read_object(struct prl_transcript *transcript)
{
    struct prl_json *root;
    enum prl_err err =
        prl_json_parse(&root, prl_str_text(&transcript->body), transcript->body.len, NULL, 0);
    if (err)
        return die(transcript, err == PRL_ERR_NOMEM ? err : PRL_ERR_REMOTE,
                   "an answer that is no transcription");
    const struct prl_json *text = prl_json_get(root, "text");
    if (prl_json_type(text) == PRL_JSON_STRING) {
        add_words(transcript, text);
        keep_language(transcript, root);
    } else if (!take_error(transcript, root)) {
        (void)die(transcript, PRL_ERR_REMOTE, "an answer that is no transcription");
    }
    prl_json_free(&root);
    return transcript->dead;
}

enum prl_err prl_transcript_end(struct prl_transcript *transcript, struct prl_str *text,
                                const char **language)
{
    PRL_CHECK(transcript != NULL && text != NULL && language != NULL);
    if (!transcript->dead && transcript->sse && !transcript->ended)
        (void)die(transcript, PRL_ERR_REMOTE, "a transcription that ended too early");
    if (!transcript->dead && !transcript->sse)
        (void)read_object(transcript);
    if (transcript->dead)
        return transcript->dead;
    *language = transcript->language;
    enum prl_err err = prl_str_add(text, prl_str_text(&transcript->words), transcript->words.len);
    return err ? die(transcript, err, "no room for the transcription") : PRL_OK;
}

const char *prl_transcript_why(const struct prl_transcript *transcript)
{
    return transcript->why;
}
